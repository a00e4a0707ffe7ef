defmodule Linx.Agent.Pool do
  @moduledoc """
  The agents that sessions share.

  There is one agent per two schedulers, at least one and at most four. Each is started when a
  session first needs it. One that dies is not restarted at once: the next session that needs it
  starts its successor, so an agent that cannot live costs an error per session and no more.

  Sessions are spread evenly:

      {:ok, {agent, port, id}} = Linx.Agent.Pool.checkout()

  An id is the number of a session with its agent; none is used twice.
  """

  use DynamicSupervisor

  alias Linx.Agent

  @type place :: {agent :: pid, port, id :: pos_integer}

  @max_size 4

  @doc false
  @spec start_link(keyword) :: Supervisor.on_start()
  def start_link(_options), do: DynamicSupervisor.start_link(__MODULE__, :ok, name: __MODULE__)

  @impl true
  def init(:ok) do
    # Rows: {slot, agent, port}, and {:id, last}. The agents write their own.
    :ets.new(__MODULE__, [:named_table, :public, read_concurrency: true])
    :ets.insert(__MODULE__, {:id, 0})
    DynamicSupervisor.init(strategy: :one_for_one)
  end

  @doc "How many agents there are at most."
  @spec size() :: pos_integer
  def size, do: System.schedulers_online() |> div(2) |> max(1) |> min(@max_size)

  @doc """
  An agent, started if need be, and a new id with it.

  Errors: `{:not_started, :linx}` where the application is not, those of
  `Linx.Agent.Program.open/0`, and a `Linx.Process.Error` where the agent died at once.
  """
  @spec checkout() :: {:ok, place} | {:error, term}
  def checkout do
    with {:ok, id} <- new_id() do
      slot = rem(id, size())

      case :ets.lookup(__MODULE__, slot) do
        [{_slot, agent, port}] -> {:ok, {agent, port, id}}
        [] -> start(slot, id)
      end
    end
  end

  @doc "An id for a session with an agent that is known already."
  @spec new_id() :: {:ok, pos_integer} | {:error, {:not_started, :linx}}
  def new_id do
    {:ok, :ets.update_counter(__MODULE__, :id, 1)}
  rescue
    ArgumentError -> {:error, {:not_started, :linx}}
  end

  # The supervisor starts one agent at a time, so of two callers the second finds the first's.
  defp start(slot, id) do
    case DynamicSupervisor.start_child(__MODULE__, {Agent, slot: slot}) do
      {:ok, _agent} -> place(slot, id)
      :ignore -> place(slot, id)
      {:error, {:shutdown, reason}} -> {:error, reason}
      {:error, reason} -> {:error, reason}
    end
  end

  defp place(slot, id) do
    case :ets.lookup(__MODULE__, slot) do
      [{_slot, agent, port}] -> {:ok, {agent, port, id}}
      # It died as soon as it was there.
      [] -> {:error, Linx.Process.Error.new(1, :agent_died)}
    end
  end

  @doc "The agents that there are now."
  @spec agents() :: [pid]
  def agents do
    for {_slot, agent, _port} <- :ets.tab2list(__MODULE__), do: agent
  rescue
    # The application is not started.
    ArgumentError -> []
  end

  @doc "An agent is there for sessions from now on. Called by the agent."
  @spec enter(non_neg_integer, port) :: true
  def enter(slot, port), do: :ets.insert(__MODULE__, {slot, self(), port})

  @doc "Whether a slot has a live agent."
  @spec taken?(non_neg_integer) :: boolean
  def taken?(slot) do
    case :ets.lookup(__MODULE__, slot) do
      [{_slot, agent, _port}] -> Process.alive?(agent)
      [] -> false
    end
  end

  @doc """
  A port has turned out to be closed: no session is to be sent there any more.

  By whoever finds out first, which may be before the agent hears of it.
  """
  @spec leave(pid, port) :: true
  def leave(agent, port), do: :ets.match_delete(__MODULE__, {:_, agent, port})
end
