defmodule Linx.Test.Chaos.Leaves do
  @moduledoc """
  The cgroups that sessions have for themselves, and what is left of them.

      true = Leaves.possible?()
      Leaves.assert_none("the end", [[:guard, :agent]])
  """

  alias Linx.Test.Leftovers
  alias Linx.Test.Chaos.Processes

  @doc "Whether a session can have a cgroup here."
  @spec possible?() :: boolean
  def possible?, do: match?({:ok, {:exited, 0}}, have_one())

  # With an agent of its own, which looks after what dead agents have left.
  defp have_one do
    options = [argv: ["/bin/true"], cgroup: true, auto_proceed: true, agent: :dedicated]
    {:ok, session} = Linx.Process.spawn([tag: __MODULE__] ++ options)
    Linx.Process.wait(session)
  end

  @doc """
  Fails where a cgroup of sessions is left whose victims were these. Where guard and agent were both
  among them nobody was left to remove it but the next agent.
  """
  @spec assert_none(String.t(), [[atom]]) :: :ok
  def assert_none(what, victims) do
    orphaned? = Enum.any?(victims, &([:guard, :agent] -- &1 == []))

    Processes.await(fn -> none?(orphaned?) end, fn ->
      "#{what}: these cgroups are left: #{inspect(Leftovers.cgroups())}"
    end)
  end

  # Again and again: to the next agent the one before is alive until it has been reaped.
  defp none?(orphaned?) do
    if orphaned? and Leftovers.cgroups() != [], do: have_one()
    Leftovers.cgroups() == []
  end
end
