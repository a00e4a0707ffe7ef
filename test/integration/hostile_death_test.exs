defmodule Linx.Integration.HostileDeathTest do
  @moduledoc """
  Whoever of a session's processes is killed, and whenever: nothing of the session survives, and its
  owner hears of exactly one end.
  """

  use Linx.Case

  alias Linx.Test.{Chaos, Leftovers}
  alias Linx.Test.Chaos.{Beam, Processes, Story}
  alias Linx.Test.Hostile.Wire

  # The BEAM with one or two others. Not with guard, agent and init at once: then nobody is left.
  @with_beam [
    [],
    [:guard],
    [:agent],
    [:init],
    [:workload],
    [:guard, :agent],
    [:guard, :init],
    [:guard, :workload],
    [:agent, :init],
    [:agent, :workload],
    [:init, :workload]
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
        Story.tell(round, what)
      end
    end
  end

  test "a BEAM that has stopped reading", %{world: world, killer: killer} do
    for victims <- [[], [:workload]] do
      {beam, tokens} = Beam.start(for(kind <- Chaos.kinds(), do: {kind, :flooding, []}), world)
      {_, 0} = System.cmd("kill", ["-STOP", "#{beam}"])
      pids = Enum.flat_map(tokens, &Chaos.pids(&1, [:workload]))
      Enum.each(pids, &Chaos.await_blocked/1)
      if victims != [], do: Processes.kill(killer, pids)
      Processes.kill(killer, [beam])
      Processes.assert_none("with #{inspect(victims)} dead before", tokens)
    end
  end

  for stage <- Chaos.stages() do
    test "#{stage}: the BEAM alone and with others", %{world: world, killer: killer} do
      cases = for kind <- Chaos.kinds(), victims <- @with_beam, do: {kind, victims}
      {beam, tokens} = Beam.start(for({kind, _} <- cases, do: {kind, unquote(stage), []}), world)
      cases = Enum.zip(cases, tokens)
      pids = Enum.flat_map(cases, fn {{_, victims}, token} -> Chaos.pids(token, victims) end)
      assert Processes.kill(killer, [beam | pids]) > 0

      for {{kind, victims}, token} <- cases,
          do: Processes.assert_none("#{kind}, BEAM and #{inspect(victims)} killed", [token])
    end
  end

  describe "an agent that many sessions share" do
    for victims <- [[:agent], [:agent, :guard]] do
      test "tells all of them when #{Enum.join(victims, " and ")} died", context do
        sessions = shared_sessions(context.world)
        assert Processes.kill(context.killer, pool_pids(unquote(victims))) > 0

        for {token, session} <- sessions do
          assert_receive {:linx_process, ^token, :error, 137, :agent_died}
          assert {:error, %{stage: :agent_died, code: 137}} = Linx.Process.wait(session)
        end

        assert_over(sessions)
      end
    end

    # The agent winds down, and who is quick says so.
    test "ends in order when its guard died", %{world: world, killer: killer} do
      sessions = shared_sessions(world)
      guards = Leftovers.guards()
      assert Processes.kill(killer, guards) == length(guards)

      for {token, session} <- sessions do
        assert_receive message when elem(message, 1) == token
        assert elem(message, 2) in [:error, :aborted, :signaled]
        assert Linx.Process.wait(session) != {:error, :no_process}
      end

      # Until the port's exit is seen new sessions are sent there.
      Processes.await(fn -> Leftovers.guards() -- guards == Leftovers.guards() end, fn -> "" end)
      assert_over(sessions)
    end

    test "may lose the process that owns its port", %{world: world} do
      sessions = shared_sessions(world)
      agents = for {_slot, agent, _port} <- :ets.tab2list(Linx.Agent.Pool), do: agent
      Enum.each(agents, &Process.exit(&1, :kill))

      for {token, _} <- sessions,
          do: assert_receive({:linx_process, ^token, :error, _, :agent_died})

      assert_over(sessions)
    end

    test "starts nothing when it has been told to end", %{world: world} do
      {wire, agent} = Wire.open_envelope()
      token = Processes.token()
      argv = [world.program, token, "deaf"]
      request = %{argv: argv, auto_proceed: true, init: true, stdio: :devnull}
      Wire.say(wire, {1, {:spawn, request}})
      assert_receive {^wire, {1, {:status, :running}}}
      Processes.await(fn -> Processes.named(token, ["tree_whole"]) != [] end, fn -> "no tree" end)

      {_, 0} = System.cmd("kill", ["-TERM", "#{agent}"])
      Processes.await(fn -> refused_when_new?(wire, request) end, fn -> "it goes on" end)
      Wire.say(wire, {1, {:signal, 9}})
      assert_receive {^wire, {1, {:status, :signaled, 9}}}
      assert_receive {^wire, {:exit, 0}}
      Processes.assert_none("SIGTERM", [token])
    end
  end

  defp refused_when_new?(wire, request) do
    id = System.unique_integer([:positive]) + 1
    Wire.say(wire, {id, {:spawn, request}})

    receive do
      {^wire, {^id, {:error, 108, :agent_died}}} -> true
      {^wire, {^id, {:status, :running}}} -> Wire.say(wire, {id, :abort}) != :ok
    after
      5000 -> flunk("no answer")
    end
  end

  # Some at their checkpoint, some that run; and some that have ended, which hear nothing more.
  defp shared_sessions(world) do
    for n <- 1..12, how = Enum.at([:parked, :running, :exited], rem(n, 3)), reduce: [] do
      sessions ->
        token = Processes.token()
        tree = if how == :exited, do: ["exit=0"], else: ["stubborn", "daemon"]
        options = [argv: [world.program, token | tree], auto_proceed: how != :parked]
        {:ok, session} = Linx.Process.spawn([tag: token, stdio: :devnull] ++ options)
        assert_receive {:linx_process, ^token, :ready, _}
        if how != :parked, do: assert_receive({:linx_process, ^token, :running})
        if how == :exited, do: assert_receive({:linx_process, ^token, :exited, 0})
        if how == :exited, do: sessions, else: [{token, session} | sessions]
    end
  end

  # Nothing is left of them, nothing more is told, and new sessions work.
  defp assert_over(sessions) do
    assert {_session, _pid} = running(argv: ["/bin/sleep", "60"])
    Processes.assert_none("the shared agent", for({token, _} <- sessions, do: token))
    for {_, session} <- sessions, do: {:ok, _} = Linx.Process.info(session)
    assert_silence()
  end

  defp pool_pids(victims) do
    guards = Leftovers.guards()
    agents = for {pid, parent, "linx_process"} <- Leftovers.table(), parent in guards, do: pid
    Enum.flat_map(victims, &%{guard: guards, agent: agents}[&1])
  end
end
