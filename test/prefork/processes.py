"""What the tests of warm programs see of processes, and how they wait."""

import os
import pathlib
import shutil
import signal
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = pathlib.Path(os.environ["LINX_PRIV"])
PATIENCE = 60
OURS = {1, os.getpid()}


def wait_until(condition, what):
    """What the condition answers once that is true."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE} s: {what}")
        time.sleep(0.01)


def stat(pid):
    """The state, the parent and the process group of a process; None where there is none."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, parent, group = text.rpartition(")")[2].split()[:3]
    return state, int(parent), int(group)


def gone(pid):
    """Whether a process has ended, be it reaped or not."""
    seen = stat(pid)
    return seen is None or seen[0] == "Z"


def others():
    """Every process of this pid namespace but its init and ourselves."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in OURS]


class WarmTest(unittest.TestCase):
    """A test in a directory of its own, which leaves no process of its pid namespace."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.dir)
        self.addCleanup(self.check_nothing_left)
        self.log = self.dir / "log"
        for name in ("warm.py", "warm_part.py"):
            shutil.copy(HERE / name, self.dir)
        shutil.copy(LIBRARY / "linx_prefork.py", self.dir)
        for file in self.dir.iterdir():
            os.utime(file, (1, 1))

    def check_nothing_left(self):
        try:
            wait_until(lambda: not others(), "the end of all processes")
        except AssertionError:
            left = {pid: stat(pid) for pid in others()}
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"left behind: {left}") from None

    def logged(self, text):
        """Waits for a text in the server's log."""
        wait_until(lambda: self.log.exists() and text in self.log.read_text(), f"log: {text}")
