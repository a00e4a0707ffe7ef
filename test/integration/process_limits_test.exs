defmodule Linx.Integration.ProcessLimitsTest do
  use Linx.Case

  alias Linx.Test.Leftovers

  @limits [
    rlimits: [nofile: {100, 200}, core: 0, fsize: 4096],
    nice: 7,
    cpus: [0],
    umask: 0o027
  ]

  @ways [
    auto: [auto_proceed: true, init: false],
    parked: [init: false],
    init: [auto_proceed: true],
    parked_init: [],
    namespaces: [namespaces: [:user, :pid], auto_proceed: true]
  ]

  for {way, options} <- @ways do
    test "they hold in the workload and nowhere else: #{way}" do
      agents = before = agents()
      session = start([argv: ["/bin/sleep", "60"]] ++ unquote(options) ++ @limits)
      {:ok, pid} = Linx.Process.host_pid(session)

      assert limit(pid, "Max open files") == ["100", "200"]
      assert limit(pid, "Max core file size") == ["0", "0"]
      assert limit(pid, "Max file size") == ["4096", "4096"]
      assert nice(pid) == 7
      assert status(pid, "Cpus_allowed_list") == "0"
      assert status(pid, "Umask") == "0027"

      assert {:ok, {:signaled, _}} = Linx.Process.stop(session, 0)
      # The first session may have started the agent.
      if agents != [], do: assert(agents() == before)
    end
  end

  test "an init that serves again does so without them" do
    session = start([argv: ["/bin/sleep", "60"], auto_proceed: true] ++ @limits)
    assert {:ok, _} = Linx.Process.stop(session)
    session = start(argv: ["/bin/sleep", "60"], auto_proceed: true)
    {:ok, pid} = Linx.Process.host_pid(session)
    assert limit(pid, "Max open files") == limit(System.pid(), "Max open files")
    assert nice(pid) == nice(System.pid())
    assert status(pid, "Umask") == status(System.pid(), "Umask")
    assert {:ok, _} = Linx.Process.stop(session)
  end

  test "they hold in what is entered" do
    target = start(argv: ["/bin/sleep", "60"], namespaces: [:user, :pid], auto_proceed: true)

    script =
      "ulimit -n; ulimit -Hn; umask; sed -n 's/^Cpus_allowed_list:\\t//p' /proc/self/status"

    {:ok, session} =
      Linx.Process.enter(
        target,
        [argv: ["/bin/sh", "-c", script], stdio: :pipe, active: false, auto_proceed: true] ++
          @limits
      )

    said = for {:stdout, bytes} <- Linx.Process.stream!(session), into: "", do: bytes
    assert said == "100\n200\n0027\n0\n"
    # PID 1 of its namespace minds no SIGTERM.
    assert {:ok, _} = Linx.Process.stop(target, 0)
  end

  test "a program that goes past one meets what getrlimit(2) says" do
    path = Path.join(System.tmp_dir!(), "linx_limits_#{System.unique_integer([:positive])}")
    on_exit(fn -> File.rm(path) end)
    File.write!(path, "")
    File.chmod!(path, 0o666)
    script = "while :; do echo some more; done > #{path}"

    assert {"", {:signal, 25}} = Linx.cmd("sh", ["-c", script], rlimits: %{fsize: 1000})
    assert File.stat!(path).size == 1000
  end

  test "a limit that may not be raised is named, and nothing runs" do
    # Past /proc/sys/fs/nr_open root may not go either.
    options = [rlimits: [core: 0, nofile: :infinity], auto_proceed: true]
    {:ok, session} = Linx.Process.spawn([argv: ["/bin/true"]] ++ options)

    assert {:error, %Linx.Process.Error{} = error} = Linx.Process.wait(session)
    assert %{stage: :rlimits, errno: :eperm, detail: "nofile"} = error
    assert Exception.message(error) =~ "CAP_SYS_RESOURCE"
    refute_received {:linx_process, :running}
  end

  test "CPUs that are not there are an error of their own" do
    {:ok, session} =
      Linx.Process.spawn(argv: ["/bin/true"], cpus: [8191], auto_proceed: true, init: false)

    assert {:error, %Linx.Process.Error{stage: :cpus, errno: :einval}} =
             Linx.Process.wait(session)
  end

  test "without CAP_SYS_NICE there is no lower nice value" do
    {:ok, session} = Linx.Process.spawn(argv: ["/bin/true"], nice: -5)
    assert_receive {:linx_process, :ready, _}
    none = [effective: [], permitted: [], inheritable: []]
    assert Linx.Capabilities.set_thread_sets(session, none) == :ok
    assert Linx.Process.proceed(session) == :ok

    assert {:error, %Linx.Process.Error{stage: :nice, errno: errno}} = Linx.Process.wait(session)
    assert errno in [:eacces, :eperm]
  end

  defp start(options) do
    {:ok, session} = Linx.Process.spawn([stdio: options[:stdio] || :devnull] ++ options)

    unless options[:auto_proceed] do
      assert_receive {:linx_process, :ready, _}
      assert Linx.Process.proceed(session) == :ok
    end

    assert_receive {:linx_process, :running}
    session
  end

  # What the agents and the processes above them run under.
  defp agents do
    for {pid, _parent, name} <- Leftovers.table(), name in ["linx_process", "linx_guard"] do
      {pid, limit(pid, "Max open files"), nice(pid), status(pid, "Cpus_allowed_list")}
    end
  rescue
    # One of another run ended meanwhile.
    _ in [File.Error, MatchError] -> []
  end

  defp limit(pid, name) do
    line = "/proc/#{pid}/limits" |> File.read!() |> String.split("\n") |> Enum.find(&(&1 =~ name))

    line |> String.replace_prefix(name, "") |> String.split() |> Enum.take(2)
  end

  defp nice(pid) do
    [_, rest] = "/proc/#{pid}/stat" |> File.read!() |> String.split(") ", parts: 2)
    rest |> String.split() |> Enum.at(16) |> String.to_integer()
  end
end
