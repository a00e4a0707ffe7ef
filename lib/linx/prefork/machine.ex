defmodule Linx.Prefork.Machine do
  @moduledoc """
  What a warm script's server decides: when the script is started, who may run now, who waits.

  `handle/2` takes the state and an input and answers the state then and what is to be done. A
  *generation* is one start of the script.

      iex> alias Linx.Prefork.Machine
      iex> {m, actions} = Machine.handle(Machine.new(max_servers: 1), :start)
      iex> actions
      [{:start, 1}]
      iex> {m, []} = Machine.handle(m, {:checkout, :a, nil})
      iex> {m, []} = Machine.handle(m, {:checkout, :b, nil})
      iex> {m, actions} = Machine.handle(m, {:up, 1})
      iex> actions
      [{:let_go, :a, 1}]
      iex> {_m, actions} = Machine.handle(m, {:checkin, :a})
      iex> actions
      [{:let_go, :b, 1}]
  """

  @typedoc "Who asks; opaque here, and each only once."
  @type who :: term
  @type generation :: pos_integer

  @type input ::
          :start
          | {:checkout, who, failed :: generation | nil}
          | {:checkin, who}
          | {:up, generation}
          | {:start_failed, generation, error :: term}
          | {:ended, generation, :normal | :abnormal}
          | :backoff_over
          | {:idle_over, reference}

  @typedoc """
    * `{:start, generation}` - have `{:up, _}` or `{:start_failed, _, _}` come in
    * `{:retire, generation}` - it is to serve nobody any more; what it runs goes on
    * `{:let_go, who, generation}` - they may run
    * `{:refuse, who, error}`
    * `{:later, milliseconds, input}`
  """
  @type action ::
          {:start, generation}
          | {:retire, generation}
          | {:let_go, who, generation}
          | {:refuse, who, term}
          | {:later, non_neg_integer, input}

  @type t :: %__MODULE__{
          phase: :down | :starting | :up | :backoff,
          generation: non_neg_integer,
          waiting: [who],
          running: MapSet.t(who),
          max_servers: pos_integer | :infinity,
          idle_timeout: timeout,
          idle: reference | nil,
          runs: non_neg_integer,
          failures: non_neg_integer,
          last_error: term
        }

  defstruct phase: :down,
            generation: 0,
            waiting: [],
            running: MapSet.new(),
            max_servers: :infinity,
            idle_timeout: :infinity,
            idle: nil,
            runs: 0,
            failures: 0,
            last_error: nil

  @first_backoff 100
  @longest_backoff 10_000

  @doc "A script that has not been started; `:max_servers` and `:idle_timeout` as of `Linx.Prefork`."
  @spec new(keyword) :: t
  def new(fields), do: struct!(__MODULE__, fields)

  @doc "The state after an input, and what is to be done about it."
  @spec handle(t, input) :: {t, [action]}
  def handle(%{phase: :down} = m, :start), do: start(m)
  def handle(m, :start), do: {m, []}

  def handle(m, {:checkout, who, failed}) do
    {m, retired} = drop(m, failed)
    {m, actions} = serve(%{m | waiting: m.waiting ++ [who], idle: nil})
    {m, retired ++ actions}
  end

  def handle(m, {:checkin, who}) do
    if MapSet.member?(m.running, who) do
      # It has been of use, so what failed before is forgotten.
      serve(%{m | running: MapSet.delete(m.running, who), failures: 0})
    else
      {%{m | waiting: List.delete(m.waiting, who)}, []}
    end
  end

  def handle(%{phase: :starting, generation: g} = m, {:up, g}),
    do: serve(%{m | phase: :up, last_error: nil})

  def handle(%{phase: :starting, generation: g} = m, {:start_failed, g, error}) do
    refusals = for who <- m.waiting, do: {:refuse, who, error}
    {m, later} = back_off(%{m | waiting: [], last_error: error})
    {m, refusals ++ later}
  end

  def handle(%{phase: :up, generation: g} = m, {:ended, g, :normal}),
    do: serve(%{m | phase: :down})

  def handle(%{phase: :up, generation: g} = m, {:ended, g, :abnormal}), do: back_off(m)
  def handle(%{phase: :backoff} = m, :backoff_over), do: serve(%{m | phase: :down})

  def handle(%{phase: :up, idle: idle} = m, {:idle_over, idle}) when idle != nil,
    do: drop(m, m.generation)

  # Of a generation that is over, or too late.
  def handle(m, _input), do: {m, []}

  # Somebody has found that it answers nobody.
  defp drop(%{phase: :up, generation: g} = m, g),
    do: {%{m | phase: :down, idle: nil}, [{:retire, g}]}

  defp drop(m, _generation), do: {m, []}

  defp start(m) do
    m = %{m | phase: :starting, generation: m.generation + 1}
    {m, [{:start, m.generation}]}
  end

  defp back_off(m) do
    wait = min(@first_backoff * 2 ** m.failures, @longest_backoff)
    {%{m | phase: :backoff, failures: min(m.failures + 1, 10)}, [{:later, wait, :backoff_over}]}
  end

  defp serve(%{phase: :down, waiting: [_ | _]} = m), do: start(m)

  defp serve(%{phase: :up, waiting: [who | waiting]} = m) do
    if MapSet.size(m.running) < m.max_servers do
      m = %{m | waiting: waiting, running: MapSet.put(m.running, who), runs: m.runs + 1}
      {m, actions} = serve(m)
      {m, [{:let_go, who, m.generation} | actions]}
    else
      {m, []}
    end
  end

  defp serve(%{phase: :up, idle_timeout: time} = m) when time != :infinity do
    if MapSet.size(m.running) == 0 do
      idle = make_ref()
      {%{m | idle: idle}, [{:later, time, {:idle_over, idle}}]}
    else
      {m, []}
    end
  end

  defp serve(m), do: {m, []}
end
