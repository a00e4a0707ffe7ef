"""What servers write to syslog(3). Who runs this reads it from /dev/log."""

import os
import subprocess

from interop_test import Cpp, Linx, Python
from processes import HERE, PATIENCE, WarmTest, others, wait_until


class Syslog(Linx):
    def test_an_idle_server_says_so(self):
        (self.dir / "verbs.py").write_text((HERE / "verbs.py").read_text())
        for name in ("words", "part"):
            (self.dir / name).write_text("a line\n")
        command = [self.client, "-U", self.interpreter, self.script, "show"]
        done = subprocess.run(
            command, cwd=self.dir, env={**os.environ, "IDLE_S": "0.1"}, timeout=PATIENCE
        )
        self.assertEqual(done.returncode, 0)
        wait_until(lambda: not others(), "the end of an idle server")


class PythonLogs(Python, Syslog, WarmTest):
    pass


class CppLogs(Cpp, Syslog, WarmTest):
    pass
