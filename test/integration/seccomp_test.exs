defmodule Linx.Integration.SeccompTest do
  use Linx.Case

  import Linx.Test.Parked

  alias Linx.Seccomp
  alias Linx.Seccomp.Builder

  @sigsys 31

  # An allow-everything program: BPF_RET | BPF_K, SECCOMP_RET_ALLOW.
  @allow_all <<0x06::16-native, 0, 0, 0x7FFF0000::32-native>>

  describe "making a filter" do
    test "a call that this machine lacks is named" do
      assert Seccomp.deny_list([:mount, :linx_call]) == {:error, {:unknown_syscall, :linx_call}}
      assert Seccomp.allow_list([:read, :Read]) == {:error, {:unknown_syscall, :Read}}

      assert Seccomp.builder() |> Builder.allow(:nonsense) |> Builder.build(:log) ==
               {:error, {:unknown_syscall, :nonsense}}

      # Of another architecture.
      foreign = if Seccomp.arch() == :x86_64, do: :s390_runtime_instr, else: :arch_prctl
      assert Seccomp.deny_list([foreign]) == {:error, {:unknown_syscall, foreign}}
    end

    test "every action, and a rule that repeats the default" do
      for action <- [:allow, :log, :trap, :kill_thread, :kill_process, {:errno, :enosys}] do
        assert {:ok, filter} =
                 Seccomp.from_rules({[{action, [:ptrace]}, {:allow, [:read]}], action})

        assert Seccomp.to_rules(filter) == {[{action, [:ptrace]}, {:allow, [:read]}], action}
      end
    end

    test "a filter without a rule" do
      assert {:ok, _} = Seccomp.allow_list([])
    end
  end

  describe "compiling" do
    test "makes a program that installs as the filter does" do
      {:ok, filter} = Seccomp.Filter.new([{{:errno, :eperm}, [:ptrace, :mount]}], :log)
      {:ok, bpf} = Seccomp.compile(filter)
      assert rem(byte_size(bpf), 8) == 0

      assert Seccomp.compile(filter) == {:ok, bpf}

      {session, pid} = park(argv: ["/bin/sleep", "60"])
      assert Seccomp.install(session, bpf) == :ok
      proceed(session)
      assert status(pid, "Seccomp") == "2"
    end

    test "names the call that this machine lacks" do
      {:ok, filter} = Seccomp.Filter.new([{:log, [:linx_call]}], :allow)
      assert Seccomp.compile(filter) == {:error, {:unknown_syscall, :linx_call}}
    end
  end

  describe "an installed filter" do
    test "is the workload's only filter, with no_new_privs, and shows from outside" do
      {session, pid} = park(argv: ["/bin/sleep", "60"])
      {:ok, filter} = Seccomp.deny_list([:ptrace])
      assert Seccomp.install(session, filter) == :ok
      proceed(session)

      assert status(pid, "Seccomp") == "2"
      assert status(pid, "Seccomp_filters") == filters_of_beam(1)
      assert status(pid, "NoNewPrivs") == "1"
    end

    test "makes the named calls fail with the given error" do
      {:ok, filter} = Seccomp.deny_list([:mkdir, :mkdirat], deny_action: {:errno, :enospc})
      {output, outcome} = run_filtered("mkdir /tmp/linx-never", filter)
      assert output =~ "No space left on device"
      assert {:exited, 1} = outcome
      refute File.exists?("/tmp/linx-never")
    end

    test "kills at a call that is not on the list" do
      # What a shell needs to start, without the means to make a directory.
      {:ok, filter} = Seccomp.deny_list([:mkdir, :mkdirat], deny_action: :kill_process)
      assert {_, {:signaled, @sigsys}} = run_filtered("exec mkdir /tmp/linx-never", filter)
      refute File.exists?("/tmp/linx-never")
    end

    test "of an allow list may leave out everything that Linx itself does" do
      {:ok, filter} = Seccomp.allow_list([:execve])
      {session, _pid} = park(argv: ["/bin/true"])
      assert Seccomp.install(session, filter) == :ok
      assert Linx.Process.proceed(session) == :ok

      # The program was executed, and killed at its loader's first call.
      assert_receive {:linx_process, :running}
      assert_receive {:linx_process, :signaled, @sigsys}
    end

    test "that kills at execve is never reported as running" do
      {:ok, filter} = Seccomp.deny_list([:execve, :execveat], deny_action: :kill_process)
      {session, _pid} = park(argv: ["/bin/true"])
      assert Seccomp.install(session, filter) == :ok
      assert Linx.Process.proceed(session) == :ok
      assert_receive {:linx_process, :signaled, @sigsys}
      refute_received {:linx_process, :running}
    end

    test "is one of several, and the strictest answer holds" do
      {session, pid} = park(argv: ["/bin/sleep", "60"])
      {:ok, deny} = Seccomp.deny_list([:ptrace])
      {:ok, log} = Seccomp.from_rules({[{:log, [:ptrace]}], :allow})
      assert Seccomp.install(session, deny) == :ok
      assert Seccomp.install(session, log) == :ok
      assert Seccomp.install(session, @allow_all) == :ok
      proceed(session)
      assert status(pid, "Seccomp_filters") == filters_of_beam(3)
    end

    # A filter of the BEAM's own, as in a container, is inherited.
    defp filters_of_beam(more) do
      Integer.to_string(String.to_integer(status("self", "Seccomp_filters")) + more)
    end
  end

  describe "calls by another way than the native one" do
    @native 0
    @x32 1
    @i386 2

    if Seccomp.arch() == :x86_64 do
      # What the machine does with them when no filter is there depends on its kernel.
      test "kill the process, whatever the filter says of the native call" do
        {:ok, filter} = Seccomp.deny_list([:ptrace])
        assert getpid_by(@native, filter) == {:exited, 0}
        assert getpid_by(@x32, filter) == {:signaled, @sigsys}

        case getpid_by(@i386, nil) do
          {:exited, 0} -> assert getpid_by(@i386, filter) == {:signaled, @sigsys}
          {:signaled, n} -> assert getpid_by(@i386, filter) == {:signaled, n}
        end
      end
    end

    defp getpid_by(way, filter) do
      program = Linx.Test.FixtureProgram.path("getpid_by")
      {session, _pid} = park(argv: [program, Integer.to_string(way)])
      if filter, do: assert(Seccomp.install(session, filter) == :ok)
      assert Linx.Process.proceed(session) == :ok
      {:ok, outcome} = Linx.Process.wait(session)
      outcome
    end
  end

  describe "raw programs" do
    test "a valid one is installed" do
      {session, pid} = park(argv: ["/bin/sleep", "60"])
      assert Seccomp.install(session, {:bpf, @allow_all}) == :ok
      proceed(session)
      assert status(pid, "Seccomp") == "2"
    end

    test "one that the kernel does not take ends the session at the checkpoint" do
      {session, _pid} = park(argv: ["/bin/true"])
      # No instruction with this code exists.
      assert Seccomp.install(session, <<0xFFFF::16, 0::48>>) == :ok
      assert_receive {:linx_process, :error, 22, :seccomp_install}
      assert {:error, %Linx.Process.Error{errno: :einval}} = Linx.Process.wait(session)
    end
  end

  test "a filter too many: the workload does not run without it" do
    {session, _pid} = park(argv: ["/bin/true"])
    for _ <- 1..17, do: assert(Seccomp.install(session, @allow_all) == :ok)
    assert_receive {:linx_process, :refused, 105, :seccomp_install}
    assert Linx.Process.proceed(session) == :ok
    assert_receive {:linx_process, :error, 105, :seccomp_install}
    refute_received {:linx_process, :running}
  end

  test "filters are taken at the checkpoint only" do
    {:ok, filter} = Seccomp.deny_list([:ptrace])
    {session, _pid} = park(argv: ["/bin/sleep", "60"])
    proceed(session)
    assert Seccomp.install(session, filter) == {:error, :running}
    {:ok, {:signaled, _}} = Linx.Process.stop(session)
    assert Seccomp.install(session, filter) == {:error, :no_process}
    assert Seccomp.install(session, @allow_all) == {:error, :no_process}
  end

  test "supported?/0 agrees with the kernel" do
    {:ok, actions} = File.read("/proc/sys/kernel/seccomp/actions_avail")
    assert Seccomp.supported?() == (actions =~ "errno")
  end

  defp run_filtered(script, filter) do
    {session, _pid} =
      park(
        argv: ["/bin/sh", "-c", script],
        stdio: :pty,
        env: %{"LC_ALL" => "C", "PATH" => "/usr/bin:/bin"}
      )

    assert Seccomp.install(session, filter) == :ok
    assert Linx.Process.proceed(session) == :ok
    output_and_outcome()
  end
end
