defmodule Linx.Integration.HostileTeardownTest do
  @moduledoc """
  Workloads that are hard to end: they fork without pause, are stopped or frozen, are a PID 1 that
  hears no SIGTERM, die on the way to exec, or leave others behind.
  """

  use Linx.Case

  alias Linx.Test.{Chaos, Parked}
  alias Linx.Test.Chaos.{Cgroup, Processes, Story}

  @pids 50
  @sigsys 31
  # Bombs are costly; the other tests have every pair.
  @strikes [[:workload], [:init], [:agent], [:agent, :init], [:agent, :guard]]

  setup_all do
    {:ok, world: Chaos.world(tmp_dir())}
  end

  setup do
    on_exit(&Processes.clean_up/0)
    {:ok, killer: Processes.start_killer()}
  end

  describe "a fork bomb" do
    for kind <- Chaos.kinds() do
      test "ends with its session, #{kind}", %{world: world, killer: killer} do
        for victims <- Chaos.victims(unquote(kind), :running), victims in @strikes do
          round = bomb(unquote(kind), world)
          Processes.kill(killer, Chaos.pids(round.token, victims))
          Processes.assert_none(inspect(victims), [round.token])
          Story.tell(round, inspect(victims))
        end
      end

      test "ends when it is stopped, #{kind}", %{world: world} do
        round = bomb(unquote(kind), world)
        assert {:ok, {:signaled, 9}} = Linx.Process.stop(round.session, 10)
        assert members(round) == []
      end
    end
  end

  defp bomb(kind, world) do
    round = Chaos.start(kind, :running, world, tree: limit(kind) ++ ["bomb", "deaf"])
    pid = Chaos.await_ready(round)
    if root?(), do: Cgroup.add(Cgroup.of_pids(@pids), pid)
    Chaos.run(round, pid)
    Processes.await(fn -> length(members(round)) >= @pids - 10 end, fn -> "the bomb is a dud" end)
    round
  end

  defp root?, do: Parked.own("Uid") == 0

  # An ordinary user's limit counts all that the user runs, but in a user namespace of its own.
  defp limit(kind) do
    cond do
      root?() -> []
      kind == :init -> ["nproc=#{@pids + threads()}"]
      true -> ["nproc=#{@pids}"]
    end
  end

  defp threads do
    uid = "#{Parked.own("Uid")}"

    Enum.count(Path.wildcard("/proc/[0-9]*/task/*/status"), fn path ->
      match?({:ok, _}, File.stat(path)) and owner(path) == uid
    end)
  end

  defp owner(path) do
    case File.read(path) do
      {:ok, text} -> ~r/^Uid:\t(\d+)/m |> Regex.run(text) |> Enum.at(1)
      {:error, _} -> nil
    end
  end

  # What the workload has made, and the workload.
  defp tree(round), do: for(%{name: "tree_" <> _} = p <- Processes.with_token(round.token), do: p)
  defp members(round), do: for(p <- tree(round), do: p.pid)

  # A stop takes effect when the process next runs; until then another signal overtakes it.
  defp stop_tree(round) do
    Enum.each(members(round), &signal(&1, "STOP"))
    stopped? = fn -> Enum.all?(tree(round), &(&1.state == "T")) end
    Processes.await(stopped?, fn -> "#{inspect(tree(round))} do not all stop" end)
  end

  describe "a tree that its workload leaves behind" do
    for kind <- Chaos.kinds() do
      test "is dead when the workload's end is told, #{kind}", %{world: world} do
        tree = ["stubborn", "daemon", "stopped", "exit=3"]
        round = Chaos.start(unquote(kind), :running, world, tree: tree, auto_proceed: true)
        %{token: token} = round
        assert_receive {:linx_process, ^token, :exited, 3}
        assert members(round) == []
      end
    end
  end

  describe "a stopped process" do
    for kind <- Chaos.kinds() do
      test "is aborted at once where it is parked, #{kind}", %{world: world} do
        round = Chaos.start(unquote(kind), :ready, world)
        signal(Chaos.await_ready(round), "STOP")
        assert Linx.Process.abort(round.session) == :ok
        assert Linx.Process.wait(round.session, 1_000) == {:ok, :aborted}
      end

      test "is stopped for good where it runs, #{kind}", %{world: world} do
        round = Chaos.start(unquote(kind), :running, world)
        Chaos.reach(round)
        stop_tree(round)
        assert Linx.Process.stop(round.session, 100) == {:ok, {:signaled, 9}}
        assert members(round) == []
      end
    end

    for kind <- Chaos.kinds() -- [:pid_namespace] do
      test "may be the init, #{kind}", %{world: world, killer: killer} do
        for victims <- [[], [:agent], [:guard, :agent], [:workload]] do
          round = Chaos.start(unquote(kind), :running, world)
          Chaos.reach(round)
          Enum.each(Chaos.pids(round.token, [:init, :init_guard]), &signal(&1, "STOP"))
          if victims != [], do: Processes.kill(killer, Chaos.pids(round.token, victims))
          Linx.Process.stop(round.session, 50)
          Processes.assert_none("#{inspect(victims)} killed", [round.token])
          Story.tell(round, inspect(victims))
        end
      end
    end
  end

  defp signal(pid, name), do: {_, 0} = System.cmd("kill", ["-#{name}", "#{pid}"])

  describe "a frozen cgroup" do
    @describetag :root

    for kind <- Chaos.kinds() do
      test "is thawed when its session is stopped, #{kind}", %{world: world} do
        for whole? <- [false, true] do
          round = Chaos.start(unquote(kind), :running, world)
          Chaos.reach(round)
          Cgroup.freeze(if whole?, do: members(round) ++ inits(round), else: members(round))
          assert Linx.Process.stop(round.session, 50) == {:ok, {:signaled, 9}}
          assert members(round) == []
        end
      end

      test "is thawed for an abort, #{kind}", %{world: world} do
        round = Chaos.start(unquote(kind), :ready, world)
        pid = Chaos.await_ready(round)
        Cgroup.freeze([pid])
        assert Linx.Process.abort(round.session) == :ok
        assert Linx.Process.wait(round.session, 3_000) == {:ok, :aborted}
      end

      test "does not outlive its agent or init, #{kind}", %{world: world, killer: killer} do
        rounds =
          for victims <- Chaos.victims(unquote(kind), :running) -- hopeless(unquote(kind)) do
            round = Chaos.start(unquote(kind), :running, world)
            Chaos.reach(round)
            Cgroup.freeze(members(round))
            {victims, round}
          end

        for {victims, round} <- rounds,
            do: Processes.kill(killer, Chaos.pids(round.token, victims))

        for {victims, round} <- rounds do
          # The workload's own death waits for somebody to thaw it.
          if victims == [:workload], do: Linx.Process.stop(round.session, 0)
          Processes.assert_none(inspect(victims), [round.token])
          Story.tell(round, inspect(victims))
        end
      end
    end
  end

  # Without an init nobody is left to thaw it.
  defp hopeless(:pid_namespace), do: [[:agent, :guard]]
  defp hopeless(_kind), do: []

  defp inits(round), do: Chaos.pids(round.token, [:init, :init_guard])

  describe "the PID 1 of a namespace" do
    test "ignores SIGTERM and is killed when its grace is over", %{world: world} do
      round = Chaos.start(:pid_namespace, :running, world)
      Chaos.reach(round)
      {microseconds, outcome} = :timer.tc(fn -> Linx.Process.stop(round.session, 200) end)
      assert outcome == {:ok, {:signaled, 9}}
      assert microseconds in 200_000..2_000_000
    end

    test "is an init that passes SIGTERM's effect on", %{world: world} do
      round = Chaos.start(:pid_namespace_init, :running, world)
      Chaos.reach(round)
      assert Linx.Process.stop(round.session, 5_000) == {:ok, {:signaled, 15}}
      assert members(round) == []
    end
  end

  describe "a workload that ends on the way to its exec, or right after it" do
    for kind <- Chaos.kinds() do
      test "by its filter was never running, #{kind}", %{world: world} do
        {:ok, filter} = Linx.Seccomp.deny_list([:execve], deny_action: :kill_process)
        round = Chaos.start(unquote(kind), :ready, world)
        pid = Chaos.await_ready(round)
        :ok = Linx.Seccomp.install(round.session, filter)
        :ok = Linx.Process.proceed(round.session)
        assert Linx.Process.wait(round.session, 5_000) == {:ok, {:signaled, @sigsys}}
        assert Story.tell(round, "filter") == [{:ready, pid}, {:signaled, @sigsys}]
      end

      test "by itself was running and exited, #{kind}", %{world: world} do
        for auto_proceed <- [true, false], code <- [0, 127] do
          options = [tree: ["exit=#{code}"], auto_proceed: auto_proceed]
          round = Chaos.start(unquote(kind), :running, world, options)
          pid = Chaos.await_ready(round)
          if not auto_proceed, do: :ok = Linx.Process.proceed(round.session)
          assert Linx.Process.wait(round.session, 5_000) == {:ok, {:exited, code}}
          assert Story.tell(round, "exit") == [{:ready, pid}, {:running}, {:exited, code}]
        end
      end
    end
  end
end
