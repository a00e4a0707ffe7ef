"""A warm program that knows a few words, as `verbs.cc` does."""

import os
import signal
import sys
import time

import linx_prefork
import warm_part

started = f"{time.time_ns()}.{os.getpid()}"
linx_prefork.initialisation_complete(
    max_servers=int(os.environ.get("MAX_SERVERS", "4")),
    idle_timeout=float(os.environ.get("IDLE_S", "1000")),
    program_files=["part"],
)
verb, arguments = sys.argv[1], sys.argv[2:]
if verb == "show":
    print(started, os.environ.get("A"), *arguments, sep="|")
elif verb == "part":
    print(warm_part.NAME, open("part").read().strip())
elif verb == "copy":
    print(sys.stdin.read().upper(), end="")
    print("copied", file=sys.stderr)
elif verb == "terminal":
    print(*(os.isatty(fd) for fd in range(3)))
    print("heard", input("name? "))
elif verb == "exit":
    sys.exit(int(arguments[0]))
elif verb == "signal":
    if arguments[0] == str(signal.SIGPIPE.value):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python starts with it ignored.
    os.kill(os.getpid(), int(arguments[0]))
elif verb == "sleep":
    print(started, os.getpid(), os.getppid(), flush=True)
    time.sleep(1000)
else:
    raise ValueError(verb)
