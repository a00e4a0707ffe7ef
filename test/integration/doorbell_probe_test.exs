defmodule Linx.Integration.DoorbellProbeTest do
  use Linx.Case

  import Linx.Test.Doorbells

  alias Linx.Doorbell
  alias Linx.Test.{FixtureProgram, Hostile.Memory, Parked}

  @moduletag :user_namespaces

  @title title()
  # EPERM and EACCES.
  @denied [1, 13]

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
end
