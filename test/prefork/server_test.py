"""The server and the monitors of linx_prefork.py: what ends them, and what they leave."""

import os
import select
import signal
import unittest

from caller import Server
from processes import PATIENCE, WarmTest, gone, others, stat, wait_until

SLEEP = "import time; print(os.getpid(), os.getppid(), server, flush=True); time.sleep(1000)"


def pids(call):
    """The executor and the monitor of a run that sleeps."""
    wait_until(lambda: call.output().endswith("\n"), "the run's first line")
    executor, monitor, _ = call.output().split()
    return int(executor), int(monitor)


class Ends(WarmTest):
    def ended(self, server):
        """Waits until nothing is left of the server and its runs."""
        wait_until(lambda: not others(), "the end of the server")
        with self.assertRaises(ConnectionRefusedError):
            server.call()

    def test_idle_for_too_long(self):
        server = Server(self, options={"idle_timeout": 0.2})
        # A run that takes longer is no idleness.
        server.first.begin("import time; time.sleep(0.5); print(server)")
        self.assertEqual(server.first.status(), 0)
        self.ended(server)
        self.logged("ending: no run for 0.2 s")

    def test_no_idle_timeout(self):
        server = Server(self, options={"idle_timeout": None, "max_servers": None})
        self.assertEqual(server.first.run("print()")[0], 0)
        self.assertEqual(server.call().run("print()")[0], 0)

    def test_the_socket_has_gone(self):
        server = Server(self)
        self.assertEqual(server.first.run("print()")[0], 0)
        os.close(server.watcher)
        server.watcher = None
        self.ended(server)
        self.logged("the socket has been replaced or removed")

    def test_the_socket_has_gone_while_every_place_is_taken(self):
        server = Server(self, options={"max_servers": 1})
        executor, _ = pids(server.first.begin(SLEEP))
        server_pid = stat(stat(executor)[1])[1]
        os.close(server.watcher)
        server.watcher = None
        wait_until(lambda: gone(server_pid), "the end of the server")
        # The run goes on.
        self.assertFalse(gone(executor))
        os.kill(executor, signal.SIGTERM)
        self.assertEqual(server.first.status(), signal.SIGTERM)
        self.ended(server)

    def test_the_watcher_has_failed(self):
        server = Server(self)
        server.first.close()
        os.write(server.watcher, b"cannot watch\n")
        self.ended(server)
        self.logged("watcher: cannot watch")

    def test_a_file_that_is_newer(self):
        server = Server(self)
        part = self.dir / "warm_part.py"
        # One ns decides; what is gone is not newer.
        os.utime(part, ns=(server.started, server.started))
        self.assertEqual(server.first.run("print()")[0], 0)
        self.assertEqual(server.call().run("print()")[0], 0)
        os.unlink(self.dir / "linx_prefork.py")
        self.assertEqual(server.call().run("print()")[0], 0)
        os.utime(part, ns=(server.started, server.started + 1))
        self.assertEqual(server.call().receive(1), b"")
        self.ended(server)
        self.logged(f"{part} has changed")

    def test_the_program_itself_is_newer(self):
        server = Server(self, options={"check_modules": False})
        os.utime(self.dir / "warm_part.py", ns=(0, server.started + 1))
        self.assertEqual(server.first.run("print()")[0], 0)
        self.assertEqual(server.call().run("print()")[0], 0)
        os.utime(self.dir / "warm.py", ns=(0, server.started + 1))
        self.assertEqual(server.call().receive(1), b"")
        self.ended(server)

    def test_another_file_is_newer(self):
        table = self.dir / "table"
        server = Server(self, options={"program_files": ["table"]})
        # It need not be there.
        self.assertEqual(server.first.run("print()")[0], 0)
        self.assertEqual(server.call().run("print()")[0], 0)
        table.write_text("")
        self.assertEqual(server.call().receive(1), b"")
        self.ended(server)
        self.logged(f"{table} has changed")


class Limits(WarmTest):
    def test_runs_at_a_time(self):
        server = Server(self, options={"max_servers": 2})
        calls = [server.first, server.call(), server.call()]
        first, _ = pids(calls[0].begin(SLEEP))
        second, _ = pids(calls[1].begin(SLEEP))
        # Connected, and not yet greeted.
        self.assertEqual(select.select([calls[2].socket], [], [], 0.3)[0], [])
        os.kill(second, signal.SIGKILL)
        self.assertEqual(calls[1].status(), signal.SIGKILL)
        third, _ = pids(calls[2].begin(SLEEP))
        self.assertFalse(gone(first))
        for call in calls:
            call.close()
        wait_until(lambda: gone(first) and gone(third), "the end of all runs")

    def test_no_zombies(self):
        server = Server(self)
        self.assertEqual(server.first.run("print()")[0], 0)
        for _ in range(5):
            self.assertEqual(server.call().run("print()")[0], 0)
        # Without a further call to wake it.
        wait_until(lambda: len(others()) == 1, "a server alone")


class Deaths(WarmTest):
    def setUp(self):
        super().setUp()
        self.server = Server(self)
        self.call = self.server.first.begin(SLEEP)
        self.executor, self.monitor = pids(self.call)
        self.server_pid = stat(self.monitor)[1]

    def still_serves(self):
        status, output = self.server.call().run("print(server)")
        self.assertEqual((status, output.split()), (0, [self.call.output().split()[2]]))

    def test_of_the_caller(self):
        self.call.socket.close()
        wait_until(lambda: gone(self.executor), "the end of the run")
        wait_until(lambda: self.call.output(1).endswith("KeyboardInterrupt\n"), "its traceback")
        wait_until(lambda: stat(self.monitor) is None, "the end of its monitor")
        self.still_serves()
        self.assertFalse(self.log.exists())

    def test_of_the_executor(self):
        os.kill(self.executor, signal.SIGKILL)
        self.assertEqual(self.call.status(), signal.SIGKILL)
        self.still_serves()

    def test_of_the_monitor(self):
        os.kill(self.monitor, signal.SIGKILL)
        self.assertIsNone(self.call.status())
        wait_until(lambda: gone(self.executor), "the end of the run")
        self.logged(f"monitor {self.monitor} failed with wait status 9")
        self.still_serves()

    def test_of_the_server(self):
        os.kill(self.server_pid, signal.SIGKILL)
        # The watcher learns of it, whatever the run still does.
        sentinel = self.server.sentinel
        self.assertEqual(select.select([sentinel], [], [], PATIENCE)[0], [sentinel])
        self.assertEqual(os.read(sentinel, 1), b"")
        self.assertFalse(gone(self.executor))
        os.kill(self.executor, signal.SIGKILL)
        self.assertEqual(self.call.status(), signal.SIGKILL)

    def test_of_the_server_by_a_signal_that_the_program_handles(self):
        self.call.socket.close()
        code = "import signal; signal.signal(signal.SIGTERM, lambda *_: print('asked'))\n"
        (self.dir / "warm_part.py").write_text(code + "NAME = 'handler'")
        os.kill(self.server_pid, signal.SIGTERM)
        wait_until(lambda: not others(), "the end of the server")
        os.unlink(self.dir / "socket")
        server = Server(self)
        code = "os.kill(os.getpid(), signal.SIGTERM)"
        self.assertEqual(server.first.run(f"import signal; {code}"), (0, "asked\n"))
        (server_pid,) = wait_until(lambda: len(others()) == 1 and others(), "a server alone")
        os.kill(server_pid, signal.SIGTERM)
        wait_until(lambda: not others(), "the end of the server")

    def test_an_interrupt_that_the_program_ignores_when_it_starts(self):
        self.call.socket.close()
        part = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        part += "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT]); NAME = ''"
        (self.dir / "warm_part.py").write_text(part)
        os.kill(self.server_pid, signal.SIGTERM)
        wait_until(lambda: not others(), "the end of the server")
        os.unlink(self.dir / "socket")
        call = Server(self).first.begin(SLEEP)
        executor, _ = pids(call)
        call.socket.close()
        wait_until(lambda: gone(executor), "the end of the run")


if __name__ == "__main__":
    unittest.main()
