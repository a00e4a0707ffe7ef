defmodule Linx.Integration.HostileIsolationTest do
  use Linx.Case

  import Bitwise

  alias Linx.Test.{FixtureProgram, Hostile, Parked}
  alias Linx.Test.Hostile.Wire

  @moduletag :user_namespaces

  @none "0000000000000000"

  describe "in a session of every kind" do
    test "a workload has fds 0, 1 and 2 and no other" do
      # More for it to inherit than the agent's own.
      wire = envelope(start_with: ["open:9:/etc", "open:77:/dev/null"])

      for kind <- Hostile.kinds() do
        {_id, pid} = Hostile.running(wire, kind, Hostile.request(kind))
        assert fds(pid) == ["0", "1", "2"], "#{kind}"
        device = if kind == :pty, do: ~r{^/dev/pts/\d+$}, else: ~r{^/dev/null$}
        for fd <- 0..2, do: assert(link(pid, fd) =~ device)
      end
    end

    @tag :root
    test "a parked child has besides only its channel and what becomes its fds" do
      wire = envelope()

      for kind <- Hostile.parked_kinds() do
        {_id, pid} = Hostile.parked(wire, kind, Hostile.request(kind))
        links = for fd <- fds(pid), fd not in ["0", "1", "2"], do: link(pid, fd)
        {sockets, others} = Enum.split_with(links, &String.starts_with?(&1, "socket:"))
        assert {kind, length(sockets)} == {kind, 1}
        device = if kind == :pty, do: ~r{^/dev/pts/\d+$}, else: ~r{^/dev/null$}
        for other <- others, do: assert(other =~ device, "#{kind}: #{other}")
      end
    end

    test "a workload leads a session of its own, with a terminal only if it was given one" do
      wire = envelope()

      for kind <- Hostile.kinds() do
        {_id, pid} = Hostile.running(wire, kind, Hostile.request(kind))
        [group, session, terminal] = pid |> stat() |> Enum.slice(2, 3)
        assert {kind, group, session} == {kind, "#{pid}", "#{pid}"}
        assert terminal == "0" == (kind != :pty)
      end
    end

    test "a workload has default signal dispositions and an empty mask, whatever its parents had" do
      # Without a session in between they are inherited.
      ignored = Hostile.outside(["/bin/grep", "SigIgn", "/proc/self/status"], ["signals"])
      assert ignored =~ ~r/^SigIgn:	f/

      wire = envelope(start_with: ["signals"])

      for kind <- Hostile.kinds() do
        {_id, pid} = Hostile.running(wire, kind, Hostile.request(kind))
        sets = for set <- ["SigBlk", "SigIgn", "SigCgt"], do: status(pid, set)
        assert {kind, sets} == {kind, [@none, @none, @none]}
      end
    end

    test "a workload has a session keyring of its own" do
      wire = envelope()
      argv = [FixtureProgram.path("keyring")]

      described =
        for kind <- Hostile.kinds() do
          assert {text, {:status, :exited, 0}} = Hostile.output(wire, kind, %{argv: argv})
          assert text =~ ~r/^\d+ keyring;.*;_ses\n$/, "#{kind}: #{text}"
          text
        end

      all = [Hostile.outside([FixtureProgram.path("keyring")]) | described]
      serials = for text <- all, do: text |> String.split() |> hd()
      assert serials == Enum.uniq(serials)
    end

    test "a workload finds no key of the agent's parents" do
      name = "linx-test-#{System.unique_integer([:positive])}"
      circumstances = ["key:#{name}:the payload"]
      # Without a session in between it is there.
      assert Hostile.outside([FixtureProgram.path("keyring"), name], circumstances) ==
               "the payload\n"

      wire = envelope(start_with: circumstances)

      for kind <- Hostile.kinds() do
        argv = [FixtureProgram.path("keyring"), name]
        assert {text, _} = Hostile.output(wire, kind, %{argv: argv})
        assert {kind, text} == {kind, "none 126\n"}
      end
    end

    test "a workload inherits no inheritable or ambient capability" do
      wire = envelope(start_with: ["inheritable"])

      for kind <- Hostile.kinds() do
        {_id, pid} = Hostile.running(wire, kind, Hostile.request(kind))
        assert {kind, status(pid, "CapInh")} == {kind, @none}
        assert {kind, status(pid, "CapAmb")} == {kind, @none}
      end
    end
  end

  @tag :root
  test "inheritable and ambient capabilities can be asked for" do
    # Without a session in between they are inherited.
    inherited = Hostile.outside(["/bin/grep", "CapInh", "/proc/self/status"], ["inheritable"])
    refute inherited =~ @none

    wire = envelope(start_with: ["inheritable"])
    net_raw = 1 <<< 13
    {id, pid} = Hostile.parked(wire, :init, Hostile.request(:init))
    Wire.say(wire, {id, {:cap_set_thread, net_raw, net_raw, net_raw}})
    Wire.say(wire, {id, {:cap_set_ambient, net_raw}})
    Wire.say(wire, {id, :proceed})
    assert_receive {^wire, {^id, {:status, :running}}}
    assert status(pid, "CapInh") == "0000000000002000"
    assert status(pid, "CapAmb") == "0000000000002000"
  end

  describe "a working directory" do
    test "is not reached through a descriptor of the agent or its parents" do
      wire = envelope(start_with: ["open:9:/etc"])

      for kind <- Hostile.kinds(), fd <- [3, 4, 5, 6, 7, 8, 9] do
        cwd = "/proc/self/fd/#{fd}"
        id = fail(wire, kind, Map.put(Hostile.request(kind), :cwd, cwd))
        assert_receive {^wire, {^id, event}}
        assert {:error, _, :chdir, ^cwd} = event, "#{kind}: #{inspect(event)}"
      end
    end

    test "is the one that was asked for, as an absolute path" do
      wire = envelope(start_with: ["open:9:/etc"])

      for kind <- Hostile.kinds() do
        {_id, pid} =
          Hostile.running(wire, kind, Map.put(Hostile.request(kind), :cwd, "/usr/lib/.."))

        assert {kind, File.read_link!("/proc/#{pid}/cwd")} == {kind, "/usr"}
      end
    end

    test "outside of the root of an entered container is refused" do
      # A descriptor that the workload may have, but that leads out.
      wire = envelope(start_with: ["open:0:/etc"])
      container = container(wire)
      argv = ["/container", "cwd"]

      {path, listener} = listen()
      stdio = [stdout: {:connect_unix, path}, stderr: :devnull]
      inside = %{argv: argv, target: {:session, container}, stdio: stdio}

      for id <- [21, 22], cwd = Enum.at([nil, "/proc"], id - 21) do
        Wire.say(wire, {id, {:enter, Map.merge(inside, %{auto_proceed: true, cwd: cwd})}})
        {:ok, socket} = :gen_tcp.accept(listener, 5000)
        assert read_all(socket, "") == "#{cwd}\n"
        assert_receive {^wire, {^id, {:status, :exited, 0}}}
      end

      request = Map.merge(inside, %{auto_proceed: true, cwd: "/proc/self/fd/0"})
      Wire.say(wire, {23, {:enter, request}})
      assert_receive {^wire, {23, {:error, 2, :chdir, "/proc/self/fd/0"}}}
    end
  end

  describe "an agent that is started without fds 0, 1 and 2" do
    for closed <- [[0], [1], [2], [0, 1], [0, 2], [0, 1, 2]] do
      test "has nothing of its own there (#{inspect(closed)})" do
        closed = unquote(closed)
        opened = for fd <- [0, 1, 2] -- closed, do: "open:#{fd}:/dev/zero"
        wire = Wire.open(start_with: opened ++ for(fd <- closed, do: "close:#{fd}"))
        Wire.say(wire, {:hello, 1})
        assert_receive {^wire, {:hello, %{pid: agent}}}
        Hostile.open_target(wire)
        expected = for fd <- 0..2, do: if(fd in closed, do: "/dev/null", else: "/dev/zero")

        if Parked.own("Uid") == 0 do
          assert links(agent) == expected
        end

        for kind <- Hostile.kinds() -- [:pty] do
          {_id, pid} = Hostile.running(wire, kind, %{argv: Hostile.idle()})
          assert {kind, links(pid)} == {kind, expected}
          {_id, pid} = Hostile.running(wire, kind, Hostile.request(kind))
          assert {kind, links(pid)} == {kind, List.duplicate("/dev/null", 3)}
          assert fds(pid) == ["0", "1", "2"]
        end

        argv = ["/bin/echo", "written"]
        assert {"written\n", {:status, :exited, 0}} = Hostile.output(wire, :init, %{argv: argv})
        assert {"written\n", {:status, :exited, 0}} = Hostile.output(wire, :pty, %{argv: argv})
      end
    end
  end

  defp envelope(options \\ []) do
    {wire, _agent} = Wire.open_envelope(options)
    Hostile.open_target(wire)
    wire
  end

  # Past its checkpoint, where it is to fail.
  defp fail(wire, kind, request) do
    {id, _pid} = Hostile.parked(wire, kind, request)
    unless kind not in Hostile.parked_kinds(), do: Wire.say(wire, {id, :proceed})
    id
  end

  defp fds(pid), do: "/proc/#{pid}/fd" |> File.ls!() |> Enum.sort()

  defp links(pid), do: for(fd <- 0..2, do: link(pid, fd))

  defp link(pid, fd), do: File.read_link!("/proc/#{pid}/fd/#{fd}")

  # From the third field of /proc/PID/stat, the state, on.
  defp stat(pid) do
    [_, fields] = Regex.run(~r/\) (.*)/s, File.read!("/proc/#{pid}/stat"))
    String.split(fields)
  end

  # A running session that has a root of its own; its id.
  defp container(wire) do
    {path, listener} = listen()
    argv = [FixtureProgram.path("container"), tmp_dir()]
    stdio = [stdin: {:connect_unix, path}, stdout: {:connect_unix, path}]
    request = %{argv: argv, namespaces: [:user, :mount, :pid], stdio: stdio}
    Wire.say(wire, {20, {:spawn, request}})
    {:ok, _stdin} = :gen_tcp.accept(listener, 5000)
    {:ok, stdout} = :gen_tcp.accept(listener, 5000)
    assert_receive {^wire, {20, {:status, :spawned, pid}}}
    assert_receive {^wire, {20, {:status, :ready, _}}}
    :ok = Linx.User.setup_maps(pid, Parked.own_maps())
    Wire.say(wire, {20, :proceed})
    assert {:ok, "here\n"} = :gen_tcp.recv(stdout, 5, 5000)
    20
  end
end
