defmodule Linx.Doctor.Trial do
  @moduledoc """
  Tries things out: starts an agent, and with it programs that end at once.

  It speaks to an agent of its own, apart from the pool, so that it can also be one without
  privileges, and so that it works where nothing of Linx is running. Not for any process that gets
  other port messages while a trial runs.
  """

  alias Linx.Doctor.Report
  alias Linx.Protocol

  @timeout 5_000

  @enforce_keys [:port, :hello]
  defstruct [:port, :hello]

  @type t :: %__MODULE__{port: port, hello: map}

  @doc """
  Starts the command, which has to become an agent, and waits for its greeting.

  Errors are words.
  """
  @spec open(Path.t(), [String.t()]) :: {:ok, t} | {:error, String.t()}
  def open(executable, args) do
    options = [:binary, :exit_status, :nouse_stdio, packet: 4, args: args]
    port = Port.open({:spawn_executable, executable}, options)
    send_frame(port, Protocol.encode(nil, {:hello, Protocol.version()}))

    case next(port) do
      {:frame, {nil, {:hello, hello}}} -> {:ok, %__MODULE__{port: port, hello: hello}}
      {:frame, other} -> abandon(port, "greeted with #{inspect(other)}")
      {:ended, status} -> {:error, "exited with status #{status} before its greeting"}
      :timeout -> abandon(port, "did not greet within #{@timeout} ms")
    end
  rescue
    error in ErlangError -> {:error, "cannot be started: #{inspect(error.original)}"}
  end

  @doc "Ends the agent."
  @spec close(t) :: :ok
  def close(trial) do
    Port.close(trial.port)
    :ok
  end

  @doc "Starts a program in these fresh namespaces."
  @spec namespaces(t, [Report.namespace()]) :: Report.outcome()
  def namespaces(trial, namespaces), do: run(trial, %{namespaces: namespaces}, [:proceed])

  @doc "Starts a program with these keys of a request."
  @spec request(t, map) :: Report.outcome()
  def request(trial, keys), do: run(trial, keys, [:proceed])

  @doc "Starts a program on a PTY."
  @spec pty(t) :: Report.outcome()
  def pty(trial), do: run(trial, %{stdio: :pty}, [:proceed])

  @doc "Starts a program under a seccomp filter that libseccomp compiled."
  @spec filter(t) :: Report.outcome()
  def filter(trial) do
    rules = %{default: :allow, rules: [{{:errno, 1}, "acct", []}]}
    run(trial, %{no_new_privs: true}, [{:seccomp_rules, rules}, :proceed])
  end

  @doc "Starts a program under a filter that asks about a call, and lets the call pass."
  @spec notify(t) :: Report.outcome()
  def notify(trial) do
    # What every program calls at its end.
    rules = %{default: :allow, rules: [{:notify, "exit_group", []}]}
    run(trial, %{no_new_privs: true}, [{:seccomp_rules, rules}, :proceed], true)
  end

  defp run(trial, extra, commands, asks? \\ false) do
    id = System.unique_integer([:positive])
    argv = [System.find_executable("true") || "/bin/true"]
    request = Map.merge(%{argv: argv, stdio: :devnull, namespaces: []}, extra)
    send_frame(trial.port, Protocol.encode(id, {:spawn, request}))
    follow(trial.port, id, commands, asks?)
  end

  # `asks?`: a system call is still to be told.
  defp follow(port, id, commands, asks?) do
    case next(port) do
      {:frame, {^id, {:status, :ready, _pid}}} ->
        Enum.each(commands, &send_frame(port, Protocol.encode(id, &1)))
        follow(port, id, [], asks?)

      {:frame, {^id, {:syscall, %{id: call}}}} ->
        send_frame(port, Protocol.encode(id, {:syscall_answer, call, :continue}))
        follow(port, id, [], false)

      {:frame, {^id, {:status, :exited, 0}}} ->
        if asks?, do: {:untried, "no system call was told"}, else: :ok

      {:frame, {^id, {:error, errno, stage, _detail}}} ->
        {:error, errno, stage}

      {:frame, {^id, {:refused, errno, name, _detail}}} ->
        send_frame(port, Protocol.encode(id, :abort))
        {:error, errno, name}

      {:frame, {^id, {:status, status, number}}} when status in [:exited, :signaled] ->
        {:untried, "the program #{status} #{number}"}

      # An earlier trial's abort, or a step on the way.
      {:frame, _other} ->
        follow(port, id, commands, asks?)

      {:ended, status} ->
        {:untried, "the agent exited with status #{status}"}

      :timeout ->
        {:untried, "the agent did not answer within #{@timeout} ms"}
    end
  end

  defp next(port) do
    receive do
      {^port, {:data, frame}} -> decoded(frame)
      {^port, {:exit_status, status}} -> {:ended, status}
    after
      @timeout -> :timeout
    end
  end

  defp decoded(frame) do
    case Protocol.decode(frame) do
      {:ok, answer} -> {:frame, answer}
      {:error, :malformed_frame} -> {:frame, :malformed}
    end
  end

  # The agent may be gone already: its exit status is in the mailbox then.
  defp send_frame(port, frame) do
    Port.command(port, frame)
  rescue
    ArgumentError -> false
  end

  defp abandon(port, reason) do
    Port.close(port)
    {:error, reason}
  end
end
