defmodule Linx.Process.Live do
  @moduledoc """
  Which sessions there are. No list is kept: those of a shared agent are known to its process, which
  has to route their events, and a dedicated one is found by the port that it owns.

      [] = Linx.Process.Live.list()
  """

  alias Linx.Agent
  alias Linx.Agent.Pool
  alias Linx.Process.Session

  @doc """
  The sessions of this node whose workloads have not ended. One with a dedicated agent is among them
  until that has ended, too. No session is asked, since one that is shutting down would not answer.
  """
  @spec list() :: [pid]
  def list do
    shared = for agent <- Pool.agents(), session <- Agent.sessions(agent), do: session
    Enum.uniq(shared ++ dedicated())
  end

  defp dedicated do
    for port <- Port.list(),
        {:connected, pid} <- [Port.info(port, :connected)],
        :proc_lib.translate_initial_call(pid) == {Session, :init, 1},
        do: pid
  end
end
