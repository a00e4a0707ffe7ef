"""linx_prefork.py as its callers see it: every byte of the protocol, and what is none of it."""

import os
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

from caller import Call, Server
from processes import WarmTest, gone, stat, wait_until

# Prints who serves the run: the executor, its monitor, and the monitor's parent, the server.
WHO = "m = os.getppid(); print(os.getpid(), m, open(f'/proc/{m}/stat').read().split()[3])"
ENV = "print({k: v for k, v in os.environb.items()})"
SLEEP = "import time; print(os.getpid(), os.getppid(), flush=True); time.sleep(1000)"


def who(call):
    """Waits for the pids that a run writes first."""
    wait_until(lambda: call.output().endswith("\n"), "the run's first line")
    return [int(word) for word in call.output().split()]


class Runs(WarmTest):
    def test_the_bytes_of_two_runs(self):
        server = Server(self)
        self.assertEqual(server.start.returncode, 0)
        self.assertEqual(server.start.stdout, b"preparing first\n")
        for call in (server.first, server.call()):
            self.assertEqual(call.receive(8), b"PFI\n\0\0\0\0")
            call.socket.sendall(b"\0")
            call.send_fds()
            data = b"A=1\0\0raise SystemExit(3)\0"
            call.socket.sendall(struct.pack(">I", len(data)) + data)
            self.assertEqual(call.receive(5), b"\0\0\3\0")
            call.close()

    def test_a_message_in_single_bytes(self):
        call = Server(self).first
        call.greeting()
        call.socket.sendall(b"\0")
        call.send_fds()
        data = b"A=1\0\0print(os.environ)\0"
        for byte in struct.pack(">I", len(data)) + data:
            call.socket.sendall(bytes([byte]))
        self.assertEqual(call.status(), 0)
        self.assertIn("environ({'A': '1'})", call.output())
        call.close()

    def test_runs_are_forks_of_one_server(self):
        server = Server(self)
        code = f"print(server, warm); {WHO}"
        outputs = [call.run(code)[1].split() for call in (server.first, server.call())]
        (token, warm, executor, _, pid), (token2, _, executor2, _, pid2) = outputs
        self.assertEqual((token, pid, warm), (token2, pid2, "True"))
        self.assertNotEqual(executor, executor2)

    def test_arguments_and_environment_byte_by_byte(self):
        server = Server(self, "of the first")
        code = "print([os.fsencode(a) for a in sys.argv[2:]]); " + ENV
        strings = [b"", b"two words\n", b"\xff\xfe", "ä".encode(), b""]
        call = server.first
        call.greeting()
        call.socket.sendall(b"\0")
        call.send_fds()
        call.send_message([code.encode(), *strings], [b"A=", b"B==b", b"C=\xff", b"A=late", b"=x"])
        self.assertEqual(call.status(), 0)
        self.assertEqual(
            call.output(), f"{strings}\n" + "{b'A': b'', b'B': b'=b', b'C': b'\\xff'}\n"
        )
        call.close()
        # Nothing of one run reaches the next, nor anything of the first start.
        self.assertEqual(server.call().run("print(sys.argv[2:]); " + ENV), (0, "[]\n{}\n"))

    def test_the_words_that_debian_puts_before_the_arguments_are_none(self):
        server = Server(self)
        command = [sys.executable, "-W", "print(sys.argv)"]
        self.assertEqual(server.first.run(*command), (0, "['warm.py', 'print(sys.argv)']\n"))

    def test_a_large_environment(self):
        server = Server(self)
        large = b"A=" + b"x" * 3_000_000
        code = "print(len(os.environ['A']))"
        self.assertEqual(server.first.run(code, environment=[large]), (0, "3000000\n"))

    def test_exit_statuses(self):
        server = Server(self)
        server.first.close()
        for code, status in (
            ("sys.exit(7)", 7 << 8),
            ("sys.exit('why')", 1 << 8),
            ("raise ValueError", 1 << 8),
            ("os._exit(255)", 255 << 8),
            ("os.kill(os.getpid(), 9)", 9),
            ("os.kill(os.getpid(), 15)", 15),
            ("raise KeyboardInterrupt", signal.SIGINT),
        ):
            with self.subTest(code):
                self.assertEqual(server.call().run(code)[0], status)

    def test_exceptions_are_told_as_anywhere(self):
        call = Server(self).first.begin("raise ValueError('so')")
        self.assertEqual(call.status(), 1 << 8)
        lines = call.output(1).splitlines()
        self.assertEqual(lines[0], "Traceback (most recent call last):")
        self.assertEqual(lines[-1], "ValueError: so")
        self.assertNotIn("linx_prefork", call.output(1))
        call.close()

    def test_a_run_may_become_another_program(self):
        code = "os.execlp('sh', 'sh', '-c', 'sleep 0.2; echo exec; exit 4')"
        self.assertEqual(Server(self).first.run(code), (4 << 8, "exec\n"))

    def test_standard_streams_are_as_fresh(self):
        streams = "[sys.stdin, sys.stdout, sys.stderr]"
        parts = "[(s.name, s.mode, s.encoding, s.errors, s.line_buffering, s.write_through"
        parts += f", type(s.buffer), s.fileno()) for s in {streams}]"
        code = f"print({parts}, {streams} == [sys.__stdin__, sys.__stdout__, sys.__stderr__])"
        plain = subprocess.run(
            [sys.executable, "-c", "import sys; " + code], capture_output=True, text=True
        )
        self.assertEqual(Server(self).first.run(code), (0, plain.stdout))

    def test_streams_are_written_at_the_end(self):
        server = Server(self)
        code = "print('out'); sys.stdout.flush(); print('more')"
        self.assertEqual(server.first.run(code), (0, "out\nmore\n"))
        code = "import atexit; atexit.register(print, 'bye')"
        self.assertEqual(server.call().run(code), (0, "bye\n"))

    def test_a_quick_exit(self):
        server = Server(self)
        code = "import atexit; atexit.register(print, 'bye'); print('out'); "
        code += "print('err', file=sys.stderr); linx_prefork.quick_exit(3); print('more')"
        call = server.first.begin(code)
        self.assertEqual(call.status(), 3 << 8)
        self.assertEqual((call.output(), call.output(1)), ("out\nbye\n", "err\n"))

    def test_a_run_has_no_fd_but_its_own(self):
        server = Server(self)
        server.first.begin(SLEEP)
        who(server.first)
        # Listing opens one.
        code = "print(sorted(int(fd) for fd in os.listdir('/proc/self/fd')))"
        self.assertEqual(server.call().run(code), (0, "[0, 1, 2, 3]\n"))
        server.first.close()

    def test_each_run_has_random_numbers_of_its_own(self):
        server = Server(self)
        code = "import random; print(random.random())"
        numbers = [call.run(code)[1] for call in (server.first, server.call(), server.call())]
        self.assertEqual(len(set(numbers)), 3)

    def test_a_time_zone_of_its_own(self):
        code = "import time; print(time.tzname[0])"
        self.assertEqual(Server(self).first.run(code, environment=[b"TZ=XYZ3"]), (0, "XYZ\n"))

    def test_monitor_and_run_have_a_process_group_of_their_own(self):
        call = Server(self).first.begin(SLEEP)
        executor, monitor = who(call)
        self.assertEqual((stat(executor)[2], stat(monitor)[2]), (monitor, monitor))
        call.close()

    def test_what_a_run_leaves_is_interrupted(self):
        call = Server(self).first.begin("print(os.spawnlp(os.P_NOWAIT, 'sleep', 'sleep', '1000'))")
        self.assertEqual(call.status(), 0)
        (sleep,) = who(call)
        wait_until(lambda: gone(sleep), "the end of what the run left")
        call.close()


class Starts(WarmTest):
    def test_by_itself_a_program_simply_runs(self):
        environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
        plain = subprocess.run(
            [sys.executable, "-W", "error", "warm.py", "print(warm, sys.argv[2:])", "x"],
            cwd=self.dir,
            env=environment,
            capture_output=True,
            text=True,
        )
        self.assertEqual((plain.returncode, plain.stderr), (0, ""))
        self.assertEqual(plain.stdout, "preparing first\nFalse ['x']\n")

    def test_what_the_setting_has_besides_is_ignored(self):
        server = Server(self, setting="v1,{seconds},more {fds},99,x third,word")
        self.assertEqual(server.first.run("print('runs')"), (0, "runs\n"))

    def test_a_setting_without_sense_is_refused(self):
        for setting in (
            "",
            "v1,{seconds}",
            "v2,{seconds} {fds}",
            "v1 {fds}",
            "v1,12 {fds}",
            "v1,12.5 {fds}",
            "v1,{seconds}  {fds}",
            "v1,{seconds} 1,2,3",
            "v1,{seconds} 1,2,-3,x",
        ):
            with self.subTest(setting):
                server = Server(self, setting=setting)
                os.unlink(self.dir / "socket")
                self.assertEqual(server.start.returncode, 1)
                self.assertIn(b"ValueError: PREFORK_INTERP=", server.start.stdout)
                self.assertEqual(server.first.receive(1), b"")

    def test_fds_that_are_none_are_refused(self):
        server = Server(self, setting="v1,{seconds} 1000,1001,1002,1003")
        self.assertEqual(server.start.returncode, 1)
        self.assertIn(b"OSError: [Errno 9]", server.start.stdout)

    def test_options_without_sense_are_refused(self):
        for option, value in (("max_servers", 0), ("idle_timeout", -1)):
            server = Server(self, options={option: value})
            os.unlink(self.dir / "socket")
            self.assertEqual(server.start.returncode, 1)
            self.assertIn(f"ValueError: {option}: {value}, expected".encode(), server.start.stdout)

    def test_a_failing_preparation_is_the_clients_to_tell(self):
        (self.dir / "warm_part.py").write_text("raise SystemExit(9)")
        server = Server(self)
        self.assertEqual(server.start.returncode, 9)
        self.assertEqual(server.first.receive(1), b"")

    def test_threads_are_warned_about(self):
        part = "import threading, time; NAME = ''\n"
        part += "threading.Thread(target=time.sleep, args=[1000], daemon=True, name='T').start()"
        (self.dir / "warm_part.py").write_text(part)
        server = Server(self)
        self.assertEqual(server.start.returncode, 1)
        text = b"RuntimeWarning: threads that no run will have: T"
        self.assertIn(text, server.start.stdout)


if __name__ == "__main__":
    unittest.main()
