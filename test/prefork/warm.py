"""A warm program: each of its runs does what its first argument says, in Python."""

import json
import os
import sys

import linx_prefork
import warm_part

# Of the server that a run comes from.
server = os.urandom(4).hex()
options = json.loads(os.environ.get("WARM_OPTIONS", "{}"))
log_path = os.environ.get("WARM_LOG")


def log(priority, text):
    with open(log_path, "a") as file:
        print(os.getpid(), priority, text, file=file)


if log_path:
    options["log"] = log
print("preparing", warm_part.NAME)
warm = linx_prefork.initialisation_complete(**options)
exec(sys.argv[1])
