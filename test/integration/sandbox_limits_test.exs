defmodule Linx.Integration.SandboxLimitsTest do
  use Linx.Case

  alias Linx.{Cgroup, Sandbox}
  alias Linx.Process.Error
  alias Linx.Test.Hostile.Wire

  defp limits(limits), do: Sandbox.limit(Sandbox.new(), limits)

  # The session's cgroup for a controller, as this process sees it.
  defp cgroup(pid, controller) do
    mounts = Cgroup.mounts()
    version = Cgroup.version(controller, mounts)

    {_, _, own} =
      Enum.find(mounts, fn {v, names, _} ->
        v == version and (v == 2 or controller in names)
      end)

    names = if version == 1, do: "[^:]*\\b#{controller}\\b[^:]*", else: ""
    [_, path] = Regex.run(~r/^\d+:#{names}:(.*)$/m, File.read!("/proc/#{pid}/cgroup"))
    Path.join(own, Path.basename(path))
  end

  describe "a limit on all processes together" do
    @describetag :cgroup_limits

    test "kills who allocates beyond it" do
      options = [argv: [System.find_executable("tail"), "/dev/zero"], stdio: :devnull]
      {session, pid} = running([sandbox: limits(memory: "32m")] ++ options)
      memory = cgroup(pid, "memory")
      assert Path.basename(memory) =~ ~r/^linx-\d+-\d+$/
      assert Linx.Process.wait(session, 60_000) == {:ok, {:signaled, 9}}
      refute File.exists?(memory)
    end

    test "lets no more processes be" do
      script = "i=0; while [ $i -lt 100 ]; do sleep 60 & i=$((i+1)); done; exit 0"
      {session, pid} = parked(argv: sh(script), stdio: :devnull, sandbox: limits(pids: 64))
      pids = cgroup(pid, "pids")
      assert File.read!(Path.join(pids, "pids.max")) == "64\n"
      assert File.read!(Path.join(pids, "cgroup.procs")) == "#{pid}\n"
      assert :ok = Linx.Process.proceed(session)
      assert {:ok, {:exited, code}} = Linx.Process.wait(session, 60_000)
      assert code != 0
      refute File.exists?(pids)
    end

    test "holds up who uses more CPU" do
      {session, pid} = running(argv: sh("while :; do :; done"), sandbox: limits(cpu: 0.1))
      stat = Path.join(cgroup(pid, "cpu"), "cpu.stat")
      throttled? = fn -> File.read!(stat) =~ ~r/^nr_throttled [1-9]/m end
      wait_until(throttled?, "never throttled")
      assert {:ok, {:signaled, _}} = Linx.Process.stop(session, 0)
    end

    test "gives less of the CPU to who has less weight" do
      {session, pid} = running(argv: sh("exec sleep 60"), sandbox: limits(cpu_weight: 50))
      cpu = cgroup(pid, "cpu")
      files = for file <- ["cpu.weight", "cpu.shares"], do: File.read(Path.join(cpu, file))
      assert {:ok, "50\n"} in files or {:ok, "512\n"} in files
      assert Sandbox.verify(session) == {:ok, []}
      assert {:ok, {:signaled, 15}} = Linx.Process.stop(session)
    end

    test "is a set of CPUs that nobody leaves" do
      script = "grep Cpus_allowed_list /proc/self/status"
      {written, {:ok, {:exited, 0}}} = output(argv: sh(script), sandbox: limits(cpuset: [0]))
      assert written =~ ~r/:\t0\n/
    end

    test "holds for who enters namespaces, too" do
      {target, host_pid} = running(argv: sh("exec sleep 60"))

      {:ok, session} =
        Linx.Process.enter(host_pid, argv: sh("exec sleep 60"), sandbox: limits(pids: 5))

      assert_receive {:linx_process, :ready, pid}
      assert File.read!(Path.join(cgroup(pid, "pids"), "pids.max")) == "5\n"
      assert Linx.Process.abort(session) == :ok
      assert {:ok, :aborted} = Linx.Process.wait(session)
      assert {:ok, {:signaled, 15}} = Linx.Process.stop(target)
    end

    test "that the kernel refuses is an error before anything runs" do
      {:ok, session} = Linx.Process.spawn(argv: sh("exit 0"), sandbox: limits(cpuset: [8191]))
      assert {:error, %Error{stage: :cgroup_controls} = error} = Linx.Process.wait(session)
      assert error.detail =~ ~r{/linx-\d+-\d+/cpuset.cpus: 8191$}
      assert Exception.message(error) =~ "does not take this value"
    end
  end

  describe "a file of a controller of version 1" do
    @describetag :cgroup1

    test "keeps the workload from devices" do
      sandbox = limits(controls: [{:devices, "devices.deny", "c 1:5 rwm"}])
      argv = sh("head -c 1 /dev/null && ! head -c 1 /dev/zero 2>&1")
      options = [argv: argv, stdio: :devnull, auto_proceed: true, sandbox: sandbox]
      {:ok, session} = Linx.Process.spawn(options)
      assert Linx.Process.wait(session) == {:ok, {:exited, 0}}
    end

    test "is the guard's to remove where the agent is killed, and the next agent's" do
      {wire, agent} = Wire.open_envelope()
      cgroup = wire_cgroup(wire)
      {_, 0} = System.cmd("kill", ["-9", "#{agent}"])
      assert_receive {^wire, {:exit, 137}}
      refute File.exists?(cgroup)

      {wire, agent} = Wire.open_envelope()
      cgroup = wire_cgroup(wire)
      {_, 0} = System.cmd("kill", ["-9", "#{Wire.guard(wire)}", "#{agent}"])
      assert_receive {^wire, {:exit, 137}}

      empty? = fn ->
        File.read(Path.join(cgroup, "cgroup.procs")) in [{:ok, ""}, {:error, :enoent}]
      end

      wait_until(empty?, "somebody is left in #{cgroup}")
      {wire, _agent} = Wire.open_envelope()
      wire_cgroup(wire)
      refute File.exists?(cgroup)
    end
  end

  defp wire_cgroup(wire) do
    request = %{
      argv: ["/bin/sleep", "60"],
      auto_proceed: true,
      init: true,
      cgroup_controls: [{:devices, "devices.deny", "c 1:5 rwm"}]
    }

    Wire.say(wire, {1, {:spawn, request}})
    assert_receive {^wire, {1, {:status, :spawned, pid}}}
    assert_receive {^wire, {1, {:status, :running}}}
    cgroup = cgroup(pid, "devices")
    assert File.read!(Path.join(cgroup, "cgroup.procs")) == "#{pid}\n"
    cgroup
  end

  describe "a file of version 2" do
    @describetag :cgroup2

    test "implies a leaf" do
      sandbox = limits(controls: [{"cgroup.max.descendants", "0"}])
      {session, pid} = running(argv: sh("exec sleep 60"), sandbox: sandbox)
      [_, path] = Regex.run(~r/^0::(.*)$/m, File.read!("/proc/#{pid}/cgroup"))
      assert Path.basename(path) =~ ~r/^linx-\d+-\d+$/
      {2, _, own} = List.keyfind(Cgroup.mounts(), 2, 0)
      file = Path.join([own, Path.basename(path), "cgroup.max.descendants"])
      assert File.read!(file) == "0\n"
      assert {:ok, {:signaled, 15}} = Linx.Process.stop(session)
    end

    test "of a controller that is not there is an error before anything runs" do
      sandbox = limits(controls: [{"nothing.max", "1"}])
      {:ok, session} = Linx.Process.spawn(argv: sh("exit 0"), sandbox: sandbox)

      assert {:error, %Error{stage: :cgroup_controls, errno: :enodev} = error} =
               Linx.Process.wait(session)

      assert error.detail =~ "/cgroup.controllers: no nothing"
      assert Exception.message(error) =~ "mix linx.doctor"
    end
  end

  test "what cannot be limited does not run" do
    marker = Path.join(tmp_dir(), "ran")
    options = [argv: sh("touch #{marker}"), auto_proceed: true]
    {:ok, session} = Linx.Process.spawn([sandbox: limits(memory: "64m")] ++ options)

    case Linx.Process.wait(session) do
      {:ok, outcome} ->
        assert outcome == {:exited, 0}

      {:error, error} ->
        assert error.stage in [:cgroup_open, :cgroup_mkdir, :cgroup_controls]
        assert Exception.message(error) =~ "mix linx.doctor"
        refute File.exists?(marker)
    end
  end

  test "limits of each process hold" do
    sandbox = limits(nofile: 200, core: 0, fsize: "1m", umask: 0o77, nice: 7)
    script = "ulimit -n; ulimit -c; ulimit -f; umask; nice"
    {written, {:ok, {:exited, 0}}} = output(argv: sh(script), sandbox: sandbox)
    assert ["200", "0", blocks, "0077", "7"] = String.split(written)
    assert blocks in ["2048", "1024"]
  end

  test "the time is over" do
    {:ok, session} =
      Linx.Process.spawn(argv: sh("exec sleep 60"), auto_proceed: true, sandbox: limits(time: 50))

    assert Linx.Process.wait(session) == {:ok, {:signaled, 15}}
    assert {:ok, %{timed_out?: true}} = Linx.Process.info(session)
  end
end
