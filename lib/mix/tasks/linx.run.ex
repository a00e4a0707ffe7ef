defmodule Mix.Tasks.Linx.Run do
  @shortdoc "Runs a command, isolated as asked"
  @moduledoc """
  Runs a command in the foreground, isolated as the options say, and ends with its exit status.

      mix linx.run [options] -- command [arguments]

      mix linx.run --map-root --ns pid,uts,net --no-caps -- sh
      echo hello | mix linx.run --seccomp-deny socket -- cat

  ## Options

    * `--ns LIST` - fresh namespaces, separated by commas: user, mount, uts, ipc, cgroup, net,
      time, pid
    * `--all-ns` - all eight
    * `--map-root` - uid and gid 0 inside are your own outside; implies `--ns user`
    * `--enter PID` - run inside the namespaces of this process instead (all that differ from
      ours, or those of `--ns`)
    * `--env NAME=VALUE` - set a variable besides the inherited ones
    * `--cwd DIR` - working directory, looked up by the workload
    * `--uid N`, `--gid N` - run with this id, 0..4294967294, as the workload's user namespace
      counts; drops the supplementary groups
    * `--rlimit NAME=SOFT[:HARD]` - limit by its name in getrlimit(2), such as `nofile=256` or
      `core=0:unlimited`
    * `--nice N`, `--cpus LIST`, `--umask MODE` - nice value -20..19, the CPUs to run on such as
      `0,2-3`, and an octal mask
    * `--cap-drop LIST` - take these capabilities from the workload for good, such as
      `net_raw,sys_admin`, or `all`
    * `--cap-keep LIST` - take all but these; `--no-caps` takes all
    * `--seccomp-deny LIST` - these system calls fail with EPERM, such as `ptrace,mount`
    * `--seccomp-allow LIST` - any other system call kills the workload; the list needs `execve`
      and what the program and its loader use
    * `--sandbox NAME` - start from a preset of `Linx.Sandbox`: strict, container or build
    * `--root DIR`, `--root-rw DIR` - the root file system, read-only or not
    * `--bind SRC[:DST]`, `--bind-rw SRC[:DST]` - show a path of the host inside, read-only or not
    * `--tmpfs DIR[:SIZE]` - an empty file system in memory, such as `/tmp:64m`
    * `--hostname NAME`; `--user U`, `--group G` - names of the host or numbers, for the workload's ids
    * `--memory SIZE`, `--pids N`, `--cpu N` - limits of cgroups, such as `256m`, `64`, `0.5`
    * `--time MS` - end the command after that long
    * `--readable PATHS`, `--writable PATHS`, `--executable PATHS` - allow these, by landlock, and
      nothing else
    * `--no-new-privs` - no exec raises privileges (a seccomp filter implies it)
    * `--pty`, `--no-pty` - with or without a terminal of its own; with one if stdin and stdout
      are terminals
    * `--help` - this text

  Lists may be given in several parts. Options end at `--` or at the first word that is none.

  ## Terminal and streams

  With a PTY your terminal is in raw mode while the command runs, so that what you type, `^C`
  included, goes to it as it is; its size follows that of your terminal. The terminal is put back
  however the run ends, also if the BEAM is killed.

  Without a PTY the command writes to your stdout and stderr directly. Its stdin is a socket that
  is fed from yours: the BEAM reads fd 0 from its start, so it cannot be inherited. A program that
  wants to reopen `/dev/stdin` by name cannot do that. `^C` ends the run, and with it the command.

  SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are passed on to the command.

  ## Exit status

  That of the command; 128 + n if signal n ended it; 127 if there is no such command; 126 if it
  cannot be executed; 125 if the options are wrong or the isolation cannot be had. The reason is
  then on stderr.
  """

  use Mix.Task

  alias Linx.Run.{Options, Outcome, Runner, Signals}

  @impl true
  def run(words) do
    case Options.parse(words) do
      {:ok, options} ->
        start_linx()
        Signals.trap()
        options |> Runner.run() |> finish()

      :help ->
        Mix.Task.run("help", ["linx.run"])

      {:error, message} ->
        finish({:error, message})
    end
  end

  defp start_linx do
    Mix.Task.run("app.config")
    {:ok, _} = Application.ensure_all_started(:linx)
    :ok
  end

  defp finish(outcome) do
    if message = Outcome.message(outcome), do: IO.puts(:stderr, "mix linx.run: " <> message)

    case Outcome.exit_status(outcome) do
      0 -> :ok
      status -> exit({:shutdown, status})
    end
  end
end
