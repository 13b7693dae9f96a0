"""The program inside the guest that runs commands for the host; there it is process 1.

One loop, no threads: it moves frames between the virtio-serial port and the pipes of commands. It must not
know zonevm (only ``protocol.py``, beside it), nor import more than it needs: each import costs boot time.
Given a file descriptor as argument, it talks on that instead, as a plain process: for tests.
"""
# pathlib would take longer to import than all of this together.
# ruff: noqa: PTH100, PTH110, PTH118, PTH120, PTH123, PTH208

import errno
import fcntl
import os
import select
import signal
import struct
import sys
import termios
from time import monotonic as now

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import protocol
from protocol import CHUNK, STDERR, STDIN, STDOUT, WINDOW

PORT_TURNS = 2000
"""How often to look for the port, ABSENT_MS apart: a turn takes longer on a busy host, as does the port."""
SETTLE_SECONDS = 0.1
"""How long a terminal may still deliver what its command wrote before it ended."""
ABSENT_MS = 5

READ, WRITE = select.POLLIN, select.POLLOUT


class Port:
    """The way to the host: frames in, frames out, neither of which ever blocks the loop."""

    def __init__(self, fd):
        self.fd = fd
        self._decoder = protocol.Decoder()
        self._out = bytearray()
        os.set_blocking(fd, False)

    def send(self, kind, command=0, stream=0, payload=b""):
        """Have a frame sent, some time soon."""
        self._out += protocol.frame(kind, command, stream, payload)

    def greet(self):
        """Say hello."""
        release = os.uname().release
        self._out += protocol.MAGIC
        self.send(protocol.HELLO, payload=b"%d %s" % (protocol.VERSION, release.encode()))

    def interest(self):
        """Return what to poll for."""
        return READ | (WRITE if self._out else 0)

    def receive(self):
        """Return the frames that have arrived; None when the host is not there."""
        try:
            data = os.read(self.fd, 64 * 1024)
        except BlockingIOError:
            return []
        return self._decoder.feed(data) if data else None

    def flush(self):
        """Send what can be sent now."""
        while self._out:
            try:
                with memoryview(self._out) as view:
                    done = os.write(self.fd, view[:CHUNK])
            except BlockingIOError:
                return
            del self._out[:done]


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


class Agent:
    """Serves the host: dispatches its frames, waits for all that can happen, reaps every process."""

    def __init__(self, port):
        self._port = port
        self._commands = {}
        self._syncs = set()
        self._child_ended, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self):
        """Serve until the host is gone; as process 1, for ever."""
        self._port.greet()
        while self._turn():
            pass

    def _turn(self):
        poll = select.poll()
        poll.register(self._port.fd, self._port.interest())
        poll.register(self._child_ended, READ)
        actions = {}
        delays = []
        for command in list(self._commands.values()):
            if (delay := command.on_time()) is not None:
                delays.append(delay)
            if command.finish():
                del self._commands[command.number]
                continue
            for fd, events, action in command.interests():
                poll.register(fd, events)
                actions[fd] = action
        self._port.flush()
        ready = dict(poll.poll(min(delays) * 1000 if delays else None))
        # Actions first: the other two may close what an action is about.
        for fd in actions.keys() & ready.keys():
            actions[fd]()
        if self._child_ended in ready:
            os.read(self._child_ended, 4096)
            self._reap()
        return self._port.fd not in ready or self._talk(ready[self._port.fd])

    def _talk(self, events):
        frames = self._port.receive() if events & READ else [] if events & WRITE else None
        if frames is None:  # the host is not there, or not yet
            select.poll().poll(ABSENT_MS)
            return os.getpid() == 1
        for kind, number, stream, payload in frames:
            self._handle(kind, number, stream, payload)
        return True

    def _handle(self, kind, number, stream, payload):
        if kind == protocol.EXEC:
            command = self._commands[number] = Command(number, self._port)
            command.start(*protocol.unpack_exec(payload))
        elif kind == protocol.SYNC:
            self._sync()
        elif command := self._commands.get(number):
            if kind == protocol.DATA:
                command.feed(payload)
            elif kind == protocol.EOF:
                command.end_input()
            elif kind == protocol.CREDIT:
                command.credit(stream, *protocol.U32.unpack(payload))
            elif kind == protocol.CLOSE:
                command.refuse(stream)
            elif kind == protocol.SIGNAL:
                command.signal(*protocol.U32.unpack(payload))
            elif kind == protocol.RESIZE:
                command.resize(*protocol.SIZE.unpack(payload))

    def _sync(self):
        pid = os.fork()
        if pid == 0:
            os.sync()
            os._exit(0)
        self._syncs.add(pid)

    def _reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._syncs:
                self._syncs.remove(pid)
                self._port.send(protocol.SYNCED)
            for command in self._commands.values():
                if command.pid == pid and command.code is None:
                    command.on_exit(status)


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


def open_port():
    """Return the virtio-serial port of ours, which appears some time after the driver was loaded."""
    for _ in range(PORT_TURNS):
        try:
            ports = os.listdir("/sys/class/virtio-ports")
        except FileNotFoundError:
            ports = []
        for port in ports:
            with open(f"/sys/class/virtio-ports/{port}/name", encoding="ascii") as name:
                if name.read().strip() == protocol.PORT_NAME:
                    return os.open(f"/dev/{port}", os.O_RDWR | os.O_CLOEXEC)
        select.poll().poll(ABSENT_MS)
    raise SystemExit(f"zonevm: agent: no virtio-serial port {protocol.PORT_NAME} in the guest")


if __name__ == "__main__":
    Agent(Port(int(sys.argv[1]) if sys.argv[1:] else open_port())).serve()
