"""Callers that do not keep to the protocol, or go away: each ends its own monitor and no more."""

import os
import socket
import struct
import unittest

from caller import Server
from processes import WarmTest

MESSAGE = b"A=1\0\0print('run', file=open('ran', 'w'))\0"


def message(data, length=None):
    return struct.pack(">I", len(data) if length is None else length) + data


class Malformed(WarmTest):
    def setUp(self):
        super().setUp()
        self.server = Server(self)
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
        self.assertFalse((self.dir / "ran").exists())
        status, output = self.server.call().run("print('fine')")
        self.assertEqual((status, output), (0, "fine\n"))

    def test_a_caller_that_goes_away_at_any_point(self):
        whole = message(MESSAGE)
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
        self.attempt(b"\1", 1, 1, 1, message(MESSAGE))
        self.logged("ValueError(\"a caller's first byte is not zero\")")
        self.logged("failed with wait status 32512")
        self.check_server()

    def test_fds_that_are_missing_or_too_many(self):
        for steps in (
            [b"\0", b"\0\0\0"],
            [b"\0", 1, 1, message(MESSAGE)],
            [b"\0", 2, 1, 1],
        ):
            with self.subTest(steps=steps):
                self.attempt(*steps)
                self.logged("ValueError(\"a caller's byte does not come with one fd\")")
                os.unlink(self.log)
        self.check_server()

    def test_lengths_that_are_wrong(self):
        fds = [b"\0", 1, 1, 1]
        self.attempt(*fds, message(b""))
        self.logged("do not end")
        self.attempt(*fds, message(MESSAGE, 0xFFFFFFFF))
        self.attempt(*fds, message(MESSAGE, len(MESSAGE) + 1))
        self.attempt(*fds, message(MESSAGE, len(MESSAGE) - 1))
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


if __name__ == "__main__":
    unittest.main()
