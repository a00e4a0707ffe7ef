defmodule Linx.Integration.HostileRaceTest do
  @moduledoc """
  Commands, signals and deaths at any moment of a session's life.
  """

  use Linx.Case

  alias Linx.Test.Chaos
  alias Linx.Test.Chaos.{Hold, Life, Processes, Story}
  alias Linx.Test.Hostile.Wire

  @lives 300
  @at_once 12

  setup_all do
    {:ok, world: Chaos.world(tmp_dir())}
  end

  setup do
    on_exit(&Processes.clean_up/0)
  end

  @tag timeout: 600_000
  test "random lives", %{world: world} do
    seed = Life.seed()

    1..Life.rounds(@lives)
    |> Task.async_stream(&Life.live(Life.draw({seed, &1}, world), world),
      max_concurrency: @at_once,
      timeout: 60_000
    )
    |> Stream.run()
  end

  for kind <- Chaos.kinds() do
    test "an abort in each state, #{kind}", %{world: world} do
      for stage <- Chaos.stages() do
        round = start(unquote(kind), stage, world)

        if stage == :running do
          assert Linx.Process.abort(round.session) == {:error, :running}
          assert {:ok, _} = Linx.Process.stop(round.session, 0)
        else
          assert Linx.Process.abort(round.session) == :ok
          assert Linx.Process.wait(round.session, 5_000) == {:ok, :aborted}
        end

        assert Linx.Process.abort(round.session) == {:error, :no_process}
        Processes.assert_none("#{stage}", [round.token])
        Story.tell(round, "#{stage}")
      end
    end

    test "a signal in each state, #{kind}", %{world: world} do
      for stage <- Chaos.stages() -- [:starting] do
        round = start(unquote(kind), stage, world)
        assert Linx.Process.signal(round.session, :sigkill) == :ok
        if stage in [:spawned, :ready], do: proceed(round)
        if stage == :proceeding, do: Hold.release(round.holder)
        # Kept until it ran, so it ran.
        assert Linx.Process.wait(round.session, 5_000) == {:ok, {:signaled, 9}}
        assert [{:ready, _}, {:running}, {:signaled, 9}] = Story.tell(round, "#{stage}")
        assert Linx.Process.signal(round.session, :sigkill) == {:error, :no_process}
      end
    end

    test "a stop in each state, #{kind}", %{world: world} do
      for stage <- Chaos.stages() do
        round = start(unquote(kind), stage, world)
        assert {:ok, outcome} = Linx.Process.stop(round.session, 100)
        if stage in [:starting, :spawned, :ready], do: assert(outcome == :aborted)
        Processes.assert_none("#{stage}", [round.token])
        Story.tell(round, "#{stage}")
      end
    end

    test "the owner's death in each state, #{kind}", %{world: world} do
      for stage <- Chaos.stages(), reason <- [:kill, :normal] do
        test = self()

        owner =
          spawn(fn ->
            round = start(unquote(kind), stage, world)
            send(test, {:started, round})
            receive do: ({:end, reason} -> exit(reason))
          end)

        assert_receive {:started, round}, 10_000
        monitor = Process.monitor(round.session)
        if reason == :kill, do: Process.exit(owner, :kill), else: send(owner, {:end, reason})
        assert_receive {:DOWN, ^monitor, :process, _, _}, 10_000
        Processes.assert_none("#{stage}, #{reason}", [round.token])
      end
    end
  end

  for init <- [true, false] do
    test "commands that come together are done in their order, init: #{init}", %{world: world} do
      {wire, _agent} = Wire.open_envelope()

      for id <- 1..40 do
        {commands, legal} = Enum.at(commands_together(), rem(id, 4))
        argv = [world.program, Processes.token()]
        Wire.say(wire, {id, {:spawn, %{argv: argv, init: unquote(init), stdio: :devnull}}})
        assert_receive {^wire, {^id, {:status, :ready, pid}}}
        frames = for command <- commands, do: Wire.frame(:erlang.term_to_binary({id, command}))
        Wire.write(wire, frames)
        told = told_to_the_end(wire, id)
        assert told in legal.(pid), "#{inspect(commands)}: #{inspect(told)}"
      end
    end
  end

  defp commands_together do
    ran = [{:status, :running}, {:status, :signaled, 9}]

    [
      {[:abort, :proceed], fn pid -> [[{:status, :aborted, pid}]] end},
      {[:proceed, :abort], fn pid -> [[{:status, :aborted, pid}], ran] end},
      {[{:signal, 9}, :proceed], fn _ -> [ran] end},
      {[:proceed, {:signal, 9}], fn _ -> [ran] end}
    ]
  end

  defp told_to_the_end(wire, id) do
    assert_receive {^wire, {^id, event}} when elem(event, 1) != :spawned

    case event do
      {:status, :running} -> [event | told_to_the_end(wire, id)]
      terminal -> [terminal]
    end
  end

  defp start(kind, stage, world) do
    round = Chaos.start(kind, stage, world)
    Chaos.reach(round)
    round
  end

  defp proceed(round) do
    if round.stage == :spawned, do: Chaos.await_ready(round)
    assert Linx.Process.proceed(round.session) == :ok
  end
end
