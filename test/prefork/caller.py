"""The other end of the protocol, byte by byte."""

import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import time

from processes import PATIENCE

PYTHON = [sys.executable, "-W", "error", "warm.py"]


class Server:
    """A warm program started as prefork-interp starts it, with all that belongs to the client."""

    def __init__(
        self, test, *arguments, setting="v1,{seconds} {fds}", options=None, command=PYTHON
    ):
        self.dir = test.dir
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.dir / "socket"))
        self.listener.listen()
        self.listener.setblocking(False)
        first, call = socket.socketpair()
        # The watcher would read the sentinel, and write to the other one.
        self.sentinel, watch_in = os.pipe()
        watch_err, self.watcher = os.pipe()
        os.set_blocking(watch_err, False)
        given = [self.listener.fileno(), call.fileno(), watch_in, watch_err]
        self.started = time.time_ns()
        seconds = f"{self.started // 10**9}.{self.started % 10**9:09}"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "PREFORK_INTERP": setting.format(seconds=seconds, fds=",".join(map(str, given))),
            "WARM_OPTIONS": json.dumps(options or {}),
            "WARM_LOG": str(test.log),
        }
        self.start = subprocess.run(
            [*command, *arguments],
            cwd=self.dir,
            env=environment,
            pass_fds=given,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
        )
        call.close()
        os.close(watch_in)
        os.close(watch_err)
        # Whoever connects reaches the server alone.
        self.listener.close()
        self.first = Call(first)
        self.calls = [self.first]
        test.addCleanup(self.end)

    def call(self):
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self.dir / "socket"))
        except OSError:
            connection.close()
            raise
        self.calls.append(Call(connection))
        return self.calls[-1]

    def end(self):
        """As when the watcher ends because the socket has gone."""
        for call in self.calls:
            call.close()
        if self.watcher is not None:
            os.close(self.watcher)
            self.watcher = None
        os.close(self.sentinel)


class Call:
    """One run, as its caller sees it."""

    def __init__(self, connection):
        self.socket = connection
        self.socket.settimeout(PATIENCE)
        self.outputs = []

    def greeting(self):
        return self.receive(8)

    def receive(self, length):
        received = b""
        while len(received) < length:
            try:
                piece = self.socket.recv(length - len(received))
            except ConnectionResetError:
                piece = b""
            if not piece:
                return received
            received += piece
        return received

    def send_fds(self):
        """Gives the run /dev/null and two files, whose content `output` answers."""
        self.outputs = [os.memfd_create("stdout"), os.memfd_create("stderr")]
        null = os.open(os.devnull, os.O_RDONLY)
        for fd in [null, *self.outputs]:
            socket.send_fds(self.socket, [b"\0"], [fd])
        os.close(null)

    def send_message(self, arguments, environment=()):
        strings = [*environment, b"", *arguments]
        data = b"".join(string + b"\0" for string in strings)
        self.socket.sendall(struct.pack(">I", len(data)) + data)

    def begin(self, *code, environment=()):
        """Everything up to the start of the run, which is not waited for."""
        assert self.greeting() == b"PFI\n\0\0\0\0"
        self.socket.sendall(b"\0")
        self.send_fds()
        self.send_message([os.fsencode(word) for word in code], environment)
        return self

    def status(self):
        """The wait status and what follows it; None where the monitor reported none."""
        status = self.receive(4)
        return struct.unpack(">I", status)[0] if len(status) == 4 else None

    def output(self, number=0):
        return pathlib.Path(f"/proc/self/fd/{self.outputs[number]}").read_bytes().decode()

    def run(self, *code, environment=()):
        """The wait status of a whole run, and what it wrote to fd 1."""
        status = self.begin(*code, environment=environment).status()
        assert self.receive(1) == b""
        output = self.output()
        self.close()
        return status, output

    def close(self):
        self.socket.close()
        while self.outputs:
            os.close(self.outputs.pop())
