defmodule Linx.Integration.HostileInheritTest do
  # HOSTILE 17: who enters a session is confined as it is.
  use Linx.Case

  alias Linx.{Capabilities, Sandbox, Seccomp}

  @sleep ["/bin/sleep", "60"]
  @status ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] ++
            ["NoNewPrivs", "Seccomp", "Seccomp_filters", "Cpus_allowed", "Umask"]

  defp confined(pid) do
    lines = for name <- @status, do: {name, status(pid, name)}
    limits = File.read!("/proc/#{pid}/limits")
    lines ++ [limits: limits, cgroups: File.read!("/proc/#{pid}/cgroup")]
  end

  # A running newcomer's pid.
  defp newcomer(target, options \\ []) do
    {:ok, _session} = Sandbox.exec(target, @sleep, [auto_proceed: true] ++ options)
    assert_receive {:linx_process, :ready, pid}
    assert_receive {:linx_process, :running}
    pid
  end

  # Confined by options, and at its checkpoint.
  defp target(options) do
    {session, pid} = parked([argv: @sleep] ++ options)
    sets = [effective: [:cap_chown], permitted: [:cap_chown], inheritable: [:cap_chown]]
    :ok = Capabilities.drop_bounding(session, [:cap_net_raw, :cap_sys_module])
    :ok = Capabilities.set_thread_sets(session, sets)
    :ok = Capabilities.set_ambient(session, [:cap_chown])
    {:ok, bpf} = Seccomp.deny_list([:ptrace, :mount])
    :ok = Seccomp.install(session, bpf)
    :ok = Linx.Process.proceed(session)
    assert_receive {:linx_process, :running}
    {session, pid}
  end

  defp options do
    [rlimits: [nofile: 77, core: 0], umask: 0o77, no_new_privs: true, cpus: [0]]
  end

  @tag :user_namespaces
  test "options and commands of the session hold for the newcomer" do
    {session, pid} = target([namespaces: [:user, :net, :uts]] ++ options())
    assert confined(newcomer(session)) == confined(pid)
    assert confined(newcomer(session, init: false)) == confined(pid)
    assert confined(newcomer(session, agent: :dedicated)) == confined(pid)
  end

  @tag :user_namespaces
  test "who enters the newcomer is confined as well" do
    {session, pid} = target([namespaces: [:user, :net]] ++ options())
    {:ok, second} = Sandbox.exec(session, @sleep, auto_proceed: true)
    assert_receive {:linx_process, :ready, _pid}
    assert_receive {:linx_process, :running}
    assert confined(newcomer(second)) == confined(pid)
  end

  @tag :root
  @tag :cgroup2
  test "so do the user and the cgroups" do
    cgroup = [cgroup: true, uid: 61_184, gid: 61_185, groups: [61_186]]
    {session, pid} = target([namespaces: [:mount]] ++ cgroup ++ options())
    newcomer = newcomer(session)
    assert confined(newcomer) == confined(pid)
    assert File.read!("/proc/#{pid}/cgroup") =~ ~r{^0::.*/linx-\d+-\d+$}m
    # The newcomer ends with the session whose cgroup it is in.
    :ok = Linx.Process.signal(session, :sigkill)
    assert_receive {:linx_process, :signaled, 9}
    assert_receive {:linx_process, :signaled, 9}
  end

  @tag :cgroup_limits
  test "its limits are the session's: there is no room for one more" do
    sandbox = Sandbox.limit(Sandbox.new(), pids: 2)
    script = "sleep 60 & read line"
    {session, pid} = running(argv: sh(script), stdio: :pipe, sandbox: sandbox)
    wait_until(fn -> match?([_], children(pid)) end, "no child")

    {:ok, second} =
      Sandbox.exec(session, sh("sleep 60; exit 7"), auto_proceed: true, stdio: :devnull)

    assert {:ok, {:exited, code}} = Linx.Process.wait(second, 60_000)
    assert code not in [0, 7]
    assert Linx.Process.stop(session, 0) |> elem(0) == :ok
  end

  defp children(pid), do: "/proc/#{pid}/task/#{pid}/children" |> File.read!() |> String.split()

  @tag :user_namespaces
  test "a whole sandbox is the newcomer's, too" do
    sandbox =
      Sandbox.new()
      |> Sandbox.namespaces([:user, :mount, :pid, :net, :ipc, :uts])
      |> Sandbox.user(0)
      |> Sandbox.seccomp(:default)
      |> Sandbox.root(:host)
      |> Sandbox.tmpfs("/tmp")
      |> Sandbox.proc()
      |> Sandbox.executable(Enum.filter(~w(/bin /usr /lib /lib64), &File.exists?/1))
      |> Sandbox.readable(["/proc", "/dev", "/tmp"])
      |> Sandbox.limit(nofile: 99, core: 0)

    {session, pid} = running(argv: @sleep, sandbox: sandbox)
    assert confined(newcomer(session)) == confined(pid)

    for {script, code} <- [
          {"test $$ -gt 1 && test -d /proc/1", 0},
          {"ls -A /tmp | grep -q . ", 1},
          {"cat /etc/passwd", 1},
          {"unshare --user true", 1}
        ] do
      options = [auto_proceed: true, stdio: :devnull]
      {:ok, newcomer} = Sandbox.exec(session, sh(script), options)
      assert {script, Linx.Process.wait(newcomer, 60_000)} == {script, {:ok, {:exited, code}}}
    end

    # PID 1 does not mind SIGTERM.
    assert {:ok, {:signaled, 9}} = Linx.Process.stop(session, 0)
  end

  @tag :user_namespaces
  @tag :landlock
  test "its own rules of landlock come on top of the session's" do
    given = tmp_dir()
    [both, theirs, own] = for name <- ["both", "theirs", "own"], do: Path.join(given, name)
    for path <- [both, theirs, own], do: File.write!(path, Path.basename(path) <> "\n")
    system = Enum.filter(["/bin", "/usr", "/lib", "/lib64"], &File.dir?/1)

    sandbox = &(Sandbox.new() |> Sandbox.executable(system) |> Sandbox.readable(["/dev" | &1]))

    {session, _pid} = running(argv: @sleep, sandbox: sandbox.([both, theirs]))
    argv = ["/bin/cat", both, theirs, own]
    stdio = [stdout: :pipe, stderr: :devnull]
    options = [argv: argv, sandbox: sandbox.([both, own]), stdio: stdio, active: false]
    {:ok, newcomer} = Linx.Process.enter(session, [auto_proceed: true] ++ options)
    assert Linx.Process.recv(newcomer, :stdout) == {:ok, "both\n"}
    assert Linx.Process.recv(newcomer, :stdout) == {:error, :closed}
    assert Linx.Process.wait(newcomer) == {:ok, {:exited, 1}}
  end

  test "the offsets of its clocks are seen" do
    sandbox =
      Sandbox.new()
      |> Sandbox.namespaces([:user])
      |> Sandbox.time_offsets(boottime: 10_000_000_000)

    {session, _pid} = running(argv: @sleep, sandbox: sandbox)

    {:ok, reader} =
      Sandbox.exec(session, ["/bin/cat", "/proc/uptime"],
        auto_proceed: true,
        stdio: :pipe,
        active: false
      )

    assert {:ok, text} = Linx.Process.recv(reader, :stdout, 5_000)
    assert text |> Float.parse() |> elem(0) > 10_000_000
    assert Linx.Process.wait(reader) == {:ok, {:exited, 0}}
  end

  @tag :user_namespaces
  test "a sandbox's environment is the newcomer's" do
    sandbox = Sandbox.new() |> Sandbox.namespaces([:user]) |> Sandbox.env(%{"ONLY" => "this"})
    {session, _pid} = running(argv: @sleep, sandbox: sandbox)
    environ = fn pid -> File.read!("/proc/#{pid}/environ") end
    assert environ.(newcomer(session)) == "ONLY=this\0"
    assert environ.(newcomer(session, env: %{"MY" => "own"})) == "MY=own\0"
  end

  describe "told otherwise" do
    @describetag :user_namespaces

    test "an option counts more" do
      {session, pid} = target([namespaces: [:user]] ++ options())
      newcomer = newcomer(session, rlimits: [nofile: 60], umask: 0o22)
      assert Linx.Process.Isolation.Proc.rlimits(newcomer).nofile == {60, 60}
      assert Linx.Process.Isolation.Proc.rlimits(newcomer).core == {0, 0}
      assert status(newcomer, "Umask") == "0022"
      assert status(newcomer, "Seccomp") == status(pid, "Seccomp")
    end

    test "nothing is inherited" do
      {session, _pid} = target([namespaces: [:user]] ++ options())
      newcomer = newcomer(session, inherit: false)
      assert status(newcomer, "Seccomp") == status("self", "Seccomp")
      assert status(newcomer, "NoNewPrivs") == status("self", "NoNewPrivs")
      refute Linx.Process.Isolation.Proc.rlimits(newcomer).nofile == {77, 77}
    end
  end

  test "only who enters inherits" do
    assert Linx.Process.spawn(argv: @sleep, inherit: false) ==
             {:error, {:unknown_option, :inherit}}

    assert Linx.Process.enter(1, argv: @sleep, inherit: :all) == {:error, {:bad_inherit, :all}}
  end
end
