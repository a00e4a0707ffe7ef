defmodule Linx.Command.Run do
  @moduledoc """
  Commands that run for the calling process, the output of each piped into the next, and what is heard
  of them.

      run = Run.start!([command], nil, 5000)
      {:output, {0, :stdout}, bytes, run} = Run.next(run)
      {:ended, [0], run} = Run.next(run)
      :ok = Run.close(run)

  Their sessions are owned by the caller, so they end with it. `close/1` leaves nothing of them behind,
  and no message: all are tagged with a reference that nobody else knows.
  """

  alias Linx.Command
  alias Linx.Command.{Input, Plumbing}
  alias Linx.Process.{Error, Launch}

  @typedoc "How a command ended: its exit code, or the signal that ended it."
  @type status :: non_neg_integer | {:signal, pos_integer}

  @typedoc "Which command of the pipeline wrote, and where to."
  @type source :: {index :: non_neg_integer, :stdout | :stderr}

  @typedoc "`:aborted` is the work of a checkpoint."
  @type failure ::
          :timeout | :aborted | {:raise, kind :: atom, reason :: term, Exception.stacktrace()}

  @type event ::
          {:output, source, binary, t} | {:ended, [status], t} | {:failed, failure, t}

  @type t :: %__MODULE__{
          ref: reference,
          deadline: integer | :infinity,
          sessions: %{non_neg_integer => pid},
          monitors: %{reference => pid},
          statuses: %{non_neg_integer => status},
          parked: non_neg_integer,
          checkpoint: Command.checkpoint() | nil,
          input: Input.t() | nil,
          later: iodata | Enumerable.t() | nil
        }

  @enforce_keys [:ref, :deadline]
  defstruct [
    :ref,
    :deadline,
    :input,
    # What is fed only when the command is let go.
    :later,
    :checkpoint,
    # How many have not come to their checkpoint yet.
    parked: 0,
    sessions: %{},
    monitors: %{},
    statuses: %{}
  ]

  @enoent 2

  # How many pieces of each session's output may wait in the caller's mailbox.
  @pieces 16

  # What `System.cmd/3` raises as the kernel's word alone.
  @execve_errors [:enoent, :eacces, :enametoolong, :enomem, :eagain, :emfile, :enfile]

  @doc """
  Starts the commands, whose options are the same; what cannot be started is raised, and nothing of the others is left then.

  Without input (`nil`) the stdin of the first is a pipe that stays empty and open.
  """
  @spec start!([Command.t(), ...], iodata | Enumerable.t() | nil, timeout) :: t
  def start!(commands, input, timeout) do
    run = %__MODULE__{ref: make_ref(), deadline: deadline(timeout)}
    options = Plumbing.options(commands, &[tag: {run.ref, &1}, owner: self(), active: @pieces])

    case Launch.start_together(options) do
      {:ok, sessions} ->
        monitors = Map.new(sessions, &{adopt(&1), &1})
        sessions = for {session, index} <- Enum.with_index(sessions), do: {index, session}
        run = %{run | sessions: Map.new(sessions), monitors: monitors}
        parked = if Plumbing.parked?(commands), do: length(commands), else: 0
        run = %{run | parked: parked, checkpoint: hd(commands).checkpoint}
        if hd(commands).prefork, do: %{run | later: input}, else: feed(run, input)

      {:error, reason} ->
        flush(run.ref)
        raise_start(if hd(commands).prefork, do: unreached(reason), else: reason)
    end
  end

  # Its owner's death ends the session; a link would only let the session's end concern its owner.
  defp adopt(session) do
    monitor = Process.monitor(session)
    Process.unlink(session)

    receive do
      {:EXIT, ^session, _reason} -> monitor
    after
      0 -> monitor
    end
  end

  defp feed(run, nil), do: run
  defp feed(run, input), do: %{run | input: Input.start(session(run, 0), input, run.ref)}

  @doc "Waits for what happens next, up to the deadline."
  @spec next(t) :: event
  def next(%__MODULE__{} = run) do
    # Looked at first: who writes without a pause always has a message waiting.
    case left(run.deadline) do
      0 -> {:failed, :timeout, run}
      left -> next(run, left)
    end
  end

  defp next(%{ref: ref} = run, left) do
    receive do
      {:linx_process, {^ref, index}, name, bytes}
      when name in [:stdout, :stderr] and is_binary(bytes) ->
        {:output, {index, name}, bytes, run}

      {:linx_process, {^ref, index}, :ready, pid} when run.parked > 0 ->
        if run.checkpoint, do: check(run.checkpoint, session(run, index), pid)
        next(proceed(%{run | parked: run.parked - 1}))

      {:linx_process, {^ref, index}, :passive} ->
        # A session that is gone says so in its own way.
        _ = Linx.Process.set_active(session(run, index), @pieces)
        next(run)

      {:linx_process, {^ref, index}, :exited, code} ->
        ended(run, index, code)

      {:linx_process, {^ref, index}, :signaled, number} ->
        ended(run, index, {:signal, number})

      {:linx_process, {^ref, index}, :error, _code, _stage} ->
        {:error, error} = Linx.Process.wait(session(run, index))
        {:failed, {:raise, :error, exception(error), []}, run}

      {:linx_process, {^ref, _index}, :aborted} ->
        {:failed, :aborted, run}

      {^ref, :input, kind, reason, stacktrace} ->
        {:failed, {:raise, kind, reason, stacktrace}, run}

      {:DOWN, monitor, :process, _, reason} when is_map_key(run.monitors, monitor) ->
        {:failed, {:raise, :exit, reason, []}, run}

      message
      when elem(message, 0) == :linx_process and elem(elem(message, 1), 0) == ref ->
        next(run)
    after
      left -> {:failed, :timeout, run}
    end
  end

  defp check(checkpoint, session, pid) do
    with other when other != :ok <- checkpoint.(session, pid),
         do: raise(ArgumentError, "a :checkpoint has to answer :ok, not #{inspect(other)}")
  end

  # One that died meanwhile says so in its own way.
  defp proceed(%{parked: 0} = run) do
    for {_index, session} <- run.sessions, do: Linx.Process.proceed(session)
    feed(%{run | later: nil}, run.later)
  end

  defp proceed(run), do: run

  defp ended(run, index, status) do
    run = %{run | statuses: Map.put(run.statuses, index, status)}

    if map_size(run.statuses) == map_size(run.sessions),
      do: {:ended, Enum.map(0..(map_size(run.sessions) - 1), &run.statuses[&1]), run},
      else: next(run)
  end

  @doc """
  Kills what still runs, all of its trees, and returns when it is gone.

  An earlier state of the run will do.
  """
  @spec close(t) :: :ok
  def close(%__MODULE__{} = run) do
    if run.input, do: Input.stop(run.input)
    for {_index, session} <- run.sessions, do: Linx.Process.stop(session, 0)
    Enum.each(run.monitors, &end_session/1)
    flush(run.ref)
  end

  defp end_session({monitor, session}) do
    # It may have told already.
    Process.demonitor(monitor, [:flush])
    monitor = Process.monitor(session)
    Process.exit(session, :shutdown)
    receive do: ({:DOWN, ^monitor, :process, _, _} -> :ok)
  end

  # Who sent them is gone: none comes later.
  defp flush(ref) do
    receive do
      message when elem(message, 0) == :linx_process and elem(elem(message, 1), 0) == ref ->
        flush(ref)

      message when elem(message, 0) == ref ->
        flush(ref)
    after
      0 -> :ok
    end
  end

  defp session(run, index), do: Map.fetch!(run.sessions, index)

  # The session of its script is gone.
  defp unreached(:no_process), do: Error.new(@enoent, :prefork_connect)
  defp unreached(reason), do: reason

  defp raise_start(%{__exception__: true} = error), do: raise(exception(error))
  defp raise_start(reason), do: raise("no command can be started: #{inspect(reason)}")

  defp exception(%Error{stage: :execve, errno: errno}) when errno in @execve_errors,
    do: %ErlangError{original: errno}

  defp exception(error), do: error

  defp deadline(:infinity), do: :infinity
  defp deadline(timeout), do: now() + timeout

  defp left(:infinity), do: :infinity
  defp left(deadline), do: max(deadline - now(), 0)

  defp now, do: System.monotonic_time(:millisecond)
end
