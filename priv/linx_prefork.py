"""Warm starts for Python programs: pay for the imports once, then fork a run at a time.

A program whose first line is

    #!/usr/bin/prefork-interp -U,python3

or `linx-prefork -U,python3`, which takes the same options, calls `initialisation_complete()` where
its preparations end:

    import heavy_module             # once
    import linx_prefork

    table = heavy_module.load("table.json")
    linx_prefork.also_check("table.json")
    linx_prefork.initialisation_complete()

    print(table[sys.argv[1]])       # in each run, with the run's own arguments

The first run starts the program, which becomes a server at that call. This run and each later one
return from the call in a process of their own, a fork of the server, with the arguments, the
environment and fds 0 to 2 of whoever asked for it; its exit status is the caller's. Started in any
other way, the program simply goes on: the call returns at once.

What holds before the call and what after it:

* Before it, stdin is /dev/null and stdout is stderr. Arguments and environment are those of the run
  that happened to be the first: leave them alone.
* What is open at the call is shared by all runs. Connect to databases after it; flush files that
  were written before it.
* Threads do not survive a fork, and an event loop does not work in two processes: start them
  afterwards. A warning names threads that run at the call.
* `random` is seeded anew in each run, as after any fork in Python. Other generators are not; that of
  numpy is after `os.register_at_fork(after_in_child=numpy.random.seed)`.
* A caller that goes away is a KeyboardInterrupt in its run. Handlers of signals stay, but that of
  SIGINT, which is to be installed after the call.
* Exit handlers (`atexit`) run in each run, and never in the server. `quick_exit()` ends a run
  sooner.
* The call closes syslog(3): `syslog.openlog()` comes after it.
* What Python itself reads from the environment when it starts, such as PYTHONPATH, is the server's.

Needs Python 3.9 and Linux 5.3, and nothing besides the standard library.
"""

import atexit
import ctypes
import gc
import io
import os
import re
import select
import signal
import socket
import struct
import sys
import syslog
import threading
import time
import warnings

__all__ = ["also_check", "initialisation_complete", "quick_exit"]

_VARIABLE = "PREFORK_INTERP"
_GREETING = b"PFI\n" + struct.pack(">I", 0)
_MONITOR_STATUSES = (0, signal.SIGPIPE)
# What ends a process unless the program says otherwise. Its handlers are for its runs alone.
_RUN_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD)
_PR_SET_PDEATHSIG = 1
_FAILED = 127
_LONGEST_WAIT_MS = 2**31 - 1

_prctl = ctypes.CDLL(None).prctl
_extra_files = []


def also_check(*paths):
    """Has the server start afresh once one of these files has changed.

    For what the program reads before `initialisation_complete()` besides its modules. A file that
    is not there, or not any more, has not changed.
    """
    _extra_files.extend(os.path.abspath(os.fsdecode(path)) for path in paths)


def initialisation_complete(
    *,
    max_servers=4,
    idle_timeout=1_000_000,
    program_files=(),
    check_modules=True,
    log_facility=syslog.LOG_USER,
    log=None,
):
    """Ends the preparations: what follows happens in each run, in a process of its own.

    Returns False at once if the program was not started by prefork-interp or linx-prefork.
    Otherwise it returns True once a run, and never in the process that called it.

    * `max_servers` - how many runs there may be at a time, or None for any number. Others wait.
    * `idle_timeout` - after how many seconds without a run the server ends, or None for never. The
      next run starts another.
    * `program_files` - files besides the modules that the program consists of, as for `also_check`.
    * `check_modules` - whether a changed module, or a changed program, makes the next run start the
      program afresh.
    * `log_facility` - where in syslog(3) the server writes why it ended, and what went wrong in it.
    * `log` - called with a syslog priority and a text in the place of that. It runs in the server
      and in monitors, where fds 0 to 2 are /dev/null.

    Raises ValueError for an option, or for a PREFORK_INTERP, that makes no sense, and RuntimeError
    outside the main thread.
    """
    if max_servers is not None and max_servers < 1:
        raise ValueError(f"max_servers: {max_servers!r}, expected at least 1, or None")
    if idle_timeout is not None and idle_timeout < 0:
        raise ValueError(f"idle_timeout: {idle_timeout!r}, expected at least 0 seconds, or None")
    also_check(*program_files)

    setting = os.environ.get(_VARIABLE)
    if setting is None:
        return False
    started_ns, (listen_fd, call_fd, watch_in, watch_err) = _parse(setting)
    _refuse_threads()
    for fd in (listen_fd, call_fd, watch_in, watch_err):
        os.set_inheritable(fd, False)
    call = socket.socket(fileno=call_fd)

    if log is None:
        syslog.openlog(f"prefork {os.path.basename(sys.argv[0])}", syslog.LOG_PID, log_facility)
        log = syslog.syslog
    server = _Server(listen_fd, watch_in, watch_err, max_servers, idle_timeout, log)
    server.started_ns = started_ns
    server.files = {os.path.abspath(sys.argv[0]), *_extra_files}
    if check_modules:
        server.files |= _module_files()

    # What has been printed so far must not be printed again by each run.
    _flush()
    # Whoever waits for this process learns that the program is ready.
    if os.fork() != 0:
        os._exit(0)
    # From here on nothing may come back to the program but a run.
    try:
        handlers = _detach()
        _serve(server, call).take_over(handlers)
    except BaseException as error:
        try:
            log(syslog.LOG_ERR, f"ending: {error!r}")
        finally:
            os._exit(_FAILED)
    syslog.closelog()
    return True


def quick_exit(status=0):
    """Ends a run without what Python does last, which takes longer than the rest of a short run.

    Exit handlers run, and stdout and stderr are written. But modules are not taken down one by one,
    which would copy the memory that a run shares with its server. Threads are not waited for, and
    what was written to files that are still open may be missing: close them.
    """
    atexit._run_exitfuncs()
    _flush()
    os._exit(status)


def _flush():
    for stream in (sys.stdout, sys.__stdout__, sys.stderr, sys.__stderr__):
        if stream is not None:
            stream.flush()


def _parse(setting):
    """The time at which the server's socket was made, in ns, and the four fds."""
    words = setting.split(" ") + [""]
    version = re.match(r"v1,([0-9]+)\.([0-9]{9})(?:,|$)", words[0])
    fds = re.match(r"([0-9]+),([0-9]+),([0-9]+),([0-9]+)(?:,|$)", words[1])
    if version is None or fds is None:
        raise ValueError(f"{_VARIABLE}={setting!r} is not of version 1 of the protocol")
    return int(version[1]) * 10**9 + int(version[2]), [int(fd) for fd in fds.groups()]


def _refuse_threads():
    """Only the calling thread goes on in a fork; signals are the main thread's."""
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("initialisation_complete() must be called in the main thread")
    others = [t.name for t in threading.enumerate() if t is not threading.main_thread()]
    if others:
        text = f"threads that no run will have: {', '.join(others)}"
        warnings.warn(text, RuntimeWarning, stacklevel=3)


def _module_files():
    """Where all that has been imported comes from."""
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return {os.path.abspath(file) for file in files if isinstance(file, str)}


def _detach():
    """Makes this process a daemon; answers the program's handlers of signals."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    if null > 2:
        os.close(null)
    signal.set_wakeup_fd(-1)
    handlers = {number: signal.getsignal(number) for number in _RUN_SIGNALS}
    for number in _RUN_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    # What there is now stays: a collection in a run would only copy its pages.
    gc.collect()
    gc.freeze()
    return handlers


def _serve(server, call):
    """Forks a monitor a call, for as long as there are calls. Comes back in executors only."""
    while True:
        if server.fork_monitor():
            call.setblocking(True)
            return _monitor(call)
        call.close()
        call = server.next_call()


class _Server:
    """The program as it was when its preparations ended."""

    def __init__(self, listen_fd, watch_in, watch_err, max_servers, idle_timeout, log):
        self.listener = socket.socket(fileno=listen_fd)
        self.listener.setblocking(False)
        self.watch_in = watch_in
        self.watch_err = watch_err
        self.max_servers = max_servers
        self.idle_timeout = idle_timeout
        self.log = log
        self.started_ns = 0
        self.files = set()
        self.monitors = {}

    def fork_monitor(self):
        """Answers whether this is the new process, which then has no fd of the server's."""
        pid = os.fork()
        if pid != 0:
            self.monitors[os.pidfd_open(pid)] = pid
            return False
        self.listener.close()
        for fd in (self.watch_in, self.watch_err, *self.monitors):
            os.close(fd)
        return True

    def next_call(self):
        """Waits for a caller, and reaps monitors. Ends the server where its time has come."""
        while True:
            ready = self.wait()
            if not ready:
                self.quit(f"no run for {self.idle_timeout} s")
            if self.watch_err in ready:
                self.obey_watcher()
            for pidfd in ready & self.monitors.keys():
                self.reap(pidfd)
            if self.listener.fileno() in ready:
                self.check_files()
                try:
                    call, _ = self.listener.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    continue  # Whoever it was has gone.
                return call

    def wait(self):
        """The fds that are ready; none after the idle timeout. Runs are no idleness."""
        poll = select.poll()
        for fd in (self.watch_err, *self.monitors):
            poll.register(fd, select.POLLIN)
        if self.max_servers is None or len(self.monitors) < self.max_servers:
            poll.register(self.listener, select.POLLIN)
        timeout = None
        if self.idle_timeout is not None and not self.monitors:
            timeout = min(self.idle_timeout * 1000, _LONGEST_WAIT_MS)
        return {fd for fd, _ in poll.poll(timeout)}

    def reap(self, pidfd):
        pid = self.monitors.pop(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        if status not in _MONITOR_STATUSES:
            self.log(syslog.LOG_WARNING, f"monitor {pid} failed with wait status {status}")

    def obey_watcher(self):
        """The watcher ends when the socket has gone, and says something only if it cannot watch."""
        try:
            text = os.read(self.watch_err, 2048)
        except BlockingIOError:
            return
        if text:
            self.log(syslog.LOG_ERR, f"watcher: {text.decode(errors='replace').strip()}")
            os._exit(_FAILED)
        self.quit("the socket has been replaced or removed")

    def check_files(self):
        for file in self.files:
            try:
                changed = os.stat(file).st_mtime_ns > self.started_ns
            except (FileNotFoundError, NotADirectoryError):
                continue
            if changed:
                self.quit(f"{file} has changed")

    def quit(self, reason):
        self.log(syslog.LOG_INFO, f"ending: {reason}")
        os._exit(0)


def _monitor(call):
    """Sees one run through. Comes back in its executor only."""
    os.setpgid(0, 0)
    monitor = os.getpid()
    try:
        run = _Run(call)
    except ConnectionError:
        os._exit(0)  # The caller has gone, at whatever point.
    executor = os.fork()
    if executor == 0:
        # The caller would not learn of a run that went on without its monitor.
        _prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != monitor:
            os._exit(_FAILED)
        call.close()
        return run

    for fd in run.fds:
        os.close(fd)
    try:
        call.sendall(struct.pack(">I", _end_of_run(executor, call)))
    except ConnectionError:
        pass
    os._exit(0)


def _end_of_run(executor, call):
    """The wait status of an executor, which is interrupted if its caller goes away."""
    # Other implementations give the executor a pipe and wait for its end. That would take an
    # executor that execs for one that has ended.
    pidfd = os.pidfd_open(executor)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(call, select.POLLIN)
    poll.poll()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.kill(0, signal.SIGINT)
    _, status = os.waitpid(executor, 0)
    return status


class _Run:
    """What a caller asks for: the fds, the environment and the arguments of one run."""

    def __init__(self, call):
        call.sendall(_GREETING)
        if _read(call, 1) != b"\0":
            raise ValueError("a caller's first byte is not zero")
        self.fds = [_read_fd(call) for _ in range(3)]
        (length,) = struct.unpack(">I", _read(call, 4))
        strings = _read(call, length).split(b"\0")
        # Each string ends with a zero byte, so that nothing follows the last one.
        if b"" not in strings[:-1] or strings.pop() != b"":
            raise ValueError("a caller's environment and arguments do not end")
        environment = strings[: strings.index(b"")]
        self.arguments = strings[len(environment) + 1 :]
        if not all(b"=" in setting for setting in environment):
            raise ValueError("a caller's environment has a setting without a value")
        self.environment = [setting.partition(b"=") for setting in environment]

    def take_over(self, handlers):
        """Makes this process the run."""
        for number, fd in enumerate(self.fds):
            os.dup2(fd, number)
            os.close(fd)
        os.environ.clear()
        for name, _, value in self.environment:
            if name:
                os.environb.setdefault(name, value)
        # Debian's prefork-interp 7.0 puts the interpreter and the script before the arguments.
        if self.arguments[:2] == _command_line()[:2]:
            del self.arguments[:2]
        sys.argv[1:] = [os.fsdecode(argument) for argument in self.arguments]
        time.tzset()
        for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
            _renew_stream(name, number)
        for number, handler in handlers.items():
            # None is a handler that Python cannot name, and so cannot give back either.
            if handler is not None:
                signal.signal(number, handler)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _read(call, length):
    received = bytearray()
    while len(received) < length:
        piece = call.recv(min(length - len(received), 65536))
        if not piece:
            raise ConnectionResetError
        received += piece
    return bytes(received)


def _read_fd(call):
    byte, fds, flags, _ = socket.recv_fds(call, 1, 1)
    if not byte:
        raise ConnectionResetError
    if len(fds) != 1 or flags & socket.MSG_CTRUNC:
        raise ValueError("a caller's byte does not come with one fd")
    return fds[0]


def _command_line():
    """What the server was started as."""
    with open("/proc/self/cmdline", "rb") as file:
        return file.read().split(b"\0")


def _renew_stream(name, number):
    """Opens a standard stream as Python does when it starts, now for what the fd has become."""
    old = getattr(sys, f"__{name}__")
    binary = io.FileIO(number, "w" if number else "r", closefd=False)
    binary.name = f"<{name}>"
    # Raw where python was started with -u.
    unbuffered = isinstance(getattr(old, "buffer", None), io.RawIOBase)
    if not unbuffered:
        binary = io.BufferedWriter(binary) if number else io.BufferedReader(binary)
    stream = io.TextIOWrapper(
        binary,
        encoding=getattr(old, "encoding", None),
        errors=getattr(old, "errors", "surrogateescape"),
        newline="\n",
        line_buffering=number == 2 or os.isatty(number),
        write_through=unbuffered,
    )
    stream.mode = "w" if number else "r"
    # A stream that the program has put there itself stays: it, too, uses the fd.
    if getattr(sys, name) is old:
        setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)
