defmodule Linx.Process.Actions do
  @moduledoc """
  Does what `Linx.Process.Machine` decides: frames, messages, answers, timers and monitors.

      {:noreply, state} = Linx.Process.Actions.perform([{:tell, {:running}}], state)

  All of it is done by the process of the session, whose state `state` is.
  """

  alias Linx.Agent.Outbox
  alias Linx.Process.{Confinement, Machine, Session}
  alias Linx.Protocol

  @type state :: %Session{}

  @doc "Does them in order, and answers as a callback of the process does."
  @spec perform([Machine.action()], state) :: {:noreply, state} | {:stop, term, state}
  def perform([], state), do: {:noreply, state}
  def perform([{:stop, reason}], state), do: {:stop, reason, state}
  def perform([action | rest], state), do: perform(rest, act(action, state))

  defp act({:write, command, from}, state) do
    frame = Protocol.encode(state.id, command)
    state = %{state | confinement: Confinement.note(state.confinement, command)}
    written(Outbox.push(state.outbox, frame, from), from, state)
  end

  defp act({:reply, from, answer}, state) do
    GenServer.reply(from, answer)
    state
  end

  defp act({:tell, _message}, %{hears?: false} = state), do: state

  defp act({:tell, message}, state) do
    send(state.owner, addressed(message, state.tag))
    state
  end

  # A time that is running already stays where it ends earlier.
  defp act({:grace, milliseconds}, state) do
    milliseconds = min(milliseconds, grace_left(state) || milliseconds)
    if state.grace_timer, do: Process.cancel_timer(elem(state.grace_timer, 0))
    ref = make_ref()
    %{state | grace_timer: {Process.send_after(self(), {:grace_over, ref}, milliseconds), ref}}
  end

  defp act({:watch, ref, {pid, _} = _from, timeout}, state) do
    monitor = :erlang.monitor(:process, pid, tag: {:gone, ref})
    timer = if timeout != :infinity, do: Process.send_after(self(), {:overdue, ref}, timeout)
    %{state | waits: Map.put(state.waits, ref, {monitor, timer})}
  end

  defp act({:unwatch, ref}, state), do: unwatch(ref, state)

  defp act(:ended, state) do
    if state.agent, do: Process.demonitor(elem(state.agent, 1), [:flush])
    for from <- Outbox.waiting(state.outbox), do: answer(from, {:error, :no_process})
    # One that lingers may never have reason again to let go of the output that has passed.
    if state.machine.streams != nil and state.machine.linger, do: :erlang.garbage_collect()
    %{state | outbox: Outbox.new(Outbox.port(state.outbox))}
  end

  @doc "A caller is not to be heard of any more."
  @spec unwatch(reference, state) :: state
  def unwatch(ref, state) do
    case Map.pop(state.waits, ref) do
      {{monitor, timer}, waits} ->
        Process.demonitor(monitor, [:flush])
        if timer, do: Process.cancel_timer(timer)
        %{state | waits: waits}

      {nil, _} ->
        state
    end
  end

  defp addressed(message, :error), do: Tuple.insert_at(message, 0, :linx_process)

  defp addressed(message, {:ok, tag}),
    do: message |> Tuple.insert_at(0, tag) |> Tuple.insert_at(0, :linx_process)

  @doc """
  Answers those whose frames have been written; `from` is whose frame came last.

  Frames that wait in an outbox whose port has closed are answered when the end is known.
  """
  @spec written(Outbox.outcome(), Machine.from() | nil, state) :: state
  def written({status, froms, outbox}, from, state) do
    for from <- froms, do: answer(from, :ok)
    if status == :closed, do: answer(from, {:error, :no_process})
    %{state | outbox: outbox}
  end

  defp answer(nil, _answer), do: :ok
  defp answer(from, answer), do: GenServer.reply(from, answer)

  # `false` is a timer that has fired.
  @doc "The milliseconds of a grace that are left; `nil` where none is running."
  @spec grace_left(state) :: non_neg_integer | nil
  def grace_left(%{grace_timer: nil}), do: nil
  def grace_left(%{grace_timer: {timer, _ref}}), do: Process.read_timer(timer) || 0
end
