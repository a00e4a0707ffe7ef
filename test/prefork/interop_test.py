"""Warm programs in Python and in C++, under Debian's prefork-interp and under linx-prefork.

What holds for one holds for all four.
"""

import os
import pty
import select
import shutil
import signal
import subprocess
import unittest

from processes import HERE, LIBRARY, PATIENCE, WarmTest, gone, others, stat, wait_until

CPP = os.environ["LINX_VERBS"]


class Interop:
    """The tests. `client` runs `interpreter`, which runs `script`."""

    def setUp(self):
        super().setUp()
        shutil.copy(HERE / "verbs.py", self.dir)
        (self.dir / "words").write_text("a script that needs no text\n")
        (self.dir / "part").write_text("one\n")
        for name in ("verbs.py", "words", "part"):
            os.utime(self.dir / name, (1, 1))
        self.addCleanup(self.kill_server)

    def command(self, *words):
        return [self.client, "-U", self.interpreter, self.script, *words]

    def environment(self, settings):
        names = {"PATH", "HOME", "XDG_RUNTIME_DIR"} & os.environ.keys()
        kept = {name: os.environ[name] for name in names}
        return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **settings}

    def start(self, *words, command=None, stdin=subprocess.DEVNULL, **settings):
        return subprocess.Popen(
            command or self.command(*words),
            cwd=self.dir,
            env=self.environment(settings),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_client(self, *words, input="", **settings):
        """The exit status of a run, and its output and error output."""
        with self.start(*words, stdin=subprocess.PIPE, **settings) as client:
            output, errors = client.communicate(input, timeout=PATIENCE)
        return client.returncode, output, errors

    def server(self):
        """Which server it is that answers now."""
        status, output, errors = self.run_client("show")
        self.assertEqual((status, errors), (0, ""))
        return output.split("|")[0]

    def sleeper(self, **settings):
        """A client whose run sleeps, and the pids of its executor and its monitor."""
        client = self.start("sleep", **settings)
        self.addCleanup(self.end, client)
        _, executor, monitor = client.stdout.readline().split()
        return client, int(executor), int(monitor)

    def end(self, client):
        client.kill()
        client.communicate(timeout=PATIENCE)

    def kill_server(self):
        command = [self.client, "--kill", "-U", self.interpreter, self.script]
        killed = subprocess.run(command, cwd=self.dir, env=self.environment({}), timeout=PATIENCE)
        self.assertEqual(killed.returncode, 0)

    def test_runs_are_of_one_server(self):
        self.assertEqual(self.server(), self.server())

    def test_arguments_and_environment(self):
        for words in (["x", "", "two words"], []):
            output = self.run_client("show", *words, A="here")[1]
            self.assertEqual(output.split("|", 1)[1], "|".join(["here", *words]) + "\n")
        self.assertEqual(self.run_client("show", "x")[1].split("|", 1)[1], "None|x\n")

    def test_streams(self):
        large = "some text\n" * 100_000
        for text in ("", "text", large):
            self.assertEqual(self.run_client("copy", input=text), (0, text.upper(), "copied\n"))

    def test_a_terminal(self):
        for _ in range(2):
            primary, terminal = pty.openpty()
            streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
            client = subprocess.Popen(
                self.command("terminal"), cwd=self.dir, env=self.environment({}), **streams
            )
            os.close(terminal)
            os.write(primary, b"Linx\n")
            text = b""
            while b"heard" not in text:
                self.assertEqual(select.select([primary], [], [], PATIENCE)[0], [primary])
                text += os.read(primary, 1000)
            self.assertEqual(client.wait(PATIENCE), 0)
            os.close(primary)
            self.assertIn(b"True True True\r\n", text)
            self.assertIn(b"name? ", text)
            self.assertIn(b"heard Linx", text)

    def test_exit_statuses(self):
        self.server()
        for status in (0, 1, 77, 255):
            self.assertEqual(self.run_client("exit", str(status))[0], status)

    def test_ends_by_a_signal(self):
        self.server()
        for name in ("SIGTERM", "SIGHUP", "SIGINT", "SIGPIPE", "SIGKILL"):
            number = getattr(signal, name).value
            self.assertEqual(self.run_client("signal", str(number))[0], -number)
        status, _, errors = self.run_client("signal", str(signal.SIGUSR1.value))
        self.assertEqual(status, 127)
        self.assertIn("10", errors)

    def test_a_run_that_fails(self):
        self.server()
        status, output, errors = self.run_client("no such verb")
        self.assertNotIn(status, (0, None))
        self.assertEqual(output, "")
        self.assertIn("no such verb", errors)

    def test_a_changed_file(self):
        first = self.server()
        self.assertEqual(self.run_client("part")[1], "first one\n")
        (self.dir / "part").write_text("two\n")
        self.assertEqual(self.run_client("part")[1], "first two\n")
        self.assertNotEqual(self.server(), first)
        self.assertEqual(self.server(), self.server())

    def test_idle(self):
        first = self.run_client("show", IDLE_S="0.2")[1].split("|")[0]
        wait_until(lambda: not others(), "the end of an idle server")
        self.assertNotEqual(self.server(), first)

    def test_a_limit(self):
        first, executor, _ = self.sleeper(MAX_SERVERS="1")
        second = self.start("show")
        with self.assertRaises(subprocess.TimeoutExpired):
            second.wait(0.3)
        os.kill(executor, signal.SIGKILL)
        output, _ = second.communicate(timeout=PATIENCE)
        self.assertEqual(output.split("|")[1:], ["None\n"])
        self.assertEqual(first.wait(PATIENCE), -signal.SIGKILL)

    def test_many_at_once(self):
        clients = [self.start("show") for _ in range(20)]
        outputs = [client.communicate(timeout=PATIENCE) for client in clients]
        self.assertEqual([client.returncode for client in clients], [0] * 20)
        self.assertEqual(len({output for output, _ in outputs}), 1)

    def test_death_of_the_client(self):
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            client, executor, monitor = self.sleeper()
            client.send_signal(number)
            self.assertEqual(client.wait(PATIENCE), -number)
            wait_until(lambda: gone(executor) and gone(monitor), "the end of the run")

    def test_death_of_the_executor(self):
        client, executor, _ = self.sleeper()
        os.kill(executor, signal.SIGKILL)
        self.assertEqual(client.wait(PATIENCE), -signal.SIGKILL)

    def test_death_of_the_monitor(self):
        client, executor, monitor = self.sleeper()
        os.kill(monitor, signal.SIGKILL)
        self.assertNotIn(client.wait(PATIENCE), (0, None))
        wait_until(lambda: gone(executor), "the end of the run")

    def test_death_of_the_server(self):
        first = self.server()
        client, executor, monitor = self.sleeper()
        os.kill(stat(monitor)[1], signal.SIGKILL)
        self.assertNotEqual(self.server(), first)
        self.assertFalse(gone(executor))
        os.kill(executor, signal.SIGKILL)
        self.assertEqual(client.wait(PATIENCE), -signal.SIGKILL)

    def test_death_of_the_watcher(self):
        self.server()
        client, executor, monitor = self.sleeper()
        server = stat(monitor)[1]
        (watcher,) = set(others()) - {client.pid, executor, monitor, server}
        os.kill(watcher, signal.SIGKILL)
        wait_until(lambda: gone(server), "the end of the server")
        os.kill(executor, signal.SIGKILL)
        self.assertEqual(client.wait(PATIENCE), -signal.SIGKILL)
        self.assertEqual(self.server(), self.server())

    def test_a_line_that_names_it(self):
        script = self.dir / "executable"
        line = f"#!{self.client} -U,{self.interpreter}\n"
        script.write_text(line + (self.dir / self.script).read_text())
        script.chmod(0o755)
        for _ in range(2):
            with self.start(command=["./executable", "show", "x"]) as client:
                output, _ = client.communicate(timeout=PATIENCE)
            self.assertEqual(output.split("|")[1:], ["None", "x\n"])
        self.script = "./executable"


class Python:
    interpreter = "/usr/bin/python3"
    script = "verbs.py"


class Cpp:
    interpreter = CPP
    script = "words"


class Debian:
    client = "/usr/bin/prefork-interp"


class Linx:
    client = str(LIBRARY / "linx-prefork")


class PythonUnderDebian(Python, Debian, Interop, WarmTest):
    pass


class PythonUnderLinx(Python, Linx, Interop, WarmTest):
    pass


class CppUnderDebian(Cpp, Debian, Interop, WarmTest):
    pass


class CppUnderLinx(Cpp, Linx, Interop, WarmTest):
    pass


if __name__ == "__main__":
    unittest.main()
