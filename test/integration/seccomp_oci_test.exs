defmodule Linx.Integration.SeccompOciTest do
  use Linx.Case

  import Linx.Test.Attempts

  alias Linx.Seccomp

  @eperm {:errno, :eperm}
  @clone_new 0x7E020000

  # Every way in which Docker's profiles say something.
  @profile """
  {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 1,
    "archMap": [
      {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
      {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}
    ],
    "syscalls": [
      {"names": ["execve", "brk", "arch_prctl", "set_tid_address", "set_robust_list", "rseq",
                 "prlimit64", "readlinkat", "readlink", "mprotect", "getrandom", "write", "fork",
                 "wait4", "getpid", "getppid", "exit_group", "newfstatat", "fstat", "lseek",
                 "a_call_of_the_future"],
       "action": "SCMP_ACT_ALLOW", "comment": "what every program needs"},
      {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
      {"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_CHROOT"]}},
      {"names": ["clone", "chroot"], "action": "SCMP_ACT_ALLOW",
       "includes": {"caps": ["CAP_SYS_ADMIN", "CAP_SYS_CHROOT"]}},
      {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
       "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
       "excludes": {"caps": ["CAP_SYS_ADMIN"], "arches": ["s390", "s390x"]}},
      {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
       "args": [{"index": 1, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
       "includes": {"arches": ["s390", "s390x"]}, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
      {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38,
       "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
      {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
       "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}]},
      {"names": ["personality"], "action": "SCMP_ACT_ALLOW",
       "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"},
                {"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}
    ]
  }
  """

  test "a profile of Docker's form does what it says" do
    {:ok, filter} = Seccomp.from_oci(@profile)

    expected = %{
      "lseek -1" => :ebadf,
      "ptrace" => :ok,
      "chroot" => :eperm,
      "clone 0x11" => :ok,
      "clone 0x10000011" => :eperm,
      "clone3" => :enosys,
      "socket 1 1 0" => :ok,
      "socket 40 1 0" => :eperm,
      "socket 0x100000028 1 0" => :eperm,
      "personality 0" => :ok,
      "personality 8" => :ok,
      "personality 0x20000" => :eperm,
      "mount" => :eperm
    }

    assert attempts(Map.keys(expected), [filter]) == expected
  end

  test "capabilities, the kernel and the architecture decide what is in it" do
    allowed = fn opts ->
      {:ok, filter} = Seccomp.Oci.filter(@profile, opts)
      for {:allow, names} <- filter.rules, name <- names, do: name
    end

    assert :ptrace in allowed.(kernel: {4, 8})
    assert :ptrace in allowed.(kernel: {5, 0})
    refute :ptrace in allowed.(kernel: {4, 7})
    assert :chroot in allowed.(caps: [:cap_sys_chroot])
    refute :chroot in allowed.(caps: [:cap_sys_admin])
    refute :clone in allowed.(caps: [:cap_sys_chroot])
    assert :clone in allowed.(caps: [:cap_sys_admin, :cap_sys_chroot])

    assert Seccomp.from_oci(@profile, arch: :s390x) |> elem(0) == :error
    {:ok, profile} = Linx.Json.decode(@profile)
    {:ok, filter} = profile |> Map.delete("archMap") |> Seccomp.Oci.filter(arch: :s390x)
    assert {:allow, [:clone], [{1, :masked_eq, @clone_new, 0}]} in filter.rules
    refute {:allow, [:clone], [{0, :masked_eq, @clone_new, 0}]} in filter.rules
  end

  test "a call that is not here may be left out of what is allowed, not of what is refused" do
    entry = fn action -> %{"names" => ["a_call_of_the_future"], "action" => action} end

    profile = fn default, action ->
      %{"defaultAction" => default, "syscalls" => [entry.(action)]}
    end

    allow = "SCMP_ACT_ALLOW"
    errno = "SCMP_ACT_ERRNO"

    assert {:ok, %{rules: [], default: @eperm}} = Seccomp.from_oci(profile.(errno, allow))

    assert Seccomp.from_oci(profile.(allow, errno)) ==
             {:error, {:bad_profile, {"syscalls", "a_call_of_the_future"}}}
  end

  test "errnos may have names, as in Podman's profiles" do
    entry = %{
      "names" => ["mount"],
      "action" => "SCMP_ACT_ERRNO",
      "errno" => "EACCES",
      "errnoRet" => 13
    }

    profile = %{
      "defaultAction" => "SCMP_ACT_ERRNO",
      "defaultErrno" => "ENOSYS",
      "syscalls" => [entry]
    }

    assert {:ok, %{default: {:errno, :enosys}, rules: [{{:errno, :eacces}, [:mount]}]}} =
             Seccomp.from_oci(profile)

    contradiction = %{profile | "syscalls" => [%{entry | "errnoRet" => 1}]}

    assert Seccomp.from_oci(contradiction) ==
             {:error, {:bad_profile, {"syscalls[0].errno", "EACCES"}}}
  end

  test "of entries that contradict each other the strictest holds" do
    entry = fn action -> %{"names" => ["mount"], "action" => action} end
    actions = ~w(SCMP_ACT_ALLOW SCMP_ACT_ERRNO SCMP_ACT_LOG)
    profile = %{"defaultAction" => "SCMP_ACT_ALLOW", "syscalls" => Enum.map(actions, entry)}
    assert {:ok, %{rules: [{@eperm, [:mount]}]}} = Seccomp.from_oci(profile)
  end
end
