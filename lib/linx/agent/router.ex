defmodule Linx.Agent.Router do
  @moduledoc """
  Who hears what an agent says, and what becomes of a session whose process was killed.

  Every function takes the router as it is and answers the router as it is then and what is to be
  done. It does nothing itself: `Linx.Agent` does.

      iex> alias Linx.Agent.Router
      iex> {router, []} = Router.register(Router.new(), 1, :session, :monitor, :linger)
      iex> {_router, actions} = Router.event(router, 1, {:status, :exited, 0})
      iex> actions
      [{:deliver, :session, {:status, :exited, 0}}, {:demonitor, :monitor}]

  A session's request goes to the port straight from its process, which tells the agent of its id
  before. Between three processes Erlang promises no order, so an event may be here first: it is
  kept until the registration comes.
  """

  alias Linx.Protocol

  @typedoc """
  What becomes of a running workload whose session was killed: it gets this signal and this many
  milliseconds, or is left alone.
  """
  @type ending :: {signal :: 1..64, grace :: non_neg_integer} | :linger

  @typedoc """
    * `{:session, pid, monitor, ending, state}` - where the state is what the agent said last of
      these three: nothing, that it runs, that it is paused
    * `{:early, events}` - events of an id that is not registered yet, the latest first
    * `:orphan` - its process is dead, its workload is being ended
    * `{:caller, from}` - a request that makes no session
  """
  @type entry ::
          {:session, pid, monitor :: term, ending, :new | :running | :paused}
          | {:early, [Protocol.event()]}
          | :orphan
          | {:caller, from :: term}

  @opaque t :: %__MODULE__{entries: %{non_neg_integer => entry}}

  @type action ::
          {:deliver, pid, Protocol.event()}
          | {:demonitor, monitor :: term}
          | {:write, id :: non_neg_integer, command :: term}
          | {:grace, id :: non_neg_integer, milliseconds :: non_neg_integer}
          | {:reply, from :: term, Protocol.event()}

  defstruct entries: %{}

  @doc "A router that knows nobody."
  @spec new() :: t
  def new, do: %__MODULE__{}

  @doc "The number of ids in use."
  @spec size(t) :: non_neg_integer
  def size(router), do: map_size(router.entries)

  @doc "Every session's process."
  @spec sessions(t) :: [pid]
  def sessions(router),
    do: for({_id, {:session, pid, _, _, _}} <- router.entries, do: pid)

  @doc "Everybody who waits for the answer to a request that makes no session."
  @spec callers(t) :: [from :: term]
  def callers(router), do: for({_id, {:caller, from}} <- router.entries, do: from)

  @doc "A session has an id from now on; what was early is delivered."
  @spec register(t, non_neg_integer, pid, term, ending) ::
          {t, [action]}
  def register(router, id, pid, monitor, ending) do
    early =
      case router.entries do
        %{^id => {:early, events}} -> Enum.reverse(events)
        _ -> []
      end

    router = put(router, id, {:session, pid, monitor, ending, :new})

    Enum.reduce(early, {router, []}, fn event, {router, actions} ->
      {router, more} = event(router, id, event)
      {router, actions ++ more}
    end)
  end

  @doc "A caller waits for the answer to a request that makes no session."
  @spec ask(t, non_neg_integer, from :: term) :: t
  def ask(router, id, from), do: put(router, id, {:caller, from})

  @doc "The agent said something about an id."
  @spec event(t, non_neg_integer, Protocol.event()) :: {t, [action]}
  def event(router, id, event) do
    case router.entries do
      %{^id => entry} -> event(router, id, event, entry)
      # The answer to a command that crossed the session's last event.
      _ when elem(event, 0) == :refused -> {router, []}
      _ -> {put(router, id, {:early, [event]}), []}
    end
  end

  defp event(router, id, {:status, status} = event, {:session, pid, monitor, ending, _}) do
    state = if status == :paused, do: :paused, else: :running
    {put(router, id, {:session, pid, monitor, ending, state}), [{:deliver, pid, event}]}
  end

  defp event(router, id, event, {:session, pid, monitor, _ending, _state}) do
    if Protocol.terminal?(event),
      do: {drop(router, id), [{:deliver, pid, event}, {:demonitor, monitor}]},
      else: {router, [{:deliver, pid, event}]}
  end

  defp event(router, id, event, {:early, events}),
    do: {put(router, id, {:early, [event | events]}), []}

  # A session of which nothing ever reached the agent.
  defp event(router, id, {:refused, _code, :unknown_session, _detail}, :orphan),
    do: {drop(router, id), []}

  defp event(router, id, event, :orphan) do
    if Protocol.terminal?(event), do: {drop(router, id), []}, else: {router, []}
  end

  defp event(router, id, event, {:caller, from}), do: {drop(router, id), [{:reply, from, event}]}

  @doc "A session's process is dead: what it ran is ended by its orphan policy."
  @spec down(t, non_neg_integer) :: {t, [action]}
  def down(router, id) do
    case router.entries do
      %{^id => {:session, _, _, _, :new}} ->
        {put(router, id, :orphan), [{:write, id, :abort}]}

      %{^id => {:session, _, _, :linger, _}} ->
        {put(router, id, :orphan), []}

      %{^id => {:session, _, _, {signal, grace}, state}} ->
        # One that is paused gets its signal when it goes on.
        wake = if state == :paused, do: [{:write, id, :resume}], else: []

        {put(router, id, :orphan),
         [{:write, id, {:signal, signal}}] ++ wake ++ [{:grace, id, grace}]}

      _ ->
        {router, []}
    end
  end

  @doc "An orphan has had its time."
  @spec grace_over(t, non_neg_integer) :: {t, [action]}
  def grace_over(router, id) do
    case router.entries do
      %{^id => :orphan} -> {router, [{:write, id, :abort}]}
      _ -> {router, []}
    end
  end

  defp put(router, id, entry), do: %{router | entries: Map.put(router.entries, id, entry)}
  defp drop(router, id), do: %{router | entries: Map.delete(router.entries, id)}
end
