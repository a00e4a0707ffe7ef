defmodule Linx.Integration.SeccompNotifyTest do
  use Linx.Case

  import Linx.Test.Parked

  alias Linx.Seccomp
  alias Linx.Seccomp.Call

  # Without a limit that matters: no test is to wait for it.
  @unhurried {60_000, :eperm}

  test "a call waits for its owner, who allows it, refuses it or answers it" do
    {session, pid} = asked([:getppid], ["getppid"])
    assert %Call{syscall: :getppid, args: [0, 0, 0, 0, 0, 0]} = call = next_call()
    assert call.arch == Seccomp.arch()
    assert call.instruction_pointer > 0
    # The program makes each call in a child of its own.
    assert File.read!("/proc/#{call.pid}/stat") =~ "(attempt)"
    assert call.pid != pid
    assert Seccomp.errno(session, call, :enospc) == :ok
    # The child asks once more whether its parent is still there.
    assert Seccomp.allow(session, next_call()) == :ok
    assert written(session) == "getppid errno 28\n"
  end

  test "a value is answered in the call's stead" do
    {session, _pid} = asked([:lseek], ["lseek -1 0 0"])
    assert %Call{syscall: :lseek, args: [0xFFFFFFFFFFFFFFFF, 0, 0 | _]} = call = next_call()
    assert Seccomp.return(session, call, 0) == :ok
    assert written(session) == "lseek ok\n"
  end

  test "conditions decide what is asked about" do
    rule = {:notify, [:socket], [{0, :eq, 1}]}
    {session, _pid} = asked([rule], ["socket 2 1 0 , socket 1 1 0 , socket 0x100000001 1 0"])
    assert %Call{syscall: :socket, args: [1, 1, 0 | _]} = call = next_call()
    assert Seccomp.errno(session, call, 13) == :ok
    assert %Call{args: [0x100000001, 1, 0 | _]} = call = next_call()
    assert Seccomp.allow(session, call) == :ok
    assert written(session) == "socket ok\nsocket errno 13\nsocket ok\n"
  end

  test "who does not answer in time has answered" do
    {session, _pid} = asked([:lseek], ["lseek -1"], syscall_timeout: {1, :enotty})
    call = next_call()
    assert written(session) == "lseek errno 25\n"
    assert Linx.Process.wait(session) == {:ok, {:exited, 0}}
    assert Seccomp.allow(session, call) == {:error, :no_process}
  end

  test "an answer that is too late is refused" do
    {session, _pid} = asked([:lseek], ["lseek -1 , lseek -1"], syscall_timeout: {100, :eperm})
    first = next_call()
    second = next_call()
    assert Seccomp.return(session, first, 0) == :ok
    assert_receive {:linx_process, :refused, 2, :syscall_answer}
    _ = Seccomp.return(session, second, 0)
    assert "lseek errno 1\nlseek " <> _ = written(session)
  end

  test "everything up to the exec is the child's own and is never asked about" do
    names = [:execve, :sendmsg, :write, :close, :exit_group, :nanosleep, :wait4, :brk]
    {session, _pid} = asked(names, ["getpid"])
    answer_all(session)
    assert written(session) == "getpid ok\n"
  end

  test "a program that is not there is reported, whatever the filter asks about" do
    {:ok, filter} = Seccomp.from_rules({[{:notify, [:write, :execve, :exit_group]}], :allow})
    {session, _pid} = park(argv: ["/bin/sh", "-c", ":"], cwd: "/")
    assert Seccomp.install(session, filter) == :ok
    assert Linx.Process.proceed(session) == :ok
    answer_all(session)
    assert Linx.Process.wait(session) == {:ok, {:exited, 0}}

    # A text file without an interpreter: its exec fails with the filter in force.
    path = Path.join(tmp_dir(), "program")
    File.write!(path, "no program")
    File.chmod!(path, 0o755)
    {session, _pid} = park(argv: [path])
    assert Seccomp.install(session, filter) == :ok
    assert Linx.Process.proceed(session) == :ok
    assert_receive {:linx_process, :error, 8, :execve}
    refute_received {:linx_process, :syscall, _}
  end

  test "there is one such filter, and other filters beside it" do
    {:ok, notify} = Seccomp.from_rules({[{:notify, [:lseek, :chmod]}], :allow})
    {:ok, deny} = Seccomp.deny_list([:chmod, :sendmsg, :seccomp])
    program = Linx.Test.FixtureProgram.path("attempt")
    argv = [program | String.split("chmod , lseek -1")]
    options = [argv: argv, stdio: [stdout: :pipe], active: false, syscall_timeout: @unhurried]

    {session, _pid} = park(options)
    assert Seccomp.install(session, notify) == :ok
    assert Seccomp.install(session, deny) == :ok
    assert Linx.Process.proceed(session) == :ok
    assert %Call{syscall: :lseek} = call = next_call()
    assert Seccomp.return(session, call, 0) == :ok
    assert written(session) == "chmod errno 1\nlseek ok\n"

    {session, _pid} = park(options)
    assert Seccomp.install(session, notify) == :ok
    assert Seccomp.install(session, notify) == :ok
    assert_receive {:linx_process, :refused, 16, :seccomp_install}
    assert Linx.Process.proceed(session) == :ok
    assert_receive {:linx_process, :error, 16, :seccomp_install}
  end

  test "of a crowd only so many are told at a time, and all are answered" do
    {:ok, filter} = Seccomp.from_rules({[{:notify, [:lseek]}], :allow})
    argv = [Linx.Test.FixtureProgram.path("crowd"), "300"]
    options = [stdio: [stdout: :pipe], active: false, syscall_timeout: @unhurried]
    {session, _pid} = park([argv: argv] ++ options)
    assert Seccomp.install(session, filter) == :ok
    assert Linx.Process.proceed(session) == :ok

    first = for _ <- 1..256, do: next_call()
    assert {:ok, _} = Linx.Agent.stats()
    refute_received {:linx_process, :syscall, _}
    for call <- first, do: assert(Seccomp.return(session, call, 7) == :ok)
    for _ <- 257..300, do: assert(Seccomp.return(session, next_call(), 7) == :ok)
    assert written(session) == "300\n"
  end

  test "a workload that waits for an answer can be stopped" do
    {session, _pid} = asked([:lseek], ["lseek -1"])
    next_call()
    assert {:ok, {:signaled, _}} = Linx.Process.stop(session, 100)
  end

  test "with init, in fresh namespaces and by a dedicated agent" do
    for options <- [[init: true], [init: false], [agent: :dedicated]] do
      {session, _pid} = asked([:lseek], ["lseek -1"], options)
      assert Seccomp.return(session, next_call(), 0) == :ok
      assert written(session) == "lseek ok\n"
    end
  end

  @tag :user_namespaces
  test "in fresh namespaces the pid is the BEAM's" do
    {session, pid} = asked([:lseek], ["lseek -1"], namespaces: [:user, :pid])
    call = next_call()
    assert File.read!("/proc/#{call.pid}/stat") =~ ~r/\(attempt\) . #{pid} /
    assert Seccomp.return(session, call, 0) == :ok
    assert written(session) == "lseek ok\n"
  end

  test "a tag is in the message" do
    {:ok, filter} = Seccomp.from_rules({[{:notify, [:lseek]}], :allow})
    argv = [Linx.Test.FixtureProgram.path("attempt"), "lseek", "-1"]
    {:ok, session} = Linx.Process.spawn(argv: argv, tag: :mine, stdio: :devnull)
    assert_receive {:linx_process, :mine, :ready, _}
    assert Seccomp.install(session, filter) == :ok
    assert Linx.Process.proceed(session) == :ok
    assert_receive {:linx_process, :mine, :syscall, %Call{syscall: :lseek} = call}
    assert Seccomp.errno(session, call, :eio) == :ok
    assert Linx.Process.wait(session) == {:ok, {:exited, 0}}

    assert Seccomp.errno(session, call, :enonsense) ==
             {:error, {:bad_answer, {:errno, :enonsense}}}
  end

  test "it cannot be the default" do
    assert Seccomp.from_rules({[], :notify}) == {:error, {:bad_action, :notify}}
  end

  defp asked(names, calls, options \\ []) do
    rules = for name <- names, do: if(is_atom(name), do: {:notify, [name]}, else: name)
    {:ok, filter} = Seccomp.from_rules({rules, :allow})
    argv = [Linx.Test.FixtureProgram.path("attempt") | Enum.flat_map(calls, &String.split/1)]
    fixed = [argv: argv, stdio: [stdout: :pipe], active: false]
    {session, pid} = park(fixed ++ options ++ [syscall_timeout: @unhurried])
    assert Seccomp.install(session, filter) == :ok
    assert Linx.Process.proceed(session) == :ok
    {session, pid}
  end

  defp next_call do
    assert_receive {:linx_process, :syscall, call}
    call
  end

  # Allows all calls of a session, until it has ended.
  defp answer_all(session) do
    receive do
      {:linx_process, :syscall, %Call{} = call} ->
        _ = Seccomp.allow(session, call)
        answer_all(session)

      message when elem(message, 1) in [:exited, :error] ->
        :ok
    after
      10_000 -> flunk("no end")
    end
  end

  defp written(session, sofar \\ "") do
    case Linx.Process.recv(session, :stdout) do
      {:ok, bytes} -> written(session, sofar <> bytes)
      {:error, :closed} -> sofar
    end
  end
end
