defmodule Linx.Integration.SeccompProfileTest do
  use Linx.Case

  import Linx.Test.Attempts

  alias Linx.Seccomp

  # Each would get further without the filter, and nowhere that matters.
  @refused [
    "add_key",
    "bpf 99",
    "chroot",
    "clock_settime 99",
    "clone 0x00020011",
    "clone 0x02000011",
    "clone 0x04000011",
    "clone 0x08000011",
    "clone 0x10000011",
    "clone 0x20000011",
    "clone 0x40000011",
    "delete_module",
    "finit_module -1",
    "fsconfig -1",
    "fsmount -1",
    "fsopen",
    "fspick -1",
    "init_module",
    "io_uring_enter -1",
    "io_uring_register -1",
    "io_uring_setup",
    "kcmp -1 -1",
    "kexec_file_load -1",
    "kexec_load 0 0 0 99",
    "keyctl 99",
    "mount",
    "mount_setattr -1",
    "move_mount -1 0 -1",
    "move_pages -1",
    "open_by_handle_at -1",
    "open_tree -1",
    "perf_event_open",
    "personality 0x40000",
    "personality 0x100040000",
    "pidfd_getfd -1",
    "pivot_root",
    "quotactl",
    "reboot",
    "request_key",
    "sethostname 0 9999",
    "setns -1",
    "settimeofday",
    "socket 38 5 0",
    "socket 0x100000026 5 0",
    "socket 40 1 0",
    "socket 0x100000028 1 0",
    "socket 0xffffffff00000028 1 0",
    "socket 64 1 0",
    "swapoff",
    "swapon",
    "syslog 99",
    "umount2",
    "unshare",
    "unshare 0x10000000",
    "userfaultfd 0x1000"
  ]

  # Without the filter they would do something to the machine.
  @refused_only ["acct", "vhangup"]

  @allowed %{
    "chmod" => :efault,
    "clone 0x11" => :ok,
    "getpid" => :ok,
    "ioctl -1 0x5412" => :ebadf,
    "lseek -1" => :ebadf,
    "personality 0" => :ok,
    "personality 0x8" => :ok,
    "personality 0xffffffff" => :ok,
    "personality 0xffffffffffffffff" => :ok,
    "ptrace" => :ok,
    "socket 1 1 0" => :ok,
    "socket 2 1 0" => :ok,
    "socket 16 3 0" => :ok,
    "socket 36 1 0" => :eafnosupport,
    "socket 63 1 0" => :eafnosupport
  }

  test "the default refuses what a container has no use for" do
    {:ok, filter} = Seccomp.default()

    for {call, answer} <- attempts(@refused ++ @refused_only, [filter]) do
      assert {call, answer} == {call, :eperm}
    end
  end

  @tag :root
  test "it is the filter that refuses" do
    for {call, answer} <- attempts(@refused, []), do: refute({call, answer} == {call, :eperm})
  end

  test "the default allows the rest" do
    {:ok, filter} = Seccomp.default()
    answers = attempts(Map.keys(@allowed), [filter])
    assert answers == @allowed
  end

  test "clone3 is a call that the kernel does not have" do
    {:ok, filter} = Seccomp.default()
    assert attempts(["clone3"], [filter]) == %{"clone3" => :enosys}
  end

  if Seccomp.arch() == :x86_64 do
    test "calls by another way than the native one end the process" do
      {:ok, filter} = Seccomp.default()
      answers = attempts(["getpid@x32", "getpid@32", "ptrace@32"], [filter])
      for {call, answer} <- answers, do: assert(match?({:signal, _}, answer), call)
    end
  end

  test "a second filter refuses more" do
    {:ok, default} = Seccomp.default()
    {:ok, more} = Seccomp.deny_list([:ptrace, :process_vm_readv])
    answers = attempts(["ptrace", "process_vm_readv", "getpid"], [default, more])
    assert answers == %{"ptrace" => :eperm, "process_vm_readv" => :eperm, "getpid" => :ok}
  end

  test "programs of the host run below it" do
    {:ok, filter} = Seccomp.default()
    script = "d=$(mktemp -d) && cd $d && echo a | sort > b && cp b c && cat c && rm -r $d"
    {:ok, session} = Linx.Process.spawn(argv: sh(script), stdio: [stdout: :pipe], active: false)
    assert_receive {:linx_process, :ready, _}
    assert Seccomp.install(session, filter) == :ok
    assert Linx.Process.proceed(session) == :ok
    assert Linx.Process.recv(session, :stdout) == {:ok, "a\n"}
    assert Linx.Process.wait(session) == {:ok, {:exited, 0}}
  end
end
