defmodule Linx do
  @moduledoc """
  Runs, isolates, enters and supervises Linux processes.

      iex> {:ok, session} = Linx.spawn(argv: ["/bin/sh", "-c", "exit 3"], auto_proceed: true)
      iex> Linx.wait(session)
      {:ok, {:exited, 3}}

  A program runs as a *session*: an Erlang process that stands for a Linux process, and for everything
  that this one starts. Whichever way a session ends, nothing of it is left running; what its messages
  say is so when they say it.

  The BEAM cannot make such processes itself. A small program, `linx_process`, does it for many
  sessions at once; it is started when it is first needed.

  | | |
  |---|---|
  | `cmd/3`, `stream!/3`, `pipeline/2` | commands that run to their end, in place of `System.cmd/3` |
  | `Linx.Process` | sessions: options, messages, verbs, supervision. Start here |
  | `Linx.Doorbell` | what a container may ask the host for |
  | `Linx.Log` | what programs write, as messages of `Logger` |
  | `Linx.User` | id maps of a user namespace |
  | `Linx.Capabilities` | what a workload may do as root, or not |
  | `Linx.Seccomp` | which system calls it may make |
  | `Linx.Agent` | the program that does the work, and what it counts |
  | `Linx.Telemetry` | events of sessions for the `:telemetry` library |
  | `mix linx.doctor` | what this machine can do, and what to change |
  | `mix linx.top` | what the sessions of a node are doing |
  | `mix linx.run` | all of it on the command line |

  The functions here are those of `Linx.Process` that a first session needs.
  """

  import Kernel, except: [spawn: 1]

  alias Linx.Command
  alias Linx.Command.{Output, Pipeline}

  @doc "See `Linx.Process.spawn/1`."
  @spec spawn(keyword) :: {:ok, pid} | {:error, term}
  defdelegate spawn(opts), to: Linx.Process

  @doc "See `Linx.Process.enter/2`."
  @spec enter(pos_integer | Linx.Process.session(), keyword) :: {:ok, pid} | {:error, term}
  defdelegate enter(target, opts), to: Linx.Process

  @doc "See `Linx.Process.wait/2`."
  @spec wait(Linx.Process.session(), timeout) :: Linx.Process.outcome() | {:error, :timeout}
  defdelegate wait(session, timeout \\ :infinity), to: Linx.Process

  @doc "See `Linx.Process.stop/2`."
  @spec stop(Linx.Process.session(), non_neg_integer) :: Linx.Process.outcome()
  defdelegate stop(session, grace \\ 5000), to: Linx.Process

  @doc """
  Runs a command to its end and collects its output, as `System.cmd/3` does, but leaves nothing behind.

      iex> Linx.cmd("echo", ["hello"])
      {"hello\\n", 0}
      iex> Linx.cmd("tr", ["a-z", "A-Z"], input: ["hel", "lo"])
      {"HELLO", 0}
      iex> Linx.cmd("sh", ["-c", "kill -9 $$"])
      {"", {:signal, 9}}

  The command is looked for on the `PATH` of the BEAM, unless it is an absolute path. It ends with its
  caller, however that ends, and so does all that it has started; the caller gets no message of it.

  Options of `System.cmd/3`, with their meaning there:

    * `:into` - collectable for the output, default `""`, with `:lines` `[]`
    * `:lines` - positive integer, lines are collected and not pieces as they come; they are never cut,
      whatever the number
    * `:cd` - directory to run in, default the BEAM's
    * `:env` - enumerable of `{name, value}`, changes to the BEAM's environment; `nil` takes a
      variable away
    * `:arg0` - string, the name that the command is told it has, default its path
    * `:stderr_to_stdout` - boolean, the same as `stderr: :merge`, default `false`
    * `:parallelism` - boolean, has no effect here

  And besides:

    * `:input` - binary, iodata or an enumerable of iodata for the command's stdin, which is closed
      after it. It is written as fast as the command reads, while its output is collected. Default
      none: stdin is a pipe that stays empty and open, as with `System.cmd/3`; what must see its end
      gets `""`
    * `:stderr` - `:inherit`, the BEAM's; `:merge` into stdout; or `:separate`: the answer is then
      `{{output, stderr}, status}` with a binary for stderr. Default `:inherit`
    * `:log` - level or options of `Linx.Log`: each line of the output also goes to `Logger` as it
      comes, and of stderr where that is merged or separate. Default none
    * `:timeout` - milliseconds, or `:infinity`, which is the default
    * `:max_output` - bytes that the command may write, or `:infinity`, which is the default
    * `:checkpoint` - function that is called with the session and the command's pid before the command
      runs anything, for id maps (`Linx.User`), capabilities and filters; it is to answer `:ok`.
      `:timeout` does not interrupt it. Default none
    * every option of `Linx.Process.spawn/1` that says how the command is isolated, such as
      `:namespaces`, `:uid`, `:no_new_privs`, `:cgroup` or `:agent`

  The status is the exit code, or `{:signal, number}` where a signal ended the command.

  Raises `ArgumentError` for bad options, `ErlangError` with `:enoent` or `:eacces` for a command that
  is not there or cannot be executed, `Linx.Process.Error` where another step failed, and
  `Linx.Command.Error` when `:timeout` or `:max_output` was exceeded: the command and everything it has
  started was killed, and the error's `:output` is what it wrote until then.

  What differs from `System.cmd/3`:

    * what the command leaves running is killed when it ends, and not waited for
    * a signal is not told as an exit code of 128 and more, and a program that could not be executed
      not as one that did run
    * SIGPIPE and SIGFPE have their default effect and are not ignored
    * a string with a NUL byte is refused and not cut short
  """
  @spec cmd(String.t(), [String.t()], keyword) ::
          {collected :: term, non_neg_integer | {:signal, pos_integer}}
  def cmd(command, args, opts \\ []),
    do: command |> Command.new!(args, opts) |> Pipeline.run!()

  @doc """
  The output of a command as a stream of binaries, as they come.

      iex> Linx.stream!("sh", ["-c", "echo one; echo two"]) |> Enum.join()
      "one\\ntwo\\n"
      iex> Linx.stream!("yes", []) |> Enum.take(1) |> hd() |> binary_part(0, 4)
      "y\\ny\\n"

  The command is started when the stream is enumerated, each time anew. It runs no further ahead than a
  few pieces. Where the enumeration stops, because enough was taken or something was raised, the
  command is killed with everything it has started.

  Takes the options of `cmd/3` but `:into`, `:lines` and `:log`, and

    * `:status` - what becomes of the command's status: `:raise` a `Linx.Command.Error` where it is not
      0, `:emit` it as the last element `{:exit, status}`, or `:ignore` it. Default `:raise`

  With `stderr: :separate` the elements are `{:stdout, binary}` and `{:stderr, binary}`. `:timeout` is the
  time that an enumeration may take; this and `:max_output` raise `Linx.Command.Error`.
  """
  @spec stream!(String.t(), [String.t()], keyword) :: Enumerable.t()
  def stream!(command, args, opts \\ []) do
    {status, opts} = Keyword.pop(opts, :status, :raise)

    for {key, value} <- opts, key in [:into, :lines, :log], do: invalid!(key, value)
    unless status in [:raise, :emit, :ignore], do: invalid!(:status, status)
    Output.stream(Command.new!(command, args, opts), status)
  end

  @doc """
  Runs commands with the output of each piped into the next, and collects that of the last.

      iex> Linx.pipeline([["printf", "b\\\\na\\\\nb\\\\n"], ["sort"], ["uniq", "-c"]])
      {"      1 a\\n      2 b\\n", [0, 0, 0]}
      iex> Linx.pipeline([["yes"], ["head", "-n", "1"]])
      {"y\\n", [{:signal, 13}, 0]}

  The pipes are the kernel's: what one command writes to another does not come through the BEAM. The
  answer has the status of each command.

  Takes the options of `cmd/3`, which hold for every command, but `:arg0` and `agent: :dedicated`;
  `:input` goes to the first, `:into`, `:lines` and `:max_output` concern the output of the last,
  `:timeout` the whole. With `stderr: :merge` the stderr of each goes where its stdout goes; with
  `:separate` the answer is `{{output, [stderr of each]}, statuses}`.

  No command runs before all of them have been made. When one cannot be started, or a limit is
  exceeded, all of them are killed before it is raised.
  """
  @spec pipeline([[String.t(), ...], ...], keyword) ::
          {collected :: term, [non_neg_integer | {:signal, pos_integer}]}
  def pipeline([_ | _] = commands, opts \\ []) do
    if opts[:agent] == :dedicated, do: invalid!(:agent, :dedicated)
    if opts[:arg0], do: invalid!(:arg0, opts[:arg0])
    Pipeline.run!(for [command | args] <- commands, do: Command.new!(command, args, opts))
  end

  defp invalid!(key, value),
    do: raise(ArgumentError, "invalid option #{inspect(key)} with value #{inspect(value)}")
end
