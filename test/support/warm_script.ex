defmodule Linx.Test.WarmScript do
  @moduledoc """
  A Perl script that uses Debian's `Proc::Prefork::Interp`, in a directory of its own, which is also
  what `XDG_RUNTIME_DIR` says to who runs it.

  Its first argument says what it does. All of its processes have its path in their command line,
  `linx-prefork` and the watcher included: so they are found. After the test none may be left.
  """

  import ExUnit.Callbacks, only: [on_exit: 1]

  alias Linx.Test.Chaos.Processes

  @deadline_ms 60_000

  @source """
  use strict;
  use POSIX ();
  BEGIN { require Proc::Prefork::Interp; Proc::Prefork::Interp->import; }

  if (open my $starts, '>>', "$0.starts") { print $starts "$$\\n"; close $starts; }
  die "no start today\\n" if -e "$0.broken";
  # A FIFO, which holds this up until somebody opens its other end.
  open my $gate, '<', "$0.gate";
  prefork_initialisation_complete(log_facility => '', max_servers => MAX);

  $| = 1;
  shift while @ARGV && $ARGV[0] !~ /^do-/;
  my ($what, @rest) = @ARGV;
  if ($what eq 'do-args') { print join('|', @rest), "\\n" }
  elsif ($what eq 'do-env') { print $_, '=', $ENV{$_} // '(none)', "\\n" for @rest }
  elsif ($what eq 'do-copy') { while (<STDIN>) { print; print STDERR uc } }
  elsif ($what eq 'do-exit') { POSIX::_exit($rest[0]) }
  elsif ($what eq 'do-kill') { kill $rest[0], $$; sleep }
  elsif ($what eq 'do-hold') { print "held\\n"; sleep }
  elsif ($what eq 'do-cwd') { print POSIX::getcwd(), "\\n" }
  # perl's own end may take a SIGINT that its monitor sends too early.
  POSIX::_exit(0);
  """

  @enforce_keys [:dir, :path]
  defstruct [:dir, :path]

  @type t :: %__MODULE__{dir: Path.t(), path: Path.t()}

  @doc "The command under test."
  @spec command() :: Path.t()
  def command, do: Application.app_dir(:linx, "priv/linx-prefork")

  @doc "Writes the script; `max` is how many runs it serves at a time."
  @spec new(Path.t(), max: integer) :: t
  def new(dir, options \\ []) do
    path = Path.join(dir, "script.pl")
    max = Keyword.get(options, :max, 4)
    File.write!(path, String.replace(@source, "MAX", Integer.to_string(max)))
    script = %__MODULE__{dir: dir, path: path}
    on_exit(fn -> end_all(script) end)
    script
  end

  @doc "Ends every server of the script, and waits until none of its processes is left."
  @spec end_all(t) :: non_neg_integer
  def end_all(script) do
    for socket <- sockets(script), do: File.rm(socket)

    Processes.await(
      fn -> Processes.with_token(script.dir) == [] end,
      fn -> "left of the script: #{inspect(Processes.with_token(script.dir))}" end,
      @deadline_ms
    )
  end

  @doc "The sockets in the run directory."
  @spec sockets(t) :: [Path.t()]
  def sockets(script), do: Path.wildcard(Path.join(script.dir, "prefork-interp/s*"))

  @doc """
  Runs the script by `linx-prefork` to its end; answers what it wrote, to stderr too, and the wait
  status as a tuple.

    * `:options` - of `linx-prefork`, `["-U"]` by default
    * `:env`, `:stdin`, `:cd` - what the run is given
    * `:command` - what runs it
  """
  @spec run(t, [String.t()], keyword) :: {String.t(), {:exited | :signaled, non_neg_integer}}
  def run(script, arguments, options \\ []) do
    argv =
      [Keyword.get(options, :command, command())] ++
        Keyword.get(options, :options, ["-U"]) ++ ["perl", script.path | arguments]

    execute(script, argv, options)
  end

  @doc "Runs anything, with the script's run directory."
  @spec execute(t, [String.t()], keyword) ::
          {String.t(), {:exited | :signaled, non_neg_integer}}
  def execute(script, argv, options \\ []) do
    stdin = Path.join(script.dir, "stdin-#{System.unique_integer([:positive])}")
    File.write!(stdin, Keyword.get(options, :stdin, ""))
    # A shell cannot tell a signal from an exit code.
    report = "open STDIN, '<', shift; system @ARGV; print qq(\\nstatus $?)"

    {output, 0} =
      System.cmd("perl", ["-e", report, stdin | argv],
        env: [{"XDG_RUNTIME_DIR", script.dir} | Keyword.get(options, :env, [])],
        cd: Keyword.get(options, :cd, "/"),
        stderr_to_stdout: true
      )

    File.rm!(stdin)
    [_, written, status] = Regex.run(~r/\A(.*)\nstatus (\d+)\z/s, output)
    {written, outcome(String.to_integer(status))}
  end

  defp outcome(status) when rem(status, 256) == 0, do: {:exited, div(status, 256)}
  defp outcome(status), do: {:signaled, rem(status, 256)}

  @doc "How often the script has started from its top."
  @spec starts(t) :: non_neg_integer
  def starts(script) do
    case File.read(script.path <> ".starts") do
      {:ok, lines} -> lines |> String.split("\n", trim: true) |> length()
      {:error, :enoent} -> 0
    end
  end

  @doc "Waits until the script has started as often as that."
  @spec await_starts(t, non_neg_integer) :: :ok
  def await_starts(script, count) do
    what = fn -> "#{starts(script)} starts, not #{count}" end
    Processes.await(fn -> starts(script) == count end, what, @deadline_ms)
  end

  @doc "Starts a run that stays until it is ended, as a port of the caller; waits until it runs."
  @spec hold(t) :: port
  def hold(script) do
    port = open(script, ["do-hold"])

    receive do
      {^port, {:data, {:eol, "held"}}} -> port
    after
      @deadline_ms -> raise "no run: #{inspect(Processes.with_token(script.dir))}"
    end
  end

  @doc "Starts a run as a port of the caller."
  @spec open(t, [String.t()]) :: port
  def open(script, arguments) do
    Port.open({:spawn_executable, command()}, [
      :binary,
      :exit_status,
      :stderr_to_stdout,
      {:line, 1000},
      {:env, [{~c"XDG_RUNTIME_DIR", to_charlist(script.dir)}]},
      {:cd, "/"},
      {:args, ["-U", "perl", script.path | arguments]}
    ])
  end

  @doc "The exit status of a run by `open/2`, as a shell gives it."
  @spec status(port) :: non_neg_integer
  def status(port) do
    receive do
      {^port, {:exit_status, status}} -> status
    after
      @deadline_ms -> raise "the client hangs"
    end
  end

  @doc "The pids that play a role now: `:client`, `:watcher`, `:server`, `:monitor` or `:executor`."
  @spec pids(t, atom) :: [pos_integer]
  def pids(script, role) do
    processes = Processes.with_token(script.dir)
    monitors = for p <- processes, title(p) =~ ~r/\[mon/, do: p.pid
    for p <- processes, role_of(p, monitors) == role, do: p.pid
  end

  defp role_of(%{name: "linx_watcher"}, _monitors), do: :watcher
  defp role_of(%{name: "linx-prefork"}, _monitors), do: :client

  defp role_of(process, monitors) do
    cond do
      process.pid in monitors -> :monitor
      process.parent in monitors -> :executor
      title(process) =~ "[server]" -> :server
      true -> nil
    end
  end

  defp title(process) do
    case File.read("/proc/#{process.pid}/cmdline") do
      {:ok, title} -> title
      {:error, _} -> ""
    end
  end

  @doc "Waits until as many processes as that play a role; answers them."
  @spec await_pids(t, atom, non_neg_integer) :: [pos_integer]
  def await_pids(script, role, count) do
    Processes.await(
      fn -> length(pids(script, role)) == count end,
      fn -> "not #{count} #{role}: #{inspect(Processes.with_token(script.dir))}" end,
      @deadline_ms
    )

    pids(script, role)
  end

  @doc "Sends a signal."
  @spec signal(pos_integer, String.t()) :: non_neg_integer
  def signal(pid, name),
    do: elem(System.cmd("kill", ["-#{name}", "#{pid}"], stderr_to_stdout: true), 1)
end
