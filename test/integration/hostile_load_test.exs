defmodule Linx.Integration.HostileLoadTest do
  @moduledoc """
  One session never holds up another of its agent, and many leave nothing behind.
  """

  use Linx.Case

  alias Linx.Agent.Pool
  alias Linx.Test.{Chaos, FixtureProgram, Leftovers}
  alias Linx.Test.Chaos.{Cgroup, Hold, Processes}
  alias Linx.Test.Hostile.Wire

  @flood_id 1_000_000

  setup_all do
    {:ok, world: Chaos.world(tmp_dir())}
  end

  setup do
    on_exit(&Processes.clean_up/0)
  end

  describe "no other session waits for" do
    setup do
      {wire, agent} = Wire.open_envelope()
      {:ok, wire: wire, agent: agent}
    end

    test "a parked child that is stopped", %{wire: wire, world: world} do
      pid = park(wire, 1, world, %{})
      signal(pid, "STOP")
      assert_served(wire, world)
      assert_aborted(wire, 1)
    end

    test "an init that is stopped", %{wire: wire, world: world} do
      pid = run(wire, 1, world, %{init: true})
      {^pid, init, "tree_whole"} = List.keyfind(Leftovers.table(), pid, 0)
      signal(init, "STOP")
      Wire.say(wire, {1, {:signal, 9}})
      assert_served(wire, world)
      Wire.say(wire, {1, :abort})
      assert_receive {^wire, {1, {:status, :signaled, 9}}}
    end

    test "a listener that does not accept", %{wire: wire, world: world} do
      stdio = [stdin: {:connect_unix, Hold.full_backlog(world.dir)}]
      Wire.say(wire, {1, {:spawn, request(world, %{stdio: stdio})}})
      assert_served(wire, world)
      assert_aborted(wire, 1)
    end

    test "an exec that takes its time", %{wire: wire, world: world} do
      for {id, init} <- [{1, true}, {2, false}] do
        {path, holder} = Hold.slow_program(world.program, world.dir, world.lease)
        argv = [path, Processes.token()]
        request = request(world, %{argv: argv, init: init, auto_proceed: true})
        Wire.say(wire, {id, {:spawn, request}})
        assert_receive {^wire, {^id, {:status, :spawned, _}}}
        Hold.assert_wanted(holder)
        assert_served(wire, world)
        refute_received {^wire, {^id, _}}
        assert_aborted(wire, id)
      end
    end

    @tag :root
    test "a workload that is frozen", %{wire: wire, world: world} do
      pid = run(wire, 1, world, %{init: true})
      Cgroup.freeze([pid])
      Wire.say(wire, {1, {:signal, 9}})
      assert_served(wire, world)
      Wire.say(wire, {1, :abort})
      assert_receive {^wire, {1, {:status, :signaled, 9}}}
    end

    test "one that floods its terminal", %{wire: wire, world: world} do
      flood(wire, "flood")
      assert_receive {^wire, {@flood_id, {:pty_out, _}}}
      assert_served(wire, world)
      Wire.say(wire, {@flood_id, :abort})
      assert_receive {^wire, {@flood_id, {:status, :signaled, 9}}}
    end
  end

  # Sessions of every sort come and go meanwhile.
  defp assert_served(wire, world) do
    for id <- 1001..1020 do
      argv = [world.program, Processes.token(), "exit=4"]
      options = %{argv: argv, init: rem(id, 2) == 0, auto_proceed: rem(id, 4) < 2}
      Wire.say(wire, {id, {:spawn, request(world, options)}})
      Wire.say(wire, {id, :proceed})
      assert_receive {^wire, {^id, {:status, :exited, 4}}}, 2_000
    end
  end

  defp assert_aborted(wire, id) do
    Wire.say(wire, {id, :abort})
    assert_receive {^wire, {^id, {:status, :aborted, _}}}, 2_000
  end

  defp request(world, options),
    do: Map.merge(%{argv: [world.program, Processes.token()], stdio: :devnull}, options)

  defp park(wire, id, world, options) do
    Wire.say(wire, {id, {:spawn, request(world, options)}})
    assert_receive {^wire, {^id, {:status, :spawned, pid}}}
    assert_receive {^wire, {^id, {:status, :ready, _}}}
    pid
  end

  defp run(wire, id, world, options) do
    pid = park(wire, id, world, options)
    Wire.say(wire, {id, :proceed})
    assert_receive {^wire, {^id, {:status, :running}}}
    Processes.await(fn -> Processes.name(pid) == "tree_whole" end, fn -> "no tree" end)
    pid
  end

  defp flood(wire, token) do
    options = %{argv: ["/usr/bin/yes", token], stdio: :pty, auto_proceed: true}
    Wire.say(wire, {@flood_id, {:spawn, options}})
  end

  defp signal(pid, name), do: {_, 0} = System.cmd("kill", ["-#{name}", "#{pid}"])

  test "a BEAM that does not read holds up no workload", %{world: world} do
    token = Processes.token()
    agent = Path.join(world.dir, "mute-#{token}")
    mute = FixtureProgram.path("tree_mute")
    File.write!(agent, "#!/bin/sh\nexec #{mute} #{world.agent}\n")
    File.chmod!(agent, 0o755)
    wire = Wire.open(program: agent)
    Wire.say(wire, {:hello, 1})
    flood(wire, token)
    Processes.await(fn -> Processes.named(token, ["yes"]) != [] end, fn -> "no flood" end)
    [flood] = Processes.named(token, ["yes"])
    Chaos.await_blocked(flood)

    # Nothing can be heard, but everything is done.
    mark = Path.join(world.dir, "mark-#{token}")
    tree = ["mark=#{mark}", "stubborn", "daemon"]
    request = request(world, %{argv: [world.program, token | tree], init: true})
    Wire.say(wire, {1, {:spawn, request}})
    Wire.say(wire, {1, :proceed})
    Processes.await(fn -> Processes.named(token, ["tree_whole"]) != [] end, fn -> "no tree" end)
    assert File.exists?(mark)
    Wire.say(wire, {1, {:signal, 9}})
    members = ["tree_whole", "tree_stubborn", "tree_daemon"]
    Processes.await(fn -> Processes.named(token, members) == [] end, fn -> "not killed" end)
    Wire.say(wire, {@flood_id, {:signal, 9}})
    Processes.assert_none("the flood", [token])
    refute_received {^wire, _}

    # And all of it is told in the end.
    signal(Wire.guard(wire), "USR1")
    assert_receive {^wire, {:hello, _}}
    assert_receive {^wire, {1, {:status, :running}}}
    assert_receive {^wire, {1, {:status, :signaled, 9}}}
    assert_receive {^wire, {@flood_id, {:status, :signaled, 9}}}
  end

  describe "nothing is left of" do
    @tag timeout: 600_000
    test "thousands of sessions, one after another", %{world: world} do
      for n <- 1..100, do: come_and_go(n, world)
      before = measure_again()
      for n <- 1..long(1000, 10_000), do: come_and_go(n, world)
      assert_as(before)
    end

    @tag timeout: 600_000
    test "hundreds of sessions at once", %{world: world} do
      at_once(world, long(200, 1000))
      before = measure_again()
      at_once(world, long(200, 1000))
      assert_as(before)
    end
  end

  defp come_and_go(n, world) do
    options = [argv: [world.program, Processes.token(), "exit=#{rem(n, 100)}"], tag: n]

    options =
      options ++
        [auto_proceed: rem(n, 7) > 0, stdio: if(rem(n, 5) == 0, do: :pty, else: :devnull)]

    {:ok, session} =
      case rem(n, 4) do
        0 -> Linx.Process.enter(world.targets.enter, options)
        1 -> Linx.Process.spawn([init: false] ++ options)
        2 -> Linx.Process.spawn([namespaces: Chaos.own([:pid])] ++ options)
        3 -> Linx.Process.spawn(options)
      end

    if rem(n, 7) == 0 do
      assert_receive {:linx_process, ^n, :ready, _}
      if rem(n, 2) == 0, do: Linx.Process.proceed(session), else: Linx.Process.abort(session)
    end

    assert {:ok, _} = Linx.Process.wait(session)
    GenServer.stop(session)
    forget()
  end

  defp at_once(world, count) do
    sessions =
      for n <- 1..count do
        options = [argv: [world.program, Processes.token()], tag: n, stdio: :devnull]
        {:ok, session} = Linx.Process.spawn(options)
        session
      end

    for n <- 1..count, do: assert_receive({:linx_process, ^n, :ready, _}, 10_000)
    assert total(:sessions) == count
    for session <- sessions, do: assert(Linx.Process.proceed(session) == :ok)
    for n <- 1..count, do: assert_receive({:linx_process, ^n, :running}, 10_000)
    for session <- sessions, do: assert({:ok, {:signaled, 15}} = Linx.Process.stop(session))
    Enum.each(sessions, &GenServer.stop/1)
    forget()
  end

  defp forget do
    receive do
      message when elem(message, 0) == :linx_process -> forget()
    after
      0 -> :ok
    end
  end

  # Once for the code that it loads.
  defp measure_again do
    measure()
    measure()
  end

  defp measure do
    for pid <- Process.list(), do: :erlang.garbage_collect(pid)

    %{
      sessions: total(:sessions),
      agent_fds: total(:fds),
      agent_bytes: total(:resident_bytes),
      agent_children:
        Enum.sum(
          for guard <- Leftovers.guards(),
              do: length(Leftovers.descendants(guard) -- Leftovers.idle_inits())
        ),
      beam_fds: length(File.ls!("/proc/self/fd")),
      beam_processes: length(Process.list()),
      beam_ports: length(Port.list()),
      beam_atoms: :erlang.system_info(:atom_count),
      beam_bytes: :erlang.memory(:total)
    }
  end

  # Each agent of the pool once: they are asked in turn.
  defp total(key) do
    Enum.sum(
      for _ <- 1..Pool.size() do
        {:ok, stats} = Linx.Agent.stats()
        Map.fetch!(stats, key)
      end
    )
  end

  # Memory may breathe.
  @breath %{agent_bytes: 100_000, beam_bytes: 1_000_000}

  defp assert_as(before) do
    now = measure()
    bytes = Map.keys(@breath)
    # Fewer where something of an earlier test was still on its way out.
    for {key, count} <- Map.drop(now, bytes), do: assert(count <= before[key], "#{key} grew")
    for key <- bytes, do: assert(now[key] - before[key] < @breath[key], "#{key} grew")
  end
end
