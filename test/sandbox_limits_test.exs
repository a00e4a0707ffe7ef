defmodule Linx.SandboxLimitsTest do
  use ExUnit.Case, async: true

  doctest Linx.Cgroup
  doctest Linx.Sandbox.Limits
  doctest Linx.Sandbox.Size

  alias Linx.{Cgroup, Sandbox}

  @of_every_sandbox [:namespaces, :fail_closed, :capabilities, :no_new_privs, :uid_map, :gid_map]

  defp request(limits) do
    with {:ok, request} <- Sandbox.new() |> Sandbox.limit(limits) |> Sandbox.request(:spawn),
         do: {:ok, Map.drop(request, @of_every_sandbox)}
  end

  defp version(version), do: fn _controller -> version end

  describe "a limit on all processes together" do
    test "is a file of version 2, or of version 1" do
      for {limit, value, files2, files1} <- [
            {:memory, 4096, [{"memory.max", "4096"}],
             [{:memory, "memory.limit_in_bytes", "4096"}]},
            {:swap, {4096, 1}, [{"memory.swap.max", "1"}],
             [{:memory, "memory.memsw.limit_in_bytes", "4097"}]},
            {:pids, 7, [{"pids.max", "7"}], [{:pids, "pids.max", "7"}]},
            {:cpu, 0.5, [{"cpu.max", "50000 100000"}],
             [{:cpu, "cpu.cfs_period_us", "100000"}, {:cpu, "cpu.cfs_quota_us", "50000"}]},
            {:cpu, 2, [{"cpu.max", "200000 100000"}],
             [{:cpu, "cpu.cfs_period_us", "100000"}, {:cpu, "cpu.cfs_quota_us", "200000"}]},
            {:cpu_weight, 100, [{"cpu.weight", "100"}], [{:cpu, "cpu.shares", "1024"}]},
            {:cpuset, [0, 2], [{"cpuset.cpus", "0,2"}], [{:cpuset, "cpuset.cpus", "0,2"}]}
          ] do
        assert Cgroup.controls(limit, value, version(2)) == files2
        assert Cgroup.controls(limit, value, version(1)) == files1
      end
    end

    test "is never below what the kernel takes" do
      assert Cgroup.controls(:cpu, 0.0001, version(2)) == [{"cpu.max", "1000 100000"}]
      assert Cgroup.controls(:cpu_weight, 1, version(1)) == [{:cpu, "cpu.shares", "10"}]
    end

    test "is where the controller is" do
      mounts = [{1, ["cpu", "cpuacct"], "/a"}, {2, [], "/b"}]
      assert Cgroup.version("cpu", mounts) == 1
      assert Cgroup.version("memory", mounts) == 2
      assert Cgroup.version("pids", []) == 2
    end

    test "is written with that on memory ahead of that on swap" do
      assert {:ok, %{cgroup_controls: [memory, swap]}} = request(swap: 0, memory: "1m")
      assert inspect(memory) =~ "1048576"
      assert inspect(swap) =~ "swap" or inspect(swap) =~ "memsw"
    end

    test "comes with the files that are named" do
      named = [{"io.max", "8:0 rbps=1"}, {:devices, "devices.deny", "a"}]
      assert {:ok, %{cgroup_controls: controls}} = request(pids: 3, controls: named)
      assert Enum.drop(controls, 1) == named
    end
  end

  test "limits of a process and of the session go their own ways" do
    assert request(
             nofile: 256,
             fsize: "1k",
             stack: {"8k", :infinity},
             rlimits: [cpu: 5],
             nice: 3,
             umask: 0o77,
             cpus: [0],
             cgroup: "jobs",
             time: 10
           ) ==
             {:ok,
              %{
                rlimits: [
                  {:nofile, 256, 256},
                  {:fsize, 1024, 1024},
                  {:stack, 8192, :infinity},
                  {:cpu, 5, 5}
                ],
                nice: 3,
                umask: 0o77,
                cpus: [0],
                cgroup: "jobs",
                timeout: 10
              }}
  end

  test "what is given again replaces what was" do
    sandbox = Sandbox.new() |> Sandbox.limit(nofile: 1, nice: 1) |> Sandbox.limit(nofile: 2)
    assert {:ok, %{rlimits: [{:nofile, 2, 2}], nice: 1}} = Sandbox.request(sandbox, :spawn)
    assert {:ok, %{rlimits: [{:core, 0, 0}]}} = request(core: 1, rlimits: [core: 0])
  end

  test "nothing is asked for by no limits" do
    assert request([]) == {:ok, %{}}
    assert request(controls: []) == {:ok, %{}}
  end

  test "what is no limit is named" do
    for {what, value} <- [
          memory: "lots",
          memory: -1,
          memory: "1.5g",
          swap: 0,
          pids: 0,
          pids: "64",
          cpu: 0,
          cpu: -0.5,
          cpu_weight: 10_001,
          cpuset: [],
          cpus: [-1],
          nice: 20,
          umask: 0o1000,
          time: 1.0,
          cgroup: "../up",
          cgroup: "/abs",
          nofile: -1,
          nofile: "256",
          stack: {2, 1},
          fsize: "1x",
          rlimits: [files: 1],
          unknown: 1,
          controls: [{"../memory.max", "1"}],
          controls: [{"a/memory.max", "1"}],
          controls: [{"/memory.max", "1"}],
          controls: [{"cgroup.procs", "1"}],
          controls: [{"memory.max", 1}],
          controls: [{:memory, "pids.max", "1"}],
          controls: [{:net_cls, "net_cls.classid", "1"}],
          controls: :all
        ] do
      assert request([{what, value}]) == {:error, {:bad_sandbox, {what, value}}}
    end

    for limits <- [:all, %{memory: 1}, [1], [{:memory, 1} | :tail], [{"memory", 1}]] do
      assert request(limits) == {:error, {:bad_sandbox, {:limit, limits}}}
    end
  end

  test "the time of a sandbox is a session's, whose own counts more" do
    sandbox = Sandbox.limit(Sandbox.new(), time: 500)
    options = [argv: ["/bin/true"], sandbox: sandbox]

    for {given, timeout} <- [{[], 500}, {[timeout: 7], 7}, {[timeout: :infinity], :infinity}] do
      assert {:ok, valid} = Linx.Process.Options.validate(:spawn, given ++ options)
      assert valid.timeout == timeout
      refute Map.has_key?(valid.request, :timeout)
    end
  end
end
