"""Callers that do not keep to the protocol, or go away: each ends its own monitor and no more."""

import os
import socket
import struct
import unittest

from caller import PYTHON, Server
from processes import WarmTest



def message(data, length=None):
    return struct.pack(">I", len(data) if length is None else length) + data


class Malformed:
    """The tests. `message` is what a run of `command` would be asked for."""

    def setUp(self):
        super().setUp()
        (self.dir / "words").write_text("a script that needs no text\n")
        self.server = Server(self, command=self.command)
        self.server.first.close()

    def attempt(self, *steps):
        """Steps after the greeting, bytes or how many fds come with one byte; then hangs up."""
        call = self.server.call()
        self.assertEqual(len(call.greeting()), 8)
        null = os.open(os.devnull, os.O_RDWR)
        try:
            for step in steps:
                if isinstance(step, int):
                    socket.send_fds(call.socket, [b"\0"], [null] * step)
                else:
                    call.socket.sendall(step)
            call.socket.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # It has been noticed already.
        finally:
            os.close(null)
        self.assertIsNone(call.status())
        call.close()

    def check_server(self):
        verb = self.message.split(b"\0")[2].decode()
        status, output = self.server.call().run(verb)
        self.assertEqual((status, output[-6:]), (0, "|None\n"))

    def test_a_caller_that_goes_away_at_any_point(self):
        whole = message(self.message)
        self.attempt()
        for steps in ([b"\0"], [b"\0", 1], [b"\0", 1, 1], [b"\0", 1, 1, 1]):
            self.attempt(*steps)
        for length in range(1, len(whole)):
            self.attempt(b"\0", 1, 1, 1, whole[:length])
        self.check_server()
        # Nobody's fault, and so not worth a line.
        self.assertFalse(self.log.exists())

    def test_a_caller_that_does_not_read_the_greeting(self):
        for _ in range(10):
            self.server.call().close()
        self.check_server()

    def test_a_first_byte_that_is_not_zero(self):
        self.attempt(b"\1", 1, 1, 1, message(self.message))
        self.logged("a caller's first byte is not zero")
        self.logged("failed with wait status 32512")
        self.check_server()

    def test_fds_that_are_missing_or_too_many(self):
        for steps in (
            [b"\0", b"\0\0\0"],
            [b"\0", 1, 1, message(self.message)],
            [b"\0", 2, 1, 1],
        ):
            with self.subTest(steps=steps):
                self.attempt(*steps)
                self.logged("a caller's byte does not come with one fd")
        self.check_server()

    def test_lengths_that_are_wrong(self):
        fds = [b"\0", 1, 1, 1]
        self.attempt(*fds, message(b""))
        self.logged("do not end")
        self.attempt(*fds, message(self.message, 0xFFFFFFFF))
        self.attempt(*fds, message(self.message, len(self.message) + 1))
        self.attempt(*fds, message(self.message, len(self.message) - 1))
        self.check_server()

    def test_strings_that_are_wrong(self):
        fds = [b"\0", 1, 1, 1]
        for data in (b"A=1", b"A=1\0", b"\0A=1", b"A=1\0B=2\0", b"A=1\0\0argument"):
            with self.subTest(data):
                self.attempt(*fds, message(data))
        self.logged("environment and arguments do not end")
        self.attempt(*fds, message(b"A=1\0B\0\0print()\0"))
        self.logged("a setting without a value")
        self.check_server()


class MalformedForPython(Malformed, WarmTest):
    command = PYTHON
    message = b"A=1\0\0print(f'|{os.environ.get(\"A\")}')\0"


class MalformedForCpp(Malformed, WarmTest):
    command = [os.environ["LINX_VERBS"], "words"]
    message = b"A=1\0\0show\0"

    def logged(self, text):
        """What it logs is syslog(3)'s."""


if __name__ == "__main__":
    unittest.main()
