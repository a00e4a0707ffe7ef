defmodule Linx.Integration.CgroupTest do
  use Linx.Case

  alias Linx.Process.Error
  alias Linx.Test.Chaos.Processes
  alias Linx.Test.FixtureProgram
  alias Linx.Test.Hostile.Wire

  @root "/sys/fs/cgroup"

  setup do
    on_exit(&Processes.clean_up/0)
  end

  # The directory of a process's cgroup of version 2, wherever that is mounted.
  defp leaf(pid) do
    [_, path] = Regex.run(~r/^0::(.*)$/m, File.read!("/proc/#{pid}/cgroup"))
    Enum.find([@root <> "/unified" <> path, @root <> path], &File.dir?/1)
  end

  defp pids(leaf),
    do: leaf |> Path.join("cgroup.procs") |> File.read!() |> String.split() |> Enum.sort()

  defp tree(options, members) do
    token = Processes.token()
    argv = [FixtureProgram.path("tree_hostile"), token | members]
    {session, pid} = running([argv: argv, stdio: :devnull, cgroup: true] ++ options)
    Processes.await(fn -> Processes.name(pid) == "tree_whole" end, fn -> "no tree" end)
    {session, pid, token}
  end

  describe "a cgroup of its own" do
    @describetag :cgroup2

    for init <- [true, false] do
      test "holds all of a session and is gone with it, init: #{init}" do
        {session, pid, token} = tree([init: unquote(init)], ["deaf", "stubborn", "daemon"])
        leaf = leaf(pid)
        assert Path.basename(leaf) =~ ~r/^linx-\d+-\d+$/
        members = for p <- Processes.with_token(token), p.name =~ "tree", do: "#{p.pid}"
        assert pids(leaf) == Enum.sort(members)
        assert {:ok, {:signaled, 9}} = Linx.Process.stop(session, 50)
        refute File.exists?(leaf)
        Processes.assert_none("stopped", [token])
      end

      test "ends what forks away from every kill, init: #{init}" do
        {session, pid, token} = tree([init: unquote(init)], ["daemon", "forker"])
        leaf = leaf(pid)
        assert {:ok, {:signaled, _}} = Linx.Process.stop(session, 0)
        refute File.exists?(leaf)
        Processes.assert_none("stopped", [token])
      end

      test "is frozen by a pause, init: #{init}" do
        {session, pid, token} = tree([init: unquote(init)], ["daemon", "forker"])
        frozen? = fn -> File.read!(Path.join(leaf(pid), "cgroup.events")) =~ "frozen 1" end
        refute frozen?.()
        assert Linx.Process.pause(session) == :ok
        assert frozen?.()
        assert Processes.with_token(token) == Processes.with_token(token)
        assert Linx.Process.resume(session) == :ok
        refute frozen?.()
        assert Linx.Process.pause(session) == :ok
        assert {:ok, {:signaled, 15}} = Linx.Process.stop(session, 5_000)
        Processes.assert_none("stopped", [token])
      end
    end

    test "is removed by the guard where the agent is killed, frozen as it is" do
      {wire, agent} = Wire.open_envelope()
      leaf = running_leaf(wire)
      Wire.say(wire, {1, :pause})
      assert_receive {^wire, {1, {:status, :paused}}}
      {_, 0} = System.cmd("kill", ["-9", "#{agent}"])
      assert_receive {^wire, {:exit, 137}}
      refute File.exists?(leaf)
    end

    test "is removed by the next agent where the guard is killed, too" do
      {wire, agent} = Wire.open_envelope()
      leaf = running_leaf(wire)
      {_, 0} = System.cmd("kill", ["-9", "#{Wire.guard(wire)}", "#{agent}"])
      assert_receive {^wire, {:exit, 137}}
      # Who was quick may have removed it already.
      empty? = fn ->
        File.read(Path.join(leaf, "cgroup.procs")) in [{:ok, ""}, {:error, :enoent}]
      end

      wait_until(empty?, "somebody is left in #{leaf}")

      {wire, _agent} = Wire.open_envelope()
      running_leaf(wire)
      refute File.exists?(leaf)
    end

    test "is below the one that is named" do
      {_session, pid} = running(argv: sh("exec sleep 60"), cgroup: true)
      leaf = leaf(pid)
      [_, "/" <> below] = Regex.run(~r/^0::(.*)$/m, File.read!("/proc/#{pid}/cgroup"))
      {session, inner} = running(argv: sh("exec sleep 60"), cgroup: below)
      assert Path.dirname(leaf(inner)) == leaf
      assert {:ok, {:signaled, 15}} = Linx.Process.stop(session)
    end

    test "that is not there is an error before anything runs" do
      {:ok, session} = Linx.Process.spawn(argv: sh("exit 0"), cgroup: "no/such/cgroup")

      assert {:error, %Error{stage: :cgroup_open, errno: :enoent} = error} =
               Linx.Process.wait(session)

      assert error.detail =~ "/no/such/cgroup"
      assert_receive {:linx_process, :error, 2, :cgroup_open}
    end
  end

  defp running_leaf(wire) do
    request = %{argv: ["/bin/sleep", "60"], auto_proceed: true, init: true, cgroup: true}
    Wire.say(wire, {1, {:spawn, request}})
    assert_receive {^wire, {1, {:status, :spawned, pid}}}
    assert_receive {^wire, {1, {:status, :running}}}
    leaf = leaf(pid)
    assert pids(leaf) == ["#{pid}"]
    leaf
  end
end
