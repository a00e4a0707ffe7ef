defmodule Linx.Integration.HostileDeathTest do
  @moduledoc """
  Whoever of a session's processes is killed, and whenever: nothing of the session survives, and its
  owner hears of exactly one end.
  """

  use Linx.Case

  alias Linx.Test.Chaos
  alias Linx.Test.Chaos.{Beam, Processes}

  # The BEAM with one or two others. Not with guard, agent and init at once: then nobody is left.
  @with_beam [
    [:beam],
    [:beam, :guard],
    [:beam, :agent],
    [:beam, :init],
    [:beam, :workload],
    [:beam, :guard, :agent],
    [:beam, :guard, :init],
    [:beam, :guard, :workload],
    [:beam, :agent, :init],
    [:beam, :agent, :workload],
    [:beam, :init, :workload]
  ]

  setup_all do
    {:ok, world: Chaos.world(tmp_dir())}
  end

  setup do
    on_exit(&Processes.clean_up/0)
    {:ok, killer: Processes.start_killer()}
  end

  for kind <- Chaos.kinds(), stage <- Chaos.stages() do
    test "#{kind}, #{stage}: each process alone and each pair", %{world: world, killer: killer} do
      rounds =
        for victims <- Chaos.victims(unquote(kind), unquote(stage)) do
          round = Chaos.start(unquote(kind), unquote(stage), world)
          Chaos.reach(round)
          {victims, round}
        end

      # The second of a pair may be dead of the first one's death.
      for {victims, round} <- rounds,
          do: assert(Processes.kill(killer, Chaos.pids(round.token, victims)) > 0)

      for {victims, round} <- rounds do
        what = "#{inspect(victims)} killed"
        Processes.assert_none(what, [round.token])
        Chaos.story(round, what)
      end
    end
  end

  for victims <- @with_beam do
    test "#{Enum.join(victims, ", ")}, in every kind and stage", %{world: world, killer: killer} do
      rounds = for kind <- Chaos.kinds(), stage <- Chaos.stages(), do: {kind, stage}
      {beam, tokens} = Beam.start(rounds, world)
      pids = Enum.flat_map(tokens, &Chaos.pids(&1, unquote(victims)))
      assert Processes.kill(killer, [beam | pids]) > 0

      for {round, token} <- Enum.zip(rounds, tokens),
          do: Processes.assert_none(inspect(round), [token])
    end
  end
end
