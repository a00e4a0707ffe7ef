defmodule Linx.Integration.SandboxSurroundingsTest do
  use Linx.Case

  import Linx.Test.Parked

  alias Linx.Sandbox
  alias Linx.Test.Hostile.Wire

  @moduletag :user_namespaces

  @day_ms 86_400_000

  # An ordinary user makes namespaces inside one of its own; root both ways.
  defp grounds do
    fresh = Sandbox.namespaces(Sandbox.new(), [:user])
    if own("Uid") == 0, do: [fresh, Sandbox.new()], else: [fresh]
  end

  defp says(script, sandbox, options \\ []) do
    assert {said, 0} = Linx.cmd("sh", ["-c", script], [sandbox: sandbox] ++ options)
    String.trim(said)
  end

  test "names of its own, and the host keeps its" do
    host = File.read!("/proc/sys/kernel/hostname")

    for ground <- grounds() do
      sandbox = ground |> Sandbox.hostname("box") |> Sandbox.domainname("example")
      script = "cd /proc/sys/kernel; cat hostname domainname"
      assert says(script, sandbox) == "box\nexample"
      assert says(script, sandbox, namespaces: [:pid]) == "box\nexample"
    end

    assert File.read!("/proc/sys/kernel/hostname") == host
  end

  test "a loopback interface that is up, unless it is not to be" do
    for ground <- grounds() do
      ground = Sandbox.namespaces(ground, [:net | ground.namespaces])
      # The first address of an interface that is up is in the local table.
      assert says("cat /proc/net/fib_trie", ground) =~ "127.0.0.1"
      refute says("cat /proc/net/fib_trie", Sandbox.loopback(ground, false)) =~ "127.0.0.1"
    end
  end

  test "clocks that are not the host's" do
    for ground <- grounds(), options <- [[], [init: false], [namespaces: [:pid]]] do
      sandbox = Sandbox.time_offsets(ground, boottime: 10 * @day_ms, monotonic: {:ns, 1})
      {uptime, _} = "cut -d. -f1 /proc/uptime" |> says(sandbox, options) |> Integer.parse()
      {host, _} = "/proc/uptime" |> File.read!() |> Integer.parse()
      assert (uptime - host) in 863_900..864_100
    end
  end

  test "offsets are seen in /proc, also parked" do
    for ground <- grounds() do
      sandbox = Sandbox.time_offsets(ground, boottime: 1500, monotonic: -1)
      {session, pid} = parked(argv: ["/bin/sleep", "60"], stdio: :devnull, sandbox: sandbox)
      :ok = Linx.Process.proceed(session)
      assert_receive {:linx_process, :running}
      offsets = "/proc/#{pid}/timens_offsets" |> File.read!() |> String.split()
      assert offsets == ["monotonic", "-1", "999000000", "boottime", "1", "500000000"]
      assert namespace(pid, :time) != namespace("self", :time)
    end
  end

  test "what holds is what was asked for, and names are all that cannot be seen" do
    for ground <- grounds() do
      sandbox =
        ground
        |> Sandbox.namespaces([:net | ground.namespaces])
        |> Sandbox.hostname("box")
        |> Sandbox.setgroups(:deny)
        |> Sandbox.time_offsets(boottime: 1500, monotonic: -1)
        |> Sandbox.oom_score_adj(777)

      {session, _pid} = running(argv: ["/bin/sleep", "60"], stdio: :devnull, sandbox: sandbox)
      assert Sandbox.verify(session) == {:ok, [:hostname]}
      assert {:ok, isolation} = Linx.Process.isolation(session)
      assert isolation.time_offsets == {-1_000_000, 1_500_000_000}
      assert {isolation.loopback, isolation.setgroups} == {true, :deny}
    end

    {session, _pid} = running(argv: ["/bin/sleep", "60"], stdio: :devnull)
    assert {:ok, %{time_offsets: {0, 0}}} = Linx.Process.isolation(session)
  end

  test "an offset with which a clock would be negative is refused before anything runs" do
    sandbox = Sandbox.time_offsets(hd(grounds()), monotonic: -4_000_000_000_000)
    {:ok, session} = Linx.Process.spawn(argv: ["/bin/true"], sandbox: sandbox, auto_proceed: true)
    assert {:error, %Linx.Process.Error{} = error} = Linx.Process.wait(session)
    assert {error.stage, error.errno} == {:time_offsets, :erange}
    assert error.detail =~ "monotonic -4000000000 0"
    refute_received {:linx_process, :running}
  end

  test "a score for when memory is out is the workload's alone" do
    mine = File.read!("/proc/self/oom_score_adj")

    for ground <- [Sandbox.new() | grounds()],
        options <- [[], [init: false], [namespaces: [:pid]], [cgroup: false]],
        own("Uid") == 0 or :user in ground.namespaces or options[:namespaces] == nil do
      sandbox = Sandbox.oom_score_adj(ground, 777)
      assert says("cat /proc/self/oom_score_adj", sandbox, options) == "777"
      # Agents, guards, and inits that wait for their next session.
      for {pid, _, "linx_" <> _} <- Linx.Test.Leftovers.table(),
          {:ok, score} <- [File.read("/proc/#{pid}/oom_score_adj")],
          do: refute(score == "777\n")
    end

    assert File.read!("/proc/self/oom_score_adj") == mine
  end

  test "the next session of its init has nothing of it" do
    mine = String.trim(File.read!("/proc/self/oom_score_adj"))

    assert says("cat /proc/self/oom_score_adj", Sandbox.oom_score_adj(Sandbox.new(), 777)) ==
             "777"

    assert says("cat /proc/self/oom_score_adj", Sandbox.new()) == mine
  end

  @tag :root
  test "of what is entered root can set a score, but not where /proc is no procfs" do
    script = "mount --make-rprivate / && mount -t tmpfs none /proc; exec sleep 60"
    options = [namespaces: [:mount], stdio: :devnull]
    {container, _pid} = running([argv: sh("exec sleep 60")] ++ options)

    entering =
      [argv: ["/bin/cat", "/proc/self/oom_score_adj"], stdio: :pipe, tag: :entered] ++
        [auto_proceed: true, active: false]

    sandbox = Sandbox.oom_score_adj(Sandbox.new(), 777)

    assert {:ok, session} = Linx.Process.enter(container, [sandbox: sandbox] ++ entering)
    assert Enum.to_list(Linx.Process.stream!(session)) == [stdout: "777\n"]

    {fake, pid} = running([argv: sh(script)] ++ options)

    wait_until(
      fn -> File.read!("/proc/#{pid}/mountinfo") =~ "/proc rw,relatime - tmpfs" end,
      "mount"
    )

    assert {:ok, session} = Linx.Process.enter(fake, [sandbox: sandbox] ++ entering)
    assert {:error, error} = Linx.Process.wait(session)
    assert {error.stage, error.errno, error.detail} == {:oom_score_adj, :enodev, "777"}
  end

  test "nothing is renamed or moved where no fresh namespace was asked for" do
    {wire, agent} = Wire.open_envelope()

    for {key, value, namespace} <- [
          {:hostname, "box", :uts},
          {:domainname, "box", :uts},
          {:loopback, true, :net},
          {:time_offsets, {0, 1}, :time}
        ] do
      request = %{key => value, argv: ["/bin/true"], namespaces: [:mount]}
      Wire.say(wire, {1, {:spawn, request}})
      assert_receive {^wire, {1, {:error, 22, :malformed_request, detail}}}
      assert detail == "#{key}: only in a fresh namespace: #{namespace}"
    end

    assert Linx.Test.Leftovers.descendants(agent) == []
  end
end
