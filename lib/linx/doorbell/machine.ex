defmodule Linx.Doorbell.Machine do
  @moduledoc """
  What a doorbell does about each thing that happens to it.

  `handle/3` takes the doorbell as it is, an input and the time, and answers the doorbell as it is
  then and what is to be done, in order.

      iex> alias Linx.Doorbell.Machine
      iex> {bell, actions} = Machine.handle(Machine.new(rearm: true, debounce: 100), {:waits, 41}, 0)
      iex> {bell.status, actions}
      {:armed, [{:tell, {:armed, 41}}]}
      iex> {bell, actions} = Machine.handle(bell, {:ended, {:signaled, 1}}, 5000)
      iex> {bell.status, actions}
      {:acting, [{:tell, :rung}, :act]}
      iex> {bell, actions} = Machine.handle(bell, {:acted, {:ok, :done}}, 5030)
      iex> {bell.status, actions}
      {:resting, [{:tell, {:action, {:ok, :done}}}, {:rest, 70}]}
  """

  @sighup 1
  # Between attempts to arm that had no ring between them: doubled each time, up to the longest.
  @first_rest 100
  @longest_rest 10_000

  @typedoc """
    * `:arming` - a probe is on its way
    * `:armed` - it waits
    * `:acting` - it was rung, and the action runs
    * `:resting` - the next probe is due later
    * `:gone`
  """
  @type status :: :arming | :armed | :acting | :resting | :gone

  @typedoc """
    * `{:waits, host_pid}` - the probe does
    * `{:ended, outcome}` - of a probe, as `Linx.Process.wait/2` has it
    * `{:not_armed, reason}` - there is no probe
    * `:target_ended`
    * `{:acted, result}` - the action has finished
    * `:rested`
    * `:removed`
  """
  @type input ::
          {:waits, pos_integer}
          | {:ended, term}
          | {:not_armed, term}
          | :target_ended
          | {:acted, term}
          | :rested
          | :removed

  @typedoc """
    * `{:tell, event}` - to the owner
    * `:arm` - start a probe
    * `:act`
    * `{:rest, milliseconds}` - have `:rested` come in then
    * `:stop`
  """
  @type action :: {:tell, term} | :arm | :act | {:rest, non_neg_integer} | :stop

  @type t :: %__MODULE__{
          status: status,
          rearm: boolean,
          debounce: non_neg_integer,
          host_pid: pos_integer | nil,
          rings: non_neg_integer,
          rung_at: integer | nil,
          failures: non_neg_integer
        }

  @enforce_keys [:rearm, :debounce]
  defstruct @enforce_keys ++ [:host_pid, :rung_at, status: :arming, rings: 0, failures: 0]

  @doc "A doorbell whose first probe is on its way."
  @spec new(rearm: boolean, debounce: non_neg_integer) :: t
  def new(fields), do: struct!(__MODULE__, fields)

  @doc "The doorbell after an input at a time in milliseconds, and what is to be done about it."
  @spec handle(t, input, now :: integer) :: {t, [action]}
  def handle(%__MODULE__{status: :gone} = bell, _input, _now), do: {bell, []}

  def handle(%{status: :arming} = bell, {:waits, host_pid}, _now),
    do: {%{bell | status: :armed, host_pid: host_pid}, [{:tell, {:armed, host_pid}}]}

  def handle(%{status: :armed} = bell, {:ended, {:signaled, @sighup}}, now) do
    bell = %{bell | status: :acting, host_pid: nil, rings: bell.rings + 1}
    {%{bell | rung_at: now, failures: 0}, [{:tell, :rung}, :act]}
  end

  def handle(%{status: :armed} = bell, {:ended, outcome}, _now), do: rest(bell, {:lost, outcome})

  def handle(%{status: :arming} = bell, {:ended, {:error, reason}}, _now),
    do: rest(bell, {:not_armed, reason})

  def handle(%{status: :arming} = bell, {:ended, outcome}, _now),
    do: rest(bell, {:not_armed, outcome})

  def handle(%{status: :arming} = bell, {:not_armed, reason}, _now),
    do: rest(bell, {:not_armed, reason})

  def handle(%{status: :acting, rearm: false} = bell, {:acted, result}, _now),
    do: leave(bell, [{:tell, {:action, result}}], :rung)

  # What rings within the time of the last ring finds nobody, and so is not taken for another one.
  def handle(%{status: :acting} = bell, {:acted, result}, now) do
    left = max(bell.rung_at + bell.debounce - now, 0)
    {%{bell | status: :resting}, [{:tell, {:action, result}}, {:rest, left}]}
  end

  def handle(%{status: :resting} = bell, :rested, _now), do: {%{bell | status: :arming}, [:arm]}
  def handle(bell, :target_ended, _now), do: leave(bell, [], :target_ended)
  def handle(bell, :removed, _now), do: leave(bell, [], :removed)

  # Late news of a probe that is no more.
  def handle(bell, _input, _now), do: {bell, []}

  defp rest(bell, event) do
    ms = min(@first_rest * Integer.pow(2, min(bell.failures, 10)), @longest_rest)
    bell = %{bell | status: :resting, host_pid: nil, failures: bell.failures + 1}
    {bell, [{:tell, event}, {:rest, ms}]}
  end

  defp leave(bell, actions, reason) do
    {%{bell | status: :gone, host_pid: nil}, actions ++ [{:tell, {:gone, reason}}, :stop]}
  end
end
