defmodule Linx.Bench.Sessions do
  @moduledoc """
  Programs run by Linx, by the shared agent. Every session here ends with its workload.
  """

  alias Linx.Bench.Ports

  @all_namespaces [:user, :mount, :uts, :ipc, :cgroup, :net, :time, :pid]

  @doc "The options of a session: `auto_proceed`, no init, unless `extra` says otherwise."
  @spec options([String.t()], keyword) :: keyword
  def options(argv, extra \\ []) do
    defaults = [argv: argv, linger: false, auto_proceed: true, init: false]
    Keyword.merge(defaults, extra)
  end

  @doc "The options that ask for all eight fresh namespaces."
  @spec isolated_options([String.t()]) :: keyword
  def isolated_options(argv), do: options(argv, namespaces: @all_namespaces)

  @doc "Runs a program and waits until its exit with 0 is seen."
  @spec run(keyword) :: :ok
  def run(options) do
    {:ok, _session} = Linx.Process.spawn(options)
    await(:exited)
  end

  @doc "The same with the checkpoint in the caller's hands."
  @spec run_by_checkpoint(keyword) :: :ok
  def run_by_checkpoint(options) do
    {:ok, session} = Linx.Process.spawn(Keyword.put(options, :auto_proceed, false))
    await(:ready)
    :ok = Linx.Process.proceed(session)
    await(:exited)
  end

  @doc "Starts a program and waits until it runs."
  @spec start(keyword) :: pid
  def start(options) do
    {:ok, session} = Linx.Process.spawn(options)
    await(:running)
    session
  end

  @doc "Kills what `start/1` started and waits until its end is seen."
  @spec kill(pid) :: :ok
  def kill(session) do
    :ok = Linx.Process.signal(session, 9)
    await(:signaled)
  end

  @doc "Runs a program on a PTY and counts the bytes that it wrote."
  @spec count_pty([String.t()]) :: non_neg_integer
  def count_pty(argv) do
    {:ok, _session} = Linx.Process.spawn(options(argv, stdio: :pty))
    count_pty_of(0)
  end

  @doc "Runs a program whose stdout is a pipe and counts the bytes that it wrote."
  @spec count_output([String.t()]) :: non_neg_integer
  def count_output(argv) do
    {:ok, _session} = Linx.Process.spawn(options(argv, stdio: [stdout: :pipe]))
    count_output_of(0)
  end

  @doc "Runs a program, gives it this many bytes on its stdin, and waits for its exit with 0."
  @spec feed([String.t()], pos_integer) :: pos_integer
  def feed(argv, bytes) do
    {:ok, session} = Linx.Process.spawn(options(argv, stdio: [stdin: :pipe]))
    await(:running)
    Enum.each(Ports.pieces(bytes), &(:ok = Linx.Process.write(session, &1)))
    await(:exited)
    bytes
  end

  @doc """
  Calls `fun` while `count` sessions write as much as is read of them, each to an owner of its own.
  """
  @spec with_flood(pos_integer, [String.t()], (() -> result)) :: result when result: var
  def with_flood(count, argv, fun) do
    {caller, barrier} = {self(), make_ref()}

    owners =
      for _ <- 1..count do
        Task.async(fn ->
          Process.flag(:trap_exit, true)
          {:ok, session} = Linx.Process.spawn(options(argv, stdio: [stdout: :pipe]))
          receive do: ({:linx_process, :stdout, _} -> send(caller, barrier))
          drown(session, barrier)
        end)
      end

    for _ <- owners, do: receive(do: (^barrier -> :ok))
    result = fun.()
    Enum.each(owners, &send(&1.pid, barrier))
    Task.await_many(owners, :infinity)
    result
  end

  defp drown(session, barrier) do
    receive do
      {:linx_process, :stdout, _} -> drown(session, barrier)
      ^barrier -> Linx.Process.stop(session, 0)
    end
  end

  @doc """
  Calls `fun` while `count` sessions of `argv` are idle, and ends them.

  The sessions are owned by a process of their own: the caller's mailbox stays empty.
  """
  @spec with_idle(non_neg_integer, keyword, (() -> result)) :: result when result: var
  def with_idle(0, _options, fun), do: fun.()

  def with_idle(count, options, fun) do
    {caller, barrier} = {self(), make_ref()}

    owner =
      Task.async(fn ->
        Process.flag(:trap_exit, true)
        sessions = for _ <- 1..count, do: start(options)
        send(caller, barrier)
        receive do: (^barrier -> Enum.each(sessions, &kill/1))
      end)

    receive do: (^barrier -> :ok)
    result = fun.()
    send(owner.pid, barrier)
    Task.await(owner, :infinity)
    result
  end

  defp count_pty_of(bytes) do
    receive do
      {:linx_process, :pty_out, data} ->
        count_pty_of(bytes + byte_size(data))

      {:linx_process, :exited, 0} ->
        bytes

      message when elem(message, 0) == :linx_process ->
        next(message, fn -> count_pty_of(bytes) end)
    end
  end

  defp count_output_of(bytes) do
    receive do
      {:linx_process, :stdout, data} when is_binary(data) ->
        count_output_of(bytes + byte_size(data))

      {:linx_process, :stdout, :eof} ->
        count_output_of(bytes)

      {:linx_process, :exited, 0} ->
        bytes

      message when elem(message, 0) == :linx_process ->
        next(message, fn -> count_output_of(bytes) end)
    end
  end

  defp await(stage) do
    receive do
      {:linx_process, ^stage} -> :ok
      {:linx_process, ^stage, _} -> :ok
      message when elem(message, 0) == :linx_process -> next(message, fn -> await(stage) end)
    end
  end

  # What a session says on the way to its end.
  defp next({:linx_process, :ready, _}, go_on), do: go_on.()
  defp next({:linx_process, :running}, go_on), do: go_on.()
  defp next(message, _go_on), do: raise("a session ended unexpectedly: #{inspect(message)}")
end
