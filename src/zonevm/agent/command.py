"""A command in the guest, for ``agent.py``: its process, its pipes or its terminal. Must not know zonevm.

It says what it waits for and sends frames; the loop that waits, and the port, are the agent's.
"""
# pathlib would take longer to import than all of the agent together.
# ruff: noqa: PTH110, PTH118

import errno
import fcntl
import os
import select
import signal
import struct
import termios
from time import monotonic as now

import protocol
from protocol import CHUNK, STDERR, STDIN, STDOUT, WINDOW

SETTLE_SECONDS = 0.1
"""How long a terminal may still deliver what its command wrote before it ended."""

READ, WRITE = select.POLLIN, select.POLLOUT


class Output:
    """One output stream of a command: the end of its pipe that we read, or its terminal."""

    def __init__(self, fd, stream):
        self.fd = fd
        self.stream = stream
        self.credit = WINDOW
        self.left = (
            None  # after the command's exit: the bytes it left in the pipe, and no others, still go out
        )
        self.ended = False  # EOF was sent; what processes in the background still write is read and dropped

    def wanted(self):
        """Return whether to read on."""
        return self.ended or self.credit > 0

    def read(self):
        """Return what there is to send; b"" at the end, None when there is nothing now."""
        size = CHUNK if self.ended else min(CHUNK, self.credit, CHUNK if self.left is None else self.left)
        try:
            return os.read(self.fd, size)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.EIO:  # what a terminal says when its last user is gone
                return b""
            raise

    def waiting(self):
        """Return the bytes that can be read now."""
        return struct.unpack("i", fcntl.ioctl(self.fd, termios.FIONREAD, bytes(4)))[0]


class Command:
    """One command: its process and the other ends of its pipes or of its terminal."""

    def __init__(self, number, port):
        self.number = number
        self.code = None
        self.pid = 0
        self._port = port
        self._stdin = None
        self._outputs = []
        self._start = None  # pipe that tells whether the program started, closed once it has
        self._failed = b""
        self._is_tty = False
        self._input = bytearray()
        self._input_ended = False
        self._settle = None  # a terminal's last moment
        self._told = False

    def start(self, argv, env, cwd, tty):
        """Start the program; see ``protocol.pack_exec``."""
        self._start, failed = os.pipe()
        if tty:
            self._is_tty = True
            self._stdin, child = os.openpty()
            set_size(self._stdin, *tty)
            ends = (child, child, child)
            self._outputs = [Output(os.dup(self._stdin), STDOUT)]
        else:
            stdin, self._stdin = os.pipe()
            out, stdout = os.pipe()
            error, stderr = os.pipe()
            ends = (stdin, stdout, stderr)
            self._outputs = [Output(out, STDOUT), Output(error, STDERR)]
        self.pid = os.fork()
        if self.pid == 0:
            become(argv, env, cwd, ends=ends, tty=tty, failed=failed)
        for fd in {*ends, failed}:
            os.close(fd)
        for fd in (self._stdin, *(output.fd for output in self._outputs)):
            os.set_blocking(fd, False)

    # Requests of the host

    def feed(self, data):
        """Pass on data of its stdin."""
        if self._stdin is None:
            self._grant(len(data))
        else:
            self._input += data

    def end_input(self):
        """End its stdin after what was fed; on a terminal, type Ctrl-D."""
        if self._is_tty:
            self._input += b"\x04"
        else:
            self._input_ended = True
            self._close_input_when_empty()

    def credit(self, stream, count):
        """Allow more data of an output stream."""
        for output in self._outputs:
            if output.stream == stream:
                output.credit += count

    def refuse(self, stream):
        """Let whoever writes to a stream get SIGPIPE, as from any closed pipe."""
        for output in [output for output in self._outputs if output.stream == stream]:
            self._end(output, close=True)

    def signal(self, number):
        """Send a signal to its process group."""
        if self.code is None:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:  # it has not made its group yet
                os.kill(self.pid, number)

    def resize(self, rows, columns):
        """Set the size of its terminal."""
        if self._is_tty and self._stdin is not None:
            set_size(self._stdin, rows, columns)

    # What the loop waits for, and what it does then

    def interests(self):
        """Return ``(file descriptor, events, what to do)`` for all there is to wait for."""
        if self._start is not None:
            return [(self._start, READ, self._on_start)]
        wanted = [
            (output.fd, READ, lambda output=output: self._on_output(output))
            for output in self._outputs
            if output.wanted()
        ]
        if self._input and self._stdin is not None:
            wanted.append((self._stdin, WRITE, self._on_input))
        return wanted

    def on_exit(self, status):
        """Take the status that waitpid told."""
        self.code = os.waitstatus_to_exitcode(status)
        self._input.clear()
        if self._is_tty:
            self._settle = now() + SETTLE_SECONDS
        else:
            for output in list(self._outputs):
                if not output.ended:
                    output.left = output.waiting()
                    if not output.left:
                        self._end(output)
        self._close_input_when_empty(force=not self._is_tty)

    def on_time(self):
        """Do what the time has come for; return the seconds until the next such moment, or None."""
        if self._settle is None or not self._outputs:
            return None
        left = self._settle - now()
        if left > 0:
            return left
        for output in list(self._outputs):
            self._end(output, close=True)
        return None

    def finish(self):
        """Tell the exit once all before it was told; return whether there is nothing more to do."""
        ended = (
            self.code is not None and self._start is None and all(output.ended for output in self._outputs)
        )
        if ended and not self._told:
            self._told = True
            self._close_input_when_empty(force=True)
            if self._failed:
                self._port.send(protocol.FAILED, self.number, payload=self._failed)
            else:
                self._port.send(protocol.EXIT, self.number, payload=protocol.I32.pack(self.code))
        return ended and not self._outputs

    def _on_start(self):
        self._failed = os.read(self._start, 64)
        os.close(self._start)
        self._start = None

    def _on_input(self):
        try:
            with memoryview(self._input) as view:
                done = os.write(self._stdin, view[:CHUNK])
        except BlockingIOError:
            return
        except OSError:  # nobody reads it any more
            self._grant(len(self._input))
            self._input.clear()
            self._close_input_when_empty(force=True)
            self._port.send(protocol.CLOSE, self.number, STDIN)
            return
        del self._input[:done]
        self._grant(done)
        self._close_input_when_empty()

    def _on_output(self, output):
        data = output.read()
        if data == b"":
            self._end(output, close=True)
        elif data and not output.ended:
            output.credit -= len(data)
            self._port.send(protocol.DATA, self.number, output.stream, data)
            if output.left is not None:
                output.left -= len(data)
                if not output.left:
                    self._end(output)

    def _end(self, output, close=False):
        if not output.ended:
            output.ended = True
            self._port.send(protocol.EOF, self.number, output.stream)
        if close:
            os.close(output.fd)
            self._outputs.remove(output)

    def _close_input_when_empty(self, force=False):
        if self._stdin is not None and (force or (self._input_ended and not self._input)):
            os.close(self._stdin)
            self._stdin = None

    def _grant(self, count):
        self._port.send(protocol.CREDIT, self.number, STDIN, protocol.U32.pack(count))


def become(argv, env, cwd, *, ends, tty, failed):
    """In the new process: turn into the command, or write to ``failed`` why not. Never returns."""
    doing = b"exec"
    try:
        os.setsid()
        if tty:
            fcntl.ioctl(ends[0], termios.TIOCSCTTY, 0)
        for number, fd in enumerate(ends):
            os.dup2(fd, number)
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        doing = b"cwd"
        os.chdir(cwd)
        doing = b"exec"
        execute(argv, dict(variable.split(b"=", 1) for variable in env))
    except OSError as error:
        if doing == b"exec":
            # Nobody reads it before this process says that it has failed: it has to fit into the pipe.
            os.write(2, b"zonevm: cannot run %s: %s\n" % (argv[0][:4096], os.strerror(error.errno).encode()))
        os.write(failed, b"%d %s" % (error.errno, doing))
    finally:
        os._exit(127)


def execute(argv, env):
    """Execute ``argv`` as execvp(3) finds it, with the PATH of ``env``."""
    if b"/" in argv[0]:
        os.execve(argv[0], argv, env)
    denied = None
    for directory in env.get(b"PATH", b"/usr/bin:/bin").split(b":"):
        program = os.path.join(directory, argv[0])
        try:
            os.execve(program, argv, env)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            if os.path.exists(program):  # it is not the directory that is closed
                denied = error
    raise denied or FileNotFoundError(errno.ENOENT, "not in PATH")


def set_size(terminal, rows, columns):
    """Set the size of a terminal; its foreground processes get SIGWINCH."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
