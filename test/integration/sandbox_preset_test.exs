defmodule Linx.Integration.SandboxPresetTest do
  use Linx.Case

  import Linx.Test.Sandboxed, only: [run: 2, run: 3]

  alias Linx.Sandbox
  alias Linx.Test.RootFs

  @moduletag :user_namespaces

  @sleep ["/bin/sleep", "60"]
  # PID 1 of a namespace is deaf to SIGTERM.
  @quickly {:kill, 0}

  # What a script finds out, one line a question.
  defp facts(sandbox, script) do
    {text, status} = run(sandbox, script)
    {String.split(text, "\n", trim: true), status}
  end

  defp fresh(isolation),
    do: Enum.sort(for {name, :fresh} <- isolation.namespaces, do: name)

  describe "strict" do
    test "holds what was asked for, as the kernel says" do
      {session, _pid} =
        running(
          argv: @sleep,
          sandbox: Sandbox.new(:strict),
          stdio: :devnull,
          orphan_policy: @quickly
        )

      assert {:ok, _unseen} = Sandbox.verify(session)
      assert {:ok, isolation} = Linx.Process.isolation(session)
      assert fresh(isolation) == Enum.sort(Linx.Protocol.namespaces())

      assert Enum.all?([:effective, :permitted, :inheritable, :bounding, :ambient], fn set ->
               MapSet.size(Map.fetch!(isolation.capabilities, set)) == 0
             end)

      assert isolation.no_new_privs
      assert {:filter, _count} = isolation.seccomp
      writable = for mount <- isolation.mounts, "ro" not in mount.options, do: mount.type
      assert Enum.uniq(writable) -- ["tmpfs", "proc", "devpts", "devtmpfs", "ext4"] == []
      assert isolation.landlock != nil
    end

    test "shows the system's programs and nothing of its users" do
      {lines, 0} =
        facts(Sandbox.new(:strict), "ls /; ls -A /etc; id -u; hostname; pwd; env | wc -l")

      refute "home" in lines
      refute "root" in lines
      refute "passwd" in lines
      assert "usr" in lines
      assert "65534" in lines
      assert "sandbox" in lines
      # HOME, LANG, PATH, and what a shell adds of its own.
      assert List.last(lines) |> String.trim() |> String.to_integer() <= 6
    end

    test "lets nothing be written but in memory" do
      script = """
      for d in / /usr /etc /dev /proc; do touch $d/x 2>/dev/null && echo "wrote $d"; done
      touch /tmp/x /dev/shm/x && echo in memory
      echo to tty > /dev/null && echo device
      """

      assert facts(Sandbox.new(:strict), script) == {["in memory", "device"], 0}
    end

    test "has no network but its own loopback, and no way out of its namespaces" do
      script = """
      awk 'NR > 2 {print $1}' /proc/self/net/dev 2>/dev/null
      unshare -U true 2>/dev/null || echo no unshare
      mount -t tmpfs none /tmp 2>/dev/null || echo no mount
      test -e /proc/sys || echo no sysctl
      """

      {lines, 0} = facts(Sandbox.new(:strict), script)
      assert lines -- ["lo:"] == ["no unshare", "no mount", "no sysctl"]
    end

    test "sees no process of the host" do
      {[count], 0} = facts(Sandbox.new(:strict), "ls /proc | grep -c '^[0-9]'")
      assert String.to_integer(count) < 10
    end

    test "takes what is added to it" do
      dir = tmp_dir()
      File.chmod!(dir, 0o777)
      File.write!(Path.join(dir, "in"), "given")

      sandbox =
        Sandbox.new(:strict)
        |> Sandbox.bind(dir, "/data", read_only: false)
        |> Sandbox.limit(nofile: 64)

      script = "cat /data/in; echo made > /data/out; ulimit -n"
      assert {"given64\n", 0} = run(sandbox, script)
      assert File.read!(Path.join(dir, "out")) == "made\n"
    end
  end

  describe "container" do
    test "runs a root file system as its root" do
      root = RootFs.make()
      sandbox = Sandbox.new(:container) |> Sandbox.root(root)
      {text, 0} = run(sandbox, "id; ls /; cat /etc/passwd; ls /dev; stat -c %a /tmp")
      assert text =~ "uid=0"
      assert text =~ "root:x:0"
      refute text =~ "usr\n"
      assert text =~ "ptmx"

      {session, _pid} =
        running(argv: @sleep, sandbox: sandbox, stdio: :devnull, orphan_policy: @quickly)

      assert {:ok, _unseen} = Sandbox.verify(session)
      {:ok, isolation} = Linx.Process.isolation(session)
      assert MapSet.size(isolation.capabilities.bounding) == 14
      assert :cap_sys_admin not in isolation.capabilities.bounding
    end

    @tag :idmap
    test "may have a user namespace, and its root's files be its own all the same" do
      root = RootFs.make()

      sandbox =
        Sandbox.new(:container) |> Sandbox.namespaces([:user]) |> Sandbox.root(root, idmap: true)

      script = "stat -c %u /etc/passwd; echo x > /etc/made; cat /proc/self/uid_map"
      assert {text, 0} = run(sandbox, script)
      assert ["0", "0", "100000", "65536"] = String.split(text)
      assert File.lstat!(Path.join(root, "etc/made")).uid == 0
    end

    test "finds commands in its own root" do
      sandbox = Sandbox.new(:container) |> Sandbox.root(RootFs.make())
      assert Linx.cmd("echo", ["inside"], sandbox: sandbox) == {"inside\n", 0}
      assert catch_error(Linx.cmd("erl", [], sandbox: sandbox)) == :enoent
    end

    test "hides of /proc and /sys what runtimes hide" do
      sandbox = Sandbox.new(:container) |> Sandbox.root(RootFs.make())

      script = """
      echo x > /proc/sys/kernel/core_pattern || echo sysctl
      echo b > /proc/sysrq-trigger || echo sysrq
      cat /proc/keys | wc -c
      """

      {text, 0} = run(sandbox, script)
      assert text =~ "sysctl\n"
      assert text =~ "sysrq\n"
      assert text =~ ~r/^0$/m
    end
  end

  describe "build" do
    test "reads the host and writes one tree" do
      dir = tmp_dir()
      File.chmod!(dir, 0o777)
      sandbox = Sandbox.new(:build) |> Sandbox.bind(dir, read_only: false)

      script = """
      test -r /etc/passwd && echo host
      touch #{dir}/made && echo made
      touch /etc/x /usr/x /var/tmp/x 2>/dev/null && echo wrong
      touch /tmp/x && echo memory
      """

      {text, _status} = run(sandbox, script)
      assert String.split(text) == ["host", "made", "memory"]
      assert File.exists?(Path.join(dir, "made"))
      refute File.exists?("/tmp/x")
    end

    test "is what the kernel says" do
      {session, _pid} =
        running(
          argv: @sleep,
          sandbox: Sandbox.new(:build),
          stdio: :devnull,
          orphan_policy: @quickly
        )

      assert {:ok, _unseen} = Sandbox.verify(session)
      {:ok, isolation} = Linx.Process.isolation(session)
      assert isolation.namespaces.net == :shared
      assert isolation.namespaces.mount == :fresh
    end
  end

  test "namespaces are added to a preset's, and shared again" do
    {:ok, request} =
      :build |> Sandbox.new() |> Sandbox.namespaces([:time]) |> Sandbox.request(:spawn)

    assert :time in request.namespaces and :mount in request.namespaces
    {:ok, request} = :strict |> Sandbox.new() |> Sandbox.share([:net]) |> Sandbox.request(:spawn)
    refute :net in request.namespaces
    assert :pid in request.namespaces
    bad = Sandbox.namespaces(Sandbox.new(), :net)
    assert Sandbox.request(bad, :spawn) == {:error, {:bad_sandbox, {:namespaces, :net}}}
  end

  test "an unknown preset is refused" do
    assert_raise ArgumentError, ~r/:paranoid.*:strict/, fn -> Sandbox.new(:paranoid) end
  end

  test "a program is found in a sandbox with the BEAM's root, too" do
    assert {"ok\n", 0} = run(Sandbox.new(), "echo ok", [])
  end
end
