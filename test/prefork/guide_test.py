"""What docs/prefork.md prints, run as printed."""

import json
import os
import pathlib
import re
import subprocess

from processes import LIBRARY, PATIENCE, WarmTest

GUIDE = pathlib.Path(os.environ["LINX_GUIDE"]).read_text()


def block(language):
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    return text


class Guide(WarmTest):
    def test_the_program_is_the_example(self):
        example = pathlib.Path(os.environ["LINX_EXAMPLES"], "prefork", "prices.py")
        self.assertEqual(block("python"), example.read_text())

    def run_lines(self, lines):
        """The output of a shell's lines, in which linx-prefork is found."""
        environment = {**os.environ, "PATH": f"{LIBRARY}:{os.environ['PATH']}", "LANG": "C.UTF-8"}
        done = subprocess.run(
            ["sh", "-ec", lines],
            cwd=self.dir,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_python_and_the_command(self):
        (self.dir / "prices.py").write_text(block("python"))
        (self.dir / "prices.json").write_text(json.dumps({"apple": 3, "pear": 4}))
        self.addCleanup(self.run_lines, "linx-prefork --kill -U -E LANG python3 prices.py")
        self.assertEqual(self.run_lines("python3 prices.py pear apple"), "pear 4\napple 3\n")
        self.assertEqual(self.run_lines(block("sh")), "pear 4\n" * 3)

    def test_perl(self):
        (self.dir / "prices.pl").write_text(block("perl"))
        self.addCleanup(self.run_lines, "linx-prefork --kill -U perl prices.pl")
        run = "linx-prefork -U perl prices.pl pear apple\n"
        self.assertEqual(self.run_lines(run * 2), "pear 4\napple 3\n" * 2)
