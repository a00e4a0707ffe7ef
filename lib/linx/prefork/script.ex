defmodule Linx.Prefork.Script do
  @moduledoc """
  One start of a warm script: the sessions of it, and the names by which it is reached.

  The script is a session that forks to the background (`forking: true`), with the fds that
  prefork-interp(1) has for it. Its first call is a session, too, which the script greets when it is
  warm: so the start is eager, and known to be done. Nothing is run in it.

  All of them tell the process that starts them, with the tag `{:prefork, generation, which}`.
  """

  alias Linx.Command

  @type t :: %__MODULE__{session: pid, call: pid, listener: String.t(), watch: String.t()}

  @enforce_keys [:session, :call, :listener, :watch]
  defstruct @enforce_keys

  # Whatever they are called: the script is told.
  @listen 3
  @call 4
  @watch_in 5
  @watch_err 6

  @doc "Starts the command as a script, which writes to one pipe."
  @spec start(Command.t(), generation :: pos_integer) :: {:ok, t} | {:error, term}
  def start(%Command{} = command, generation) do
    name = "prefork #{System.unique_integer([:positive])}"
    first = "#{name}, first call"
    own = &[owner: self(), tag: {:prefork, generation, &1}]

    # It names the pair first: what is written to it from then on has its author's pid.
    call = [prefork: {:socketpair, first}, env: [], stdio: :devnull] ++ own.(:call)

    fds = [
      {@listen, {:listener, name}},
      {@call, {:socketpair, first}},
      {@watch_in, :devnull},
      {@watch_err, {:pipe, watch(name), :read_nonblock}}
    ]

    script =
      Command.session_options(variable(command), stdin: :devnull, stdout: :pipe, stderr: :stdout) ++
        [fds: fds, forking: true, auto_proceed: true] ++ own.(:script)

    with {:ok, call} <- Linx.Process.spawn(call),
         {:ok, session} <- spawn_with(call, script) do
      {:ok, %__MODULE__{session: session, call: call, listener: name, watch: watch(name)}}
    end
  end

  defp spawn_with(call, script) do
    with {:error, reason} <- Linx.Process.spawn([agent: call] ++ script) do
      Linx.Process.abort(call)
      {:error, reason}
    end
  end

  # When it was started, by which it tells that a file is newer, and its fds.
  defp variable(command) do
    time = System.os_time(:nanosecond)
    seconds = div(time, 1_000_000_000)
    rest = time |> rem(1_000_000_000) |> Integer.to_string() |> String.pad_leading(9, "0")
    fds = Enum.join([@listen, @call, @watch_in, @watch_err], ",")
    variable = "PREFORK_INTERP=v1,#{seconds}.#{rest} #{fds}"
    %{command | session: Keyword.update!(command.session, :env, &[variable | &1])}
  end

  defp watch(name), do: "#{name}, watch"

  @doc """
  Has the script end without ending what it runs: the pipe of the watcher that it looks at is closed.

  Its other end is with the agent until somebody asks for it, who is done at once.
  """
  @spec retire(t, generation :: pos_integer) :: :ok
  def retire(%__MODULE__{} = script, generation) do
    _ =
      Linx.Process.spawn(
        argv: ["/bin/true"],
        stdio: [stdin: :devnull, stdout: {:link, script.watch, :write}, stderr: :devnull],
        agent: script.session,
        init: false,
        auto_proceed: true,
        owner: self(),
        tag: {:prefork, generation, :retire},
        linger: false
      )

    :ok
  end
end
