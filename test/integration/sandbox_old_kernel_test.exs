defmodule Linx.Integration.SandboxOldKernelTest do
  # Not async: agents are others meanwhile.
  use Linx.Case, async: false

  import Linx.Test.Sandboxed

  alias Linx.Sandbox
  alias Linx.Test.Chaos.Processes
  alias Linx.Test.{FixtureProgram, OldKernel, Parked, RootFs}

  @dedicated [agent: :dedicated]

  # An ordinary user gets a user namespace in any case.
  @ways [host_ids: [], user_namespace: [:user]]

  describe "before mount_setattr," do
    setup do
      OldKernel.without(["mount_setattr"])
    end

    for {way, namespaces} <- @ways do
      @tag :user_namespaces
      test "#{way}: the host's root is read-only with all that is mounted in it" do
        sandbox =
          sandbox(unquote(namespaces))
          |> Sandbox.root(:host, read_only: true)
          |> Sandbox.tmpfs("/tmp")

        mounts = mounts(idle(sandbox))
        assert map_size(mounts) > 2

        assert [{"/tmp", %{type: "tmpfs"}}] =
                 Enum.filter(mounts, &("ro" not in elem(&1, 1).flags))

        script = "for dir in / /dev /run /tmp; do mkdir $dir/linx 2>/dev/null && echo $dir; done"
        assert {"/tmp\n", _} = run(sandbox, script, @dedicated)
      end

      test "#{way}: binds, devices, files and covers have their flags" do
        root = RootFs.make()
        given = tmp_dir()
        File.chmod!(given, 0o777)

        sandbox =
          sandbox(unquote(namespaces))
          |> Sandbox.root(root, read_only: true)
          |> Sandbox.proc()
          |> Sandbox.dev()
          |> Sandbox.bind(given, "/var")
          |> Sandbox.bind(given, "/tmp", read_only: false, noexec: true)
          |> Sandbox.bind("/sys", "/sys")
          |> Sandbox.overlay("/root", lower: [given, Path.join(root, "etc")], read_only: true)
          |> Sandbox.file("/etc/passwd", "hello\n")
          |> Sandbox.mask("/proc/timer_list")
          |> Sandbox.read_only_path("/proc/sys")

        mounts = mounts(idle(sandbox))

        for {place, flags} <- [
              {"/", ~w(ro)},
              {"/var", ~w(ro nosuid nodev)},
              {"/tmp", ~w(rw nosuid nodev noexec)},
              {"/sys", ~w(ro nosuid nodev)},
              {"/root", ~w(ro)},
              {"/dev", ~w(ro nosuid noexec)},
              {"/dev/null", ~w(rw nosuid noexec)},
              {"/etc/passwd", ~w(ro nosuid nodev)},
              {"/proc/timer_list", ~w(ro nosuid noexec)},
              {"/proc/sys", ~w(ro)}
            ],
            do: assert({place, flags -- mounts[place].flags} == {place, []})

        below = for {"/sys/" <> _ = place, mount} <- mounts, do: {place, mount.flags}

        assert Enum.all?(below, fn {_place, flags} -> ["ro", "nosuid", "nodev"] -- flags == [] end)

        script = "echo > /var/x || echo x > /tmp/x && cat /proc/timer_list /etc/passwd"
        assert {said, 0} = run(sandbox, script, @dedicated)
        assert said =~ "Read-only file system"
        assert said =~ ~r/hello\n\z/
        assert File.ls!(given) == ["x"]
      end
    end

    @tag :user_namespaces
    test "presets are the same" do
      for preset <- [:strict, :build] do
        options = [orphan_policy: {:kill, 0}, stdio: :devnull] ++ @dedicated
        sandbox = Sandbox.new(preset)
        {session, _pid} = running([argv: ["/bin/sleep", "60"], sandbox: sandbox] ++ options)
        assert {:ok, _unseen} = Sandbox.verify(session)
      end
    end

    @tag :root
    test "id-mapped binds and roots are errors" do
      sandbox = Sandbox.bind(sandbox([:user]), "/etc", "/mnt", idmap: true)
      assert {:mount, :enosys, _} = failure(sandbox, @dedicated)
      sandbox = Sandbox.root(sandbox([:user]), RootFs.make(), idmap: true)
      assert {:root, :enosys, _} = failure(sandbox, @dedicated)
    end
  end

  # Without the call that looks for cgroup.kill there seems to be none.
  describe "before cgroup.kill," do
    setup do
      OldKernel.without(["faccessat", "faccessat2"])
    end

    @tag :cgroup2
    test "a cgroup of its own holds what forks away all the same" do
      token = Processes.token()
      argv = [FixtureProgram.path("tree_hostile"), token, "stubborn", "daemon", "forker"]
      {session, pid} = running([argv: argv, stdio: :devnull, cgroup: true] ++ @dedicated)
      Processes.await(fn -> Processes.name(pid) == "tree_whole" end, fn -> "no tree" end)
      assert {:ok, {:signaled, _}} = Linx.Process.stop(session, 0)
      Processes.assert_none("stopped", [token])
    end
  end

  defp idle(sandbox) do
    options = [argv: ["/bin/sleep", "60"], sandbox: sandbox, stdio: :devnull, init: true]
    {_session, pid} = running(options ++ @dedicated)
    assert Parked.status(pid, "Seccomp_filters") != "0"
    pid
  end
end
