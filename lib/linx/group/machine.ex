defmodule Linx.Group.Machine do
  @moduledoc """
  What a group does when something happens to one of its instances.

  Every function takes the state as it is and answers what it is then and what is to be done.

      iex> alias Linx.Group.Machine
      iex> machine = Machine.new(%{1 => {:web, 1}, 2 => {:web, 2}}, strategy: :one_for_all)
      iex> {machine, [{:start, [1, 2]}]} = Machine.start(machine)
      iex> {machine, []} = Machine.ready(machine, 1)
      iex> {_machine, actions} = Machine.ready(machine, 2)
      iex> actions
      [{:proceed, [1, 2]}]

  The phases are `:starting`, in which nobody goes on before all are ready; `:running`; `:restarting` and
  `:stopping`, in which all are wound down: their channels are closed, and who has not left when the time
  for that is over is terminated; and `:ended`.
  """

  @type id :: pos_integer
  @type name :: {role :: atom, number :: pos_integer}
  @type outcome :: Linx.Group.outcome()

  @type action ::
          {:start | :proceed | :close | :terminate, [id]}
          | {:wait, round :: pos_integer}
          | {:tell, term}
          | {:finish, reason :: term}

  @type phase :: :starting | :running | :restarting | :stopping | :ended

  @type t :: %__MODULE__{
          names: %{id => name},
          strategy: :one_for_all | :one_for_one,
          max_restarts: non_neg_integer,
          max_seconds: pos_integer,
          phase: phase,
          states: %{id => :starting | :ready | :released | :running | :gone},
          restarts: [integer],
          round: non_neg_integer,
          reason: term
        }

  @enforce_keys [:names, :strategy, :max_restarts, :max_seconds, :states]
  defstruct @enforce_keys ++ [phase: :starting, restarts: [], round: 0, reason: nil]

  @doc "A group of these instances of which none is started."
  @spec new(%{id => name}, keyword) :: t
  def new(names, options) do
    %__MODULE__{
      names: names,
      strategy: Keyword.fetch!(options, :strategy),
      max_restarts: Keyword.get(options, :max_restarts, 3),
      max_seconds: Keyword.get(options, :max_seconds, 5),
      states: Map.new(names, fn {id, _name} -> {id, :gone} end)
    }
  end

  @doc "Starts all of them."
  @spec start(t) :: {t, [action]}
  def start(%__MODULE__{} = m) do
    ids = ids(m)
    {%{m | phase: :starting, states: Map.new(ids, &{&1, :starting})}, [{:start, ids}]}
  end

  @doc "An instance waits at its checkpoint."
  @spec ready(t, id) :: {t, [action]}
  def ready(%__MODULE__{phase: phase} = m, id) when phase in [:starting, :running] do
    m = put(m, id, :ready)

    if phase == :running or with_state(m, [:starting]) == [] do
      ready = with_state(m, [:ready])
      {Enum.reduce(ready, m, &put(&2, &1, :released)), [{:proceed, ready}]}
    else
      {m, []}
    end
  end

  # It is being wound down.
  def ready(m, _id), do: {m, []}

  @doc "An instance runs its program."
  @spec running(t, id, host_pid :: pos_integer) :: {t, [action]}
  def running(%__MODULE__{phase: phase} = m, id, host_pid) when phase in [:starting, :running] do
    m = put(m, id, :running)
    {role, number} = m.names[id]
    started = {:tell, {:started, role, number, host_pid}}

    if phase == :starting and length(with_state(m, [:running])) == map_size(m.states),
      do: {%{m | phase: :running}, [started, {:tell, :running}]},
      else: {m, [started]}
  end

  def running(m, id, _host_pid), do: {put(m, id, :running), []}

  @doc "Nothing is left of an instance. `now` is in milliseconds."
  @spec gone(t, id, outcome, now :: integer) :: {t, [action]}
  def gone(%__MODULE__{phase: phase} = m, id, outcome, now) when phase in [:starting, :running] do
    {role, number} = m.names[id]
    lost = {:lost, role, number, outcome}
    {m, actions} = m |> put(id, :gone) |> restart(id, lost, now)
    {m, [{:tell, lost} | actions]}
  end

  def gone(m, id, outcome, _now) do
    {role, number} = m.names[id]
    {m, actions} = m |> put(id, :gone) |> done()
    {m, [{:tell, {:ended, role, number, outcome}} | actions]}
  end

  @doc "The group is to end."
  @spec stop(t, reason :: term) :: {t, [action]}
  def stop(%__MODULE__{phase: phase} = m, reason) when phase in [:starting, :running],
    do: wind_down(%{m | phase: :stopping, reason: reason})

  def stop(%__MODULE__{phase: :restarting} = m, reason),
    do: {%{m | phase: :stopping, reason: reason}, []}

  def stop(m, _reason), do: {m, []}

  @doc "The time for leaving of one's own accord is over."
  @spec overdue(t, round :: pos_integer) :: {t, [action]}
  def overdue(%__MODULE__{phase: phase, round: round} = m, round)
      when phase in [:restarting, :stopping],
      do: {m, [{:terminate, live(m)}]}

  def overdue(m, _earlier), do: {m, []}

  # As supervisors count: so many within so many seconds.
  defp restart(m, id, lost, now) do
    recent = Enum.filter(m.restarts, &(now - &1 < m.max_seconds * 1000))

    cond do
      length(recent) >= m.max_restarts ->
        wind_down(%{m | phase: :stopping, reason: lost})

      m.strategy == :one_for_one ->
        {put(%{m | restarts: [now | recent]}, id, :starting), [{:start, [id]}]}

      true ->
        wind_down(%{m | phase: :restarting, restarts: [now | recent]})
    end
  end

  # Who has not begun knows of no channel.
  defp wind_down(m) do
    case {with_state(m, [:released, :running]), with_state(m, [:starting, :ready])} do
      {[], []} ->
        done(m)

      {begun, parked} ->
        m = %{m | round: m.round + 1}
        aborted = if parked == [], do: [], else: [{:terminate, parked}]
        {m, aborted ++ [{:close, begun}, {:wait, m.round}]}
    end
  end

  defp done(m) do
    cond do
      live(m) != [] -> {m, []}
      m.phase == :restarting -> start(m)
      true -> {%{m | phase: :ended}, [{:tell, {:stopped, m.reason}}, {:finish, m.reason}]}
    end
  end

  defp live(m), do: with_state(m, [:starting, :ready, :released, :running])
  defp with_state(m, states), do: Enum.filter(ids(m), &(m.states[&1] in states))
  defp ids(m), do: m.names |> Map.keys() |> Enum.sort()
  defp put(m, id, state), do: %{m | states: Map.put(m.states, id, state)}
end
