defmodule Linx.Integration.ChaosTest do
  @moduledoc """
  Any session, any tree, any victims, any moment.

      LINX_CHAOS_SEED=7 LINX_CHAOS_ROUNDS=5000 mix test test/integration/chaos_test.exs
  """

  use Linx.Case

  alias Linx.Test.Chaos
  alias Linx.Test.Chaos.{Life, Processes}

  @rounds 100
  @at_once 10
  @members ["stubborn", "daemon", "stopped", "deaf"]

  setup_all do
    {:ok, world: Chaos.world(tmp_dir())}
  end

  setup do
    on_exit(&Processes.clean_up/0)
    {:ok, killer: Processes.start_killer()}
  end

  @tag timeout: 600_000
  test "nothing survives, and one end is told", %{world: world, killer: killer} do
    seed = Life.seed()

    1..Life.rounds(@rounds)
    |> Enum.chunk_every(@at_once)
    |> Enum.each(fn numbers ->
      for number <- numbers do
        plan = draw({seed, number})
        what = "round #{number} of LINX_CHAOS_SEED=#{seed}, #{inspect(plan)}"
        {what, strike(plan, world, killer)}
      end
      |> Enum.each(fn {what, round} ->
        Linx.Process.stop(round.session, 0)
        Processes.assert_none(what, [round.token])
        Chaos.story(round, what)
      end)
    end)
  end

  defp draw({seed, number}) do
    :rand.seed(:exsss, {seed, number, 1})
    kind = Enum.random(Chaos.kinds())

    %{
      kind: kind,
      tree: Enum.filter(@members, fn _ -> :rand.uniform(2) == 1 end),
      auto_proceed: Enum.random([true, false]),
      moment: moment(kind),
      delay_us: Enum.random([0, :rand.uniform(300), :rand.uniform(5000)])
    }
  end

  # By its stage and the roles there; or, for what is not yet known, by its place below the guard: 0
  # is the guard, 1 the agent, 2 an enter helper, an init, an init's guard or a workload.
  defp moment(kind) do
    if :rand.uniform(2) == 1 do
      stage = Enum.random([:spawned, :ready, :running])
      {stage, Enum.random(Chaos.victims(kind, stage))}
    else
      {:hunt, Enum.random(prey(kind))}
    end
  end

  defp prey(:enter_pid), do: [[1], [2], [3], [1, 0], [2, 0], [2, 1], [3, 0], [3, 1], [4, 2]]
  defp prey(_kind), do: [[1], [2], [3], [1, 0], [2, 0], [2, 1], [3, 0], [3, 1], [3, 2]]

  defp strike(%{moment: {:hunt, depths}} = plan, world, killer) do
    round = start(plan, :ready, world)
    %{os_pid: guard} = :sys.get_state(round.session)
    Processes.order(killer, "hunt #{plan.delay_us} 9 #{guard} #{Enum.join(depths, " ")}")
    # So that there is something to hunt at every depth.
    if match?({:ready, _}, Chaos.await_first(round)), do: Linx.Process.proceed(round.session)
    Processes.obeyed(killer)
    round
  end

  defp strike(%{moment: {stage, victims}} = plan, world, killer) do
    round = start(plan, stage, world)
    if not (plan.auto_proceed and stage == :running), do: Chaos.reach(round)
    Processes.kill(killer, Chaos.pids(round.token, victims), plan.delay_us)
    round
  end

  defp start(plan, stage, world) do
    options = [tree: plan.tree, auto_proceed: plan.auto_proceed]
    Chaos.start(plan.kind, stage, world, options)
  end
end
