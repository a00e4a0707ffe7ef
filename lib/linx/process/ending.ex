defmodule Linx.Process.Ending do
  @moduledoc """
  How a session's workload is brought to its end: the part of `Linx.Process.Machine` that is about
  stopping, owners that die and supervisors that shut down.

      iex> alias Linx.Process.{Ending, Machine}
      iex> running = Machine.new(mode: :spawn, linger: true, stage: :running, proceeded?: true)
      iex> {session, actions} = Ending.begin(running, {:stop, 100})
      iex> {session.ending, actions}
      {:grace, [{:write, {:signal, 15}, nil}, {:grace, 100}]}
      iex> {session, actions} = Ending.begin(session, :grace_over)
      iex> {session.ending, actions}
      {:aborting, [{:write, :abort, nil}]}
  """

  alias Linx.Process.{Machine, Questions}

  @typedoc """
    * `{:stop, grace}` - somebody wants it to end
    * `{:abort, from}` - at once, before it runs
    * `:time_over` - it has had the time that it was given in all
    * `:grace_over` - the time that the workload had to end by itself
    * `:owner_down`
    * `:shutdown` - the session's process has to go, and takes the workload with it
  """
  @type cause ::
          {:stop, grace :: non_neg_integer}
          | {:abort, Machine.from() | nil}
          | :time_over
          | :grace_over
          | :owner_down
          | :shutdown

  # A grace of up to five seconds must fit into a supervisor's :shutdown, which is that by default.
  @shutdown_default 5000
  @shutdown_grace 4500

  # What a workload gets that may linger, once it has to end all the same.
  @default_grace 5000

  @doc "The session after a cause to end, and what is to be done about it."
  @spec begin(Machine.t(), cause) :: {Machine.t(), [Machine.action()]}
  def begin(%{result: result} = m, :owner_down) when result != nil, do: {m, [{:stop, :normal}]}
  def begin(%{result: result} = m, _cause) when result != nil, do: {m, []}
  def begin(m, {:stop, grace}), do: finish(m, grace)
  def begin(m, {:abort, from}), do: abort(m, from)
  def begin(m, :grace_over), do: abort(m, nil)

  # Whoever has stopped it before that was the one who ended it.
  def begin(m, :time_over) do
    grace = if m.orphan_policy == :linger, do: @default_grace, else: grace(m.orphan_policy)
    finish(%{m | timed_out?: m.ending == nil}, grace)
  end

  def begin(%{stage: :running, orphan_policy: :linger} = m, :owner_down),
    do: {m, [{:stop, :normal}]}

  def begin(m, :owner_down), do: finish(%{m | leaving?: true}, grace(m.orphan_policy))

  def begin(%{stage: :running, orphan_policy: :linger} = m, :shutdown), do: {m, []}

  def begin(m, :shutdown) do
    case grace(m.orphan_policy) do
      grace when grace <= @shutdown_default -> finish(m, min(grace, @shutdown_grace))
      grace -> finish(m, grace)
    end
  end

  @doc """
  What the agent's process does for a session whose own process was killed: the first signal and the
  milliseconds until the rest is killed, or nothing.

      iex> Linx.Process.Ending.of_orphan(%{orphan_policy: {:kill, 100}, kill: 2})
      {2, 100}
  """
  @spec of_orphan(%{
          :orphan_policy => Linx.Process.Options.orphan_policy(),
          :kill => 1..64,
          optional(any) => any
        }) :: {1..64, non_neg_integer} | :linger
  def of_orphan(%{orphan_policy: {:kill, grace}, kill: signal}), do: {signal, grace}
  def of_orphan(%{orphan_policy: :linger}), do: :linger

  defp abort(m, from), do: {%{m | ending: :aborting}, [{:write, :abort, from}]}

  # What may have run gets the chance to end by itself; what is parked has nothing to tidy up.
  defp finish(%{ending: :aborting} = m, _grace), do: {m, []}
  defp finish(%{ending: :grace} = m, grace), do: {m, [{:grace, grace}]}
  defp finish(%{proceeded?: false} = m, _grace), do: abort(m, nil)

  # One that is paused gets its signal when it goes on.
  defp finish(%{stage: :running} = m, grace) do
    wake = if Questions.pausing?(m), do: [{:write, :resume, nil}], else: []
    {%{m | ending: :grace}, [{:write, {:signal, m.kill}, nil}] ++ wake ++ [{:grace, grace}]}
  end

  defp finish(m, grace),
    do: {%{m | ending: :grace, signals: [m.kill | m.signals]}, [{:grace, grace}]}

  defp grace({:kill, grace}), do: grace
  defp grace(:linger), do: 0
end
