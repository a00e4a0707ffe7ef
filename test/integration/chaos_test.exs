defmodule Linx.Integration.ChaosTest do
  @moduledoc """
  Any session, any tree, any victims, any moment.

      LINX_CHAOS_SEED=7 LINX_CHAOS_ROUNDS=5000 mix test test/integration/chaos_test.exs
  """

  use Linx.Case

  alias Linx.Test.Chaos
  alias Linx.Test.Chaos.{Beam, Leaves, Life, Plan, Processes, Story}

  @rounds 400
  @at_once 10

  setup_all do
    {:ok, world: Chaos.world(tmp_dir())}
  end

  setup do
    on_exit(&Processes.clean_up/0)
    {:ok, killer: Processes.start_killer()}
  end

  @tag timeout: :infinity
  test "nothing survives, and one end is told", %{world: world, killer: killer} do
    seed = Life.seed()

    plans =
      for number <- 1..Life.rounds(@rounds) do
        plan = Plan.draw({seed, number}, world)
        {"round #{number} of LINX_CHAOS_SEED=#{seed}, #{inspect(plan)}", plan}
      end

    {with_beam, here} = Enum.split_with(plans, fn {_what, plan} -> plan.beam? end)

    for {some, strike} <- chunks(here, &strike/3) ++ chunks(with_beam, &strike_beam/3) do
      strike.(some, world, killer)
      [{what, _plan} | _] = some

      Leaves.assert_none(
        "among those from #{what}",
        for({_, plan} <- some, do: Plan.victims(plan))
      )
    end
  end

  defp chunks(plans, strike),
    do: for(some <- Enum.chunk_every(plans, @at_once), do: {some, strike})

  defp strike(plans, world, killer) do
    rounds =
      for {what, plan} <- plans, do: {what, said(what, fn -> round(plan, world, killer) end)}

    for {what, round} <- rounds do
      said(what, fn ->
        Linx.Process.stop(round.session, 0)
        Processes.assert_none("the end", [round.token])
        Story.tell(round, "the end")
      end)
    end
  end

  # A failure that does not say of which round it is could not be repeated.
  defp said(what, fun) do
    fun.()
  rescue
    error in ExUnit.AssertionError ->
      reraise %{error | message: "#{what}: #{error.message}"}, __STACKTRACE__
  end

  defp round(%{moment: {:hunt, depths}} = plan, world, killer) do
    round = start(plan, :ready, world)
    %{os_pid: guard} = :sys.get_state(round.session)
    Processes.order(killer, "hunt #{plan.delay_us} 9 #{guard} #{Enum.join(depths, " ")}")
    # So that there is something to hunt at every depth.
    if match?({:ready, _}, Story.await_first(round)), do: Linx.Process.proceed(round.session)
    Processes.obeyed(killer)
    round
  end

  defp round(%{moment: {stage, victims}} = plan, world, killer) do
    round = start(plan, stage, world)
    if plan.held?, do: Chaos.reach(round)
    if plan.held? and plan.paused? and stage == :running, do: Linx.Process.pause(round.session)
    Processes.kill(killer, Chaos.pids(round.token, victims), plan.delay_us)
    round
  end

  defp start(plan, stage, world),
    do: Chaos.start(plan.kind, stage, world, [tree: plan.tree] ++ plan.options)

  defp strike_beam(plans, world, killer) do
    rounds =
      for {_what, %{moment: {stage, _}} = plan} <- plans,
          do: {plan.kind, stage, [tree: plan.tree, held?: plan.held?] ++ plan.options}

    {beam, tokens} = Beam.start(rounds, world)
    struck = Enum.zip(plans, tokens)

    victims =
      for {{_what, %{moment: {_stage, roles}}}, token} <- struck,
          pid <- Chaos.pids(token, roles),
          do: pid

    [{_what, %{delay_us: delay_us}} | _] = plans
    Processes.kill(killer, [beam | victims], delay_us)
    for {{what, _plan}, token} <- struck, do: Processes.assert_none(what, [token])
  end
end
