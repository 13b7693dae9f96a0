"""The program inside the guest that runs commands for the host; there it is process 1.

One loop, no threads: it moves frames between the virtio-serial port and the pipes of commands. It must not
know zonevm (only ``command.py`` and ``protocol.py``, beside it), nor import more than it needs: each import
costs boot time.
Given a file descriptor as argument, it talks on that instead, as a plain process: for tests.
"""
# pathlib would take longer to import than all of this together.
# ruff: noqa: PTH100, PTH120, PTH123, PTH208

import os
import select
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import protocol
from command import READ, WRITE, Command

PORT_TURNS = 2000
"""How often to look for the port, ABSENT_MS apart: a turn takes longer on a busy host, as does the port."""
ABSENT_MS = 5


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
        words = [str(protocol.VERSION), os.uname().release]
        if clock := os.environ.pop(protocol.CLOCK, ""):
            with open("/proc/uptime") as uptime:
                words += [clock, uptime.read().split()[0]]
        self._out += protocol.MAGIC
        self.send(protocol.HELLO, payload=" ".join(words).encode())

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
                    done = os.write(self.fd, view[: protocol.CHUNK])
            except BlockingIOError:
                return
            del self._out[:done]


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
