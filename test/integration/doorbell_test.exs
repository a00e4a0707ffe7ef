defmodule Linx.Integration.DoorbellTest do
  use Linx.Case

  alias Linx.{Doorbell, Sandbox}
  alias Linx.Test.{FixtureProgram, Hostile.Memory, Hostile.Stranger, Parked}

  @moduletag :user_namespaces

  @ms 30_000
  @title "linx-test-bell"
  # EPERM and EACCES.
  @denied [1, 13]

  # A container whose root has every capability in it, and its first process.
  defp container do
    sandbox =
      Sandbox.new()
      |> Sandbox.namespaces([:user, :pid, :uts, :ipc, :net, :cgroup])
      |> Sandbox.user(0)
      |> Sandbox.group(0)
      |> Sandbox.proc()
      |> Sandbox.capabilities({:keep, Linx.Capabilities.Constants.all()})

    tag = make_ref()
    # PID 1 of a namespace is deaf to SIGTERM.
    own = [argv: ["/bin/sleep", "1000"], sandbox: sandbox, stdio: :devnull, tag: tag]
    own = [orphan_policy: {:kill, 0}, auto_proceed: true] ++ own
    {:ok, container} = Linx.Process.spawn(own)
    assert_receive {:linx_process, ^tag, :running}, @ms
    container
  end

  # What a script says inside as the container's root, and its exit code.
  defp inside(container, script), do: inside_argv(container, sh(script))

  defp inside_argv(container, argv) do
    options = [active: false, auto_proceed: true, tag: make_ref(), stdio: [stdout: :pipe]]
    {:ok, session} = Linx.Process.enter(container, [argv: argv] ++ options)
    said = for {:stdout, bytes} <- Linx.Process.stream!(session), into: "", do: bytes
    {:ok, {:exited, code}} = Linx.Process.wait(session, @ms)
    {said, code}
  end

  defp ring(container, title \\ @title), do: inside(container, "pkill -HUP -f '^#{title}$'")

  defp install(target, options \\ []) do
    test = self()
    own = [title: @title, on_ring: fn -> send(test, :acted) end, debounce: 0]
    {:ok, bell} = Doorbell.install(target, Keyword.merge(own, options))
    assert_receive {:linx_doorbell, ^bell, {:armed, probe}}, @ms
    {bell, probe}
  end

  defp again(bell) do
    assert_receive {:linx_doorbell, ^bell, {:armed, probe}}, @ms
    probe
  end

  defp told(bell) do
    assert_receive {:linx_doorbell, ^bell, event}, @ms
    event
  end

  describe "a ring" do
    test "comes from inside by name, again and again" do
      container = container()
      {bell, first} = install(container)
      assert inside(container, "pgrep -f '^#{@title}$' | wc -l") == {"1\n", 0}
      assert inside(container, "pgrep -x #{@title}") |> elem(1) == 0

      second =
        Enum.reduce(1..3, first, fn _, before ->
          assert ring(container) == {"", 0}
          assert told(bell) == :rung
          assert_receive :acted, @ms
          assert told(bell) == {:action, {:ok, :acted}}
          probe = again(bell)
          assert probe != before
          assert_gone(before)
          probe
        end)

      assert Doorbell.info(bell) ==
               {:ok, %{title: @title, status: :armed, host_pid: second, rings: 3}}

      assert Doorbell.remove(bell) == :ok
      assert told(bell) == {:gone, :removed}
      assert_gone(second)
      assert Doorbell.remove(bell) == {:error, :no_doorbell}
    end

    test "comes by busybox, and by kill" do
      container = container()
      {bell, _probe} = install(container)
      assert {_, 0} = inside(container, "busybox kill -HUP $(busybox pidof #{@title})")
      assert told(bell) == :rung
      assert told(bell) == {:action, {:ok, :acted}}
      again(bell)
      assert {_, 0} = inside(container, "kill -1 $(pgrep -f '^#{@title}$')")
      assert told(bell) == :rung
    end

    test "runs a command of the host, which is given nothing" do
      container = container()
      path = Path.join(tmp_dir(), "rung")
      {bell, _probe} = install(container, on_ring: sh("echo $#, $(cat) >> #{path}; exit 5"))
      assert ring(container) == {"", 0}
      assert told(bell) == :rung
      assert told(bell) == {:action, {:ok, {:exited, 5}}}
      assert File.read!(path) == "0,\n"
    end

    test "tells a function of one argument which it was" do
      container = container()
      test = self()
      {bell, _probe} = install(container, on_ring: &send(test, {:ring, &1}))
      ring(container)
      assert_receive {:ring, %{doorbell: ^bell, title: @title, rings: 1}}, @ms
    end

    test "whose action fails is told, and the doorbell goes on" do
      container = container()
      {bell, _probe} = install(container, on_ring: fn -> raise "oops" end)

      for _ <- 1..2 do
        assert ring(container) == {"", 0}
        assert told(bell) == :rung
        assert {:action, {:error, {%RuntimeError{message: "oops"}, [_ | _]}}} = told(bell)
        again(bell)
      end

      {:ok, other} =
        Doorbell.install(container, title: "other", on_ring: fn -> exit_by_kill() end, tag: :other)

      assert_receive {:linx_doorbell, :other, {:armed, _}}
      ring(container, "other")
      assert_receive {:linx_doorbell, :other, {:action, {:error, :killed}}}, @ms
      assert_receive {:linx_doorbell, :other, {:armed, _}}, @ms
      assert Doorbell.remove(other) == :ok
    end

    test "is SIGHUP and nothing else" do
      container = container()
      {bell, _probe} = install(container)

      for {name, number} <- [KILL: 9, TERM: 15, USR1: 10, RTMIN: 34] do
        assert {"", 0} = inside(container, "pkill -#{name} -f '^#{@title}$'")
        assert told(bell) == {:lost, {:signaled, number}}
        again(bell)
      end

      refute_received :acted
      assert {:ok, %{rings: 0, status: :armed}} = Doorbell.info(bell)
    end

    test "is one, however many come at once" do
      container = container()
      {bell, _probe} = install(container, debounce: 600_000)
      flood = "for i in $(seq 40); do pkill -HUP -f '^#{@title}$' & done; wait"
      assert {_, 0} = inside(container, flood)
      assert told(bell) == :rung
      assert told(bell) == {:action, {:ok, :acted}}
      assert {_, 0} = inside(container, flood)
      # Who comes too early is told that nobody is there.
      assert ring(container) == {"", 1}
      assert {:ok, %{rings: 1, status: :resting}} = Doorbell.info(bell)
      refute_received {:linx_doorbell, ^bell, _}
    end

    test "finds nobody while the action runs, and no second action" do
      container = container()
      test = self()

      {bell, _probe} =
        install(container,
          on_ring: fn ->
            send(test, {:acting, self()})
            receive do: (:done -> :ok)
          end
        )

      assert ring(container) == {"", 0}
      assert_receive {:acting, action}, @ms
      assert ring(container) == {"", 1}
      send(action, :done)
      assert told(bell) == :rung
      assert told(bell) == {:action, {:ok, :ok}}
      again(bell)
      refute_received {:acting, _}
    end

    test "is the only one with rearm: false" do
      container = container()
      {bell, _probe} = install(container, rearm: false)
      assert ring(container) == {"", 0}
      assert told(bell) == :rung
      assert told(bell) == {:action, {:ok, :acted}}
      assert told(bell) == {:gone, :rung}
      assert Doorbell.info(bell) == {:error, :no_doorbell}
      assert ring(container) == {"", 1}
    end
  end

  describe "the probe" do
    test "has no capability, no file, no environment, and a filter" do
      container = container()
      {_bell, probe} = install(container)

      for set <- ~w(CapInh CapPrm CapEff CapBnd CapAmb),
          do: assert(status(probe, set) =~ ~r/^0+$/)

      assert status(probe, "NoNewPrivs") == "1"
      assert status(probe, "Seccomp") == "2"
      for mask <- ~w(SigIgn SigCgt SigPnd ShdPnd), do: assert(status(probe, mask) =~ ~r/^0+$/)
      wait_until(fn -> status(probe, "SigBlk") =~ ~r/^0+$/ end, "signals are blocked")
      assert status(probe, "Threads") == "1"
      assert File.read!("/proc/#{probe}/cmdline") == @title <> "\0"
      assert File.read!("/proc/#{probe}/comm") == @title <> "\n"
      # Who may look into it, finds nothing; who may not, is told so.
      assert File.ls("/proc/#{probe}/fd") in [{:ok, []}, {:error, :eacces}]
      assert File.read("/proc/#{probe}/environ") in [{:ok, ""}, {:error, :eacces}]
      assert {_, 0} = inside(container, "kill -0 $(pgrep -f '^#{@title}$')")
    end

    @tag :root
    test "holds none of the agent's memory but its code" do
      container = container()
      {_bell, probe} = install(container)
      secret = "LINX_TEST_SECRET_OF_THE_BEAM"
      agent = probe |> status("PPid") |> String.to_integer()
      # The agent has its environment on its stack, and the plan on its heap.
      path = System.get_env("PATH")
      assert Memory.holds?(agent, path)

      regions =
        for line <- File.stream!("/proc/#{probe}/maps"), not (line =~ "vsyscall"), do: line

      for line <- regions, line =~ "rw" do
        [from, to] =
          line
          |> String.split(" ")
          |> hd()
          |> String.split("-")
          |> Enum.map(&String.to_integer(&1, 16))

        {:ok, memory} = :file.open("/proc/#{probe}/mem", [:read, :raw, :binary])
        {:ok, bytes} = :file.pread(memory, from, to - from)
        :file.close(memory)
        assert to - from <= 8192
        for text <- [path, "PATH=", "HOME=", secret], do: refute(String.contains?(bytes, text))
      end

      assert length(Enum.filter(regions, &(&1 =~ "rw"))) <= 3
    end

    test "is not to be looked into by the container's root, who has every capability" do
      container = container()
      {bell, _probe} = install(container)
      {pid, 0} = inside(container, "pgrep -f '^#{@title}$'")
      pid = String.trim(pid)
      assert {"CapEff:\t" <> all, 0} = inside(container, "grep CapEff /proc/self/status")

      assert status("self", "CapBnd") |> String.to_integer(16) <=
               String.to_integer(String.trim(all), 16)

      {said, 0} = inside_argv(container, [FixtureProgram.path("intrude"), pid, "1"])
      outcomes = for line <- String.split(said, "\n", trim: true), do: String.split(line, " ")
      assert length(outcomes) == 22

      for [way, ^pid, outcome] <- outcomes,
          do: assert(String.to_integer(outcome) in @denied, "#{way} answers #{outcome}")

      # Its own first process is open to it, so that the ways are known to work.
      for [way, "1", outcome] <- outcomes,
          do: refute(String.to_integer(outcome) in @denied, "#{way} answers #{outcome}")

      files = ~w(mem environ maps auxv syscall stack io ns/mnt exe root cwd fd/0 personality)
      read = for file <- files, do: "cat /proc/#{pid}/#{file} && echo read #{file}"
      assert {said, _} = inside(container, "(#{Enum.join(read, "; ")}) 2>/dev/null")
      assert said == ""
      assert {_, 1} = inside(container, "nsenter -t #{pid} -m true 2>/dev/null")
      assert {_, 1} = inside(container, "cd /proc/#{pid}/cwd 2>/dev/null || exit 1")
      # All that was no ring.
      assert {:ok, %{rings: 0, status: :armed}} = Doorbell.info(bell)
    end

    @tag :root
    test "takes a few pages" do
      container = container()
      bells = for n <- 1..20, do: install(container, title: "#{@title}-#{n}")

      for {_bell, probe} <- bells do
        rollup = File.read!("/proc/#{probe}/smaps_rollup")
        [_, kb] = Regex.run(~r/^Private_Dirty: +(\d+) kB$/m, rollup)
        assert String.to_integer(kb) <= 16
      end
    end

    test "shows nothing of the host's cgroups where root may move it" do
      container = container()
      {_bell, _probe} = install(container)
      own = inside(container, "cat /proc/1/cgroup")

      if Parked.own("Uid") == 0,
        do: assert(inside(container, "cat /proc/$(pgrep -f '^#{@title}$')/cgroup") == own)
    end

    test "cannot be rung by a look-alike" do
      container = container()
      {bell, _probe} = install(container)

      assert {_, 0} =
               inside(
                 container,
                 """
                 exec 3>&1
                 ( exec -a #{@title}-2 sleep 100 >/dev/null ) & child=$!
                 while ! pgrep -f '^#{@title}-2' >/dev/null; do :; done
                 kill -HUP $child
                 wait $child 2>/dev/null
                 exit 0
                 """
                 |> bash()
               )

      assert {:ok, %{rings: 0, status: :armed}} = Doorbell.info(bell)
      refute_received {:linx_doorbell, ^bell, _}
    end

    defp bash(script), do: "exec bash -c '#{String.replace(script, "'", "'\\''")}'"

    @tag :root
    test "has the target's ids, or those that are asked for" do
      user = [argv: ["/bin/sleep", "1000"], uid: 61_184, gid: 61_185, stdio: :devnull]
      {target, host_pid} = running(user)

      for into <- [target, host_pid] do
        {bell, probe} = install(into)
        assert status(probe, "Uid") == "61184\t61184\t61184\t61184"
        assert status(probe, "Gid") == "61185\t61185\t61185\t61185"
        assert status(probe, "Groups") |> String.trim() == ""
        # That user may ring.
        options = [argv: ["/bin/kill", "-HUP", "#{probe}"], tag: make_ref(), auto_proceed: true]
        {:ok, session} = Linx.Process.enter(target, [stdio: :devnull] ++ options)
        assert Linx.Process.wait(session) == {:ok, {:exited, 0}}
        assert told(bell) == :rung
        assert told(bell) == {:action, {:ok, :acted}}
        again(bell)
        Doorbell.remove(bell)
        assert told(bell) == {:gone, :removed}
      end

      {bell, probe} = install(host_pid, uid: 0, gid: 61_186)
      assert status(probe, "Uid") =~ ~r/^0\t0/
      assert status(probe, "Gid") =~ ~r/^61186\t61186/
      options = [argv: ["/bin/kill", "-HUP", "#{probe}"], tag: make_ref(), auto_proceed: true]
      {:ok, session} = Linx.Process.enter(target, [stdio: :devnull] ++ options)
      assert Linx.Process.wait(session) == {:ok, {:exited, 1}}
      assert {:ok, %{rings: 0, status: :armed}} = Doorbell.info(bell)
    end
  end

  describe "a title" do
    test "is whole in the command line, or refused" do
      container = container()
      title = String.duplicate("long/title ", 23) <> "z!"
      assert byte_size(title) == 255
      {_bell, probe} = install(container, title: title)
      assert File.read!("/proc/#{probe}/cmdline") == title <> "\0"
      assert File.read!("/proc/#{probe}/comm") == binary_part(title, 0, 15) <> "\n"

      for bad <- [title <> "x", "", "a\0b"] do
        assert Doorbell.install(container, title: bad, on_ring: ["true"]) ==
                 {:error, {:bad_title, bad}}
      end
    end
  end

  describe "a target" do
    test "that is not there is an error" do
      assert {:error, %Linx.Process.Error{stage: :open_target, errno: :esrch}} =
               Doorbell.install(4_194_305, title: "t", on_ring: ["true"])

      container = container()
      assert {:ok, _} = Linx.Process.stop(container, 0)

      assert Doorbell.install(container, title: "t", on_ring: ["true"]) ==
               {:error, :no_process}
    end

    test "takes its doorbells along, by session or pid, with a pid namespace or without" do
      contained = container()
      tag = make_ref()
      plain = [argv: ["/bin/sleep", "1000"], stdio: :devnull, auto_proceed: true, tag: tag]
      {:ok, plain} = Linx.Process.spawn(plain)
      assert_receive {:linx_process, ^tag, :running}, @ms

      for target <- [contained, plain] do
        {:ok, host_pid} = Linx.Process.host_pid(target)
        bells = for into <- [target, host_pid], do: install(into)
        Linx.Process.stop(target, 0)

        for {bell, probe} <- bells do
          assert gone(bell) == :target_ended
          assert_gone(probe)
          assert Doorbell.info(bell) == {:error, :no_doorbell}
        end
      end
    end

    @tag :root
    test "is never another process that has got its pid" do
      {port, host_pid} = foreign()
      test = self()

      {bell, probe} =
        install(host_pid,
          on_ring: fn ->
            send(test, {:acting, self()})
            receive do: (:done -> :ok)
          end
        )

      {_, 0} = System.cmd("kill", ["-HUP", "#{probe}"])
      assert_receive {:acting, action}, @ms
      Port.close(port)
      stranger = Stranger.take(host_pid)
      send(action, :done)
      assert told(bell) == :rung
      assert told(bell) == {:action, {:ok, :ok}}
      assert told(bell) == {:gone, :target_ended}
      assert Stranger.fate(stranger) == "untouched"
    end

    test "that is a sandbox by a preset rings where that lets it signal" do
      for {preset, code} <- [container: 0, build: 0, strict: 1] do
        sandbox = Sandbox.new(preset)
        own = [argv: ["/bin/sleep", "1000"], sandbox: sandbox, stdio: :devnull]
        tag = make_ref()
        own = [orphan_policy: {:kill, 0}, auto_proceed: true, tag: tag] ++ own
        {:ok, container} = Linx.Process.spawn(own)
        assert_receive {:linx_process, ^tag, :running}, @ms
        {bell, _probe} = install(container)
        assert {preset, ring(container)} == {preset, {"", code}}
        if code == 0, do: assert(told(bell) == :rung)
        assert Doorbell.remove(bell) == :ok
      end
    end

    # What comes before it depends on who sees the end first.
    defp gone(bell) do
      case told(bell) do
        {:gone, reason} -> reason
        {:lost, {:signaled, 9}} -> gone(bell)
        {:not_armed, _} -> gone(bell)
      end
    end

    test "can be another's process, and need not be known to Linx" do
      {port, host_pid} = foreign()
      {bell, probe} = install(host_pid)
      {_, 0} = System.cmd("kill", ["-HUP", "#{probe}"])
      assert told(bell) == :rung
      assert told(bell) == {:action, {:ok, :acted}}
      again(bell)
      Port.close(port)
      assert gone(bell) == :target_ended
    end

    defp foreign do
      port = Port.open({:spawn_executable, "/bin/cat"}, [])
      {:os_pid, pid} = Port.info(port, :os_pid)
      {port, pid}
    end
  end

  describe "a doorbell" do
    test "ends with its owner, and so does an action of it" do
      container = container()
      test = self()

      owner =
        spawn(fn ->
          {:ok, bell} = Doorbell.install(container, title: @title, on_ring: ["sleep", "1000"])
          send(test, {:bell, bell})
          receive do: ({:linx_doorbell, ^bell, :rung} -> send(test, :rung))
          receive do: (:never -> :ok)
        end)

      assert_receive {:bell, bell}, @ms
      monitor = Process.monitor(bell)
      assert ring(container) == {"", 0}
      assert_receive :rung, @ms
      Process.exit(owner, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^bell, :normal}, @ms
      assert ring(container) == {"", 1}
    end

    test "leaves nothing when it is killed" do
      container = container()
      {bell, probe} = install(container)
      Process.exit(bell, :kill)
      assert_gone(probe)
    end

    test "is a child of a supervisor" do
      container = container()
      {:ok, host_pid} = Linx.Process.host_pid(container)
      test = self()

      children =
        for {target, title} <- [{container, "a"}, {host_pid, "b"}] do
          {Doorbell,
           target: target,
           title: title,
           on_ring: fn -> send(test, title) end,
           owner: self(),
           tag: title}
        end

      start = {Supervisor, :start_link, [children, [strategy: :one_for_one]]}
      {:ok, supervisor} = start_supervised(%{id: :bells, type: :supervisor, start: start})
      assert %{active: 2} = Supervisor.count_children(supervisor)

      for title <- ["a", "b"] do
        assert_receive {:linx_doorbell, ^title, {:armed, _}}, @ms
        assert ring(container, title) == {"", 0}
        assert_receive ^title, @ms
        assert_receive {:linx_doorbell, ^title, {:armed, _}}, @ms
      end

      # One that crashes is started anew; those whose target has ended are not.
      [{_, bell, _, _} | _] = Supervisor.which_children(supervisor)
      Process.exit(bell, :kill)
      assert_receive {:linx_doorbell, _title, {:armed, _}}, @ms
      Linx.Process.stop(container, 0)
      for title <- ["a", "b"], do: assert_receive({:linx_doorbell, ^title, {:gone, _}}, @ms)
      wait_until(fn -> Supervisor.count_children(supervisor).active == 0 end, "restarted")
      stop_supervised(:bells)
    end

    test "can be one of hundreds" do
      container = container()
      titles = for n <- 1..200, do: "bell-#{n}-of-many"

      bells =
        titles
        |> Task.async_stream(
          fn title ->
            {:ok, bell} =
              Doorbell.install(container, title: title, on_ring: fn -> title end, owner: owner())

            {bell, title}
          end,
          timeout: @ms,
          max_concurrency: 20
        )
        |> Enum.map(fn {:ok, bell} -> bell end)

      for {bell, _title} <- bells, do: again(bell)
      assert {"200\n", 0} = inside(container, "pgrep -c -f '^bell-[0-9]*-of-many$'")
      assert {_, 0} = inside(container, "pkill -HUP -f '^bell-[0-9]*-of-many$'")

      for {bell, title} <- bells do
        assert told(bell) == :rung
        assert told(bell) == {:action, {:ok, title}}
        again(bell)
      end

      assert {"200\n", 0} = inside(container, "pgrep -c -f '^bell-[0-9]*-of-many$'")
      for {bell, _title} <- bells, do: assert(Doorbell.remove(bell) == :ok)
      assert {"0\n", 1} = inside(container, "pgrep -c -f '^bell-[0-9]*-of-many$'")
    end

    defp owner, do: Process.get(:"$callers") |> List.last()
  end

  defp exit_by_kill do
    Process.exit(self(), :kill)
    receive do: (:never -> :ok)
  end
end
