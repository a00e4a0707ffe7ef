defmodule Linx.Seccomp.Profile do
  @moduledoc """
  The calls that a container's workload without capabilities may make: the rules of
  `Linx.Seccomp.default/0`.

  What is not allowed fails with `:eperm`. In effect it is the usual default of container runtimes
  for a workload to which no capability was given. Refused are, among others,

    * namespaces: `unshare`, `setns`, and `clone` with a flag for one. `clone3`, whose flags a
      filter cannot see, fails with `:enosys`, at which C libraries turn to `clone`
    * mounts, also by `fsopen`, `open_tree`, `mount_setattr`; `chroot`, `pivot_root`, file handles
    * `io_uring`, `bpf`, `userfaultfd`, `perf_event_open`: large parts of the kernel that few
      programs need
    * keys (`add_key`, `keyctl`, `request_key`), which are not separated by any namespace
    * modules, `kexec`, `reboot`, swap, quotas, accounting, the host's name and clocks, I/O ports,
      the kernel's log
    * memory policies, and the look at others by `kcmp` and `pidfd_getfd`
    * sockets of the families AF_VSOCK, which reaches the hypervisor past every network namespace,
      and AF_ALG, the kernel's cryptography; and those of numbers that no kernel has yet
    * `personality` other than that of Linux, of 64 or 32 bits, with or without the old form of `uname`

  A call that is newer than this machine's libseccomp cannot be named, so it fails even where the
  kernel has it: with `:enosys`, at which programs do without it.

  Allowed is `ptrace`, as it is there since Linux 4.8, where it is no way around a filter any more;
  whom it may trace is the kernel's to decide. A second filter refuses it where it is not wanted:
  `Linx.Seccomp.deny_list([:ptrace, :process_vm_readv, :process_vm_writev])`.
  """

  import Bitwise

  @files ~w(
    access chmod chown chown32 close close_range creat dup dup2 dup3 faccessat faccessat2 fchmod
    fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 flock fstat fstat64 fstatat64 ioctl
    lchown lchown32 lstat lstat64 mknod mknodat name_to_handle_at newfstatat open openat openat2
    stat stat64 statx umask utime utimensat utimensat_time64 utimes futimesat
  )a

  @bytes ~w(
    _llseek copy_file_range fadvise64 fadvise64_64 arm_fadvise64_64 fallocate fdatasync fsync
    ftruncate ftruncate64 lseek pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead
    readv sendfile sendfile64 splice sync sync_file_range sync_file_range2 arm_sync_file_range
    syncfs tee truncate truncate64 vmsplice write writev
  )a

  @directories ~w(
    chdir fchdir fstatfs fstatfs64 getcwd getdents getdents64 link linkat listmount mkdir mkdirat
    readlink readlinkat rename renameat renameat2 rmdir statfs statfs64 statmount symlink symlinkat
    unlink unlinkat
  )a

  @attributes ~w(
    fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat
    llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat
  )a

  @watching ~w(
    _newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2
    epoll_wait epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init
    inotify_init1 inotify_rm_watch poll ppoll ppoll_time64 pselect6 pselect6_time64 select
  )a

  @asynchronous ~w(
    io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit
  )a

  @memory ~w(
    brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2
    mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free
    pkey_mprotect process_mrelease remap_file_pages
  )a

  @processes ~w(
    execve execveat exit exit_group fork getpgid getpgrp getpid getppid getsid gettid pidfd_open
    prctl process_vm_readv process_vm_writev ptrace setpgid setsid vfork wait4 waitid waitpid
  )a

  @threads ~w(
    futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake get_robust_list
    get_thread_area rseq set_robust_list set_thread_area set_tid_address
  )a

  @signals ~w(
    kill pause pidfd_send_signal restart_syscall rt_sigaction rt_sigpending rt_sigprocmask
    rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64
    rt_tgsigqueueinfo sigaltstack signalfd signalfd4 sigprocmask sigreturn tgkill tkill uretprobe
  )a

  @ids ~w(
    capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32
    getresgid getresgid32 getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid
    setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32
    setresuid setresuid32 setreuid setreuid32 setuid setuid32
  )a

  @limits ~w(
    getcpu getpriority getrlimit getrusage ioprio_get ioprio_set prlimit64 sched_get_priority_max
    sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
    sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr
    sched_setparam sched_setscheduler sched_yield setpriority setrlimit sysinfo times ugetrlimit
    uname getrandom
  )a

  # Setting a clock takes a capability besides: adjtimex only reads without it.
  @time ~w(
    adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
    clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep
    setitimer time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64
    timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
    timerfd_settime64
  )a

  # Not socketcall, behind whose pointer a family could hide.
  @sockets ~w(
    accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg
    recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketpair
  )a

  @messages ~w(
    ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
    mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 semctl semget semop
    semtimedop semtimedop_time64 shmat shmctl shmdt shmget
  )a

  @confining ~w(landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp)a

  @machine ~w(
    arch_prctl breakpoint cacheflush modify_ldt riscv_flush_icache riscv_hwprobe s390_guarded_storage
    s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr set_tls swapcontext
  )a

  @plain [
    @files,
    @bytes,
    @directories,
    @attributes,
    @watching,
    @asynchronous,
    @memory,
    @processes,
    @threads,
    @signals,
    @ids,
    @limits,
    @time,
    @sockets,
    @messages,
    @confining,
    @machine
  ]

  # CLONE_NEW* but CLONE_NEWTIME, whose bit is part of the exit signal in clone.
  @clone_new 0x7E020000

  # Families are numbered from 0; 46 is the highest so far.
  @family_bits 6
  @af_alg 38
  @af_vsock 40

  @per_linux32 0x0008
  @uname26 0x0020000
  @personality_as_it_is 0xFFFFFFFF

  @doc "The rules, and the action for all other calls. Some names are not of every architecture."
  @spec rules(atom) :: {[Linx.Seccomp.Filter.rule()], Linx.Seccomp.Filter.action()}
  def rules(arch) do
    plain = for names <- @plain, do: {:allow, names}
    {plain ++ sockets() ++ personalities() ++ clones(arch), {:errno, :eperm}}
  end

  defp sockets do
    unused = (1 <<< 32) - (1 <<< @family_bits)

    for {mask, value} <- all_but([@af_alg, @af_vsock], @family_bits, {unused, 0}),
        do: {:allow, [:socket], [{0, :masked_eq, mask, value}]}
  end

  # The masks of the numbers that are none of these, halving what holds one of them.
  defp all_but(values, bit, {mask, value} = half) do
    case Enum.filter(values, &((&1 &&& mask) == value)) do
      [] ->
        [half]

      [_ | _] when bit == 0 ->
        []

      within ->
        mask = mask ||| 1 <<< (bit - 1)

        for value <- [value, value ||| 1 <<< (bit - 1)],
            masks <- all_but(within, bit - 1, {mask, value}),
            do: masks
    end
  end

  defp personalities do
    for value <- [0, @per_linux32, @uname26, @uname26 ||| @per_linux32, @personality_as_it_is],
        do: {:allow, [:personality], [{0, :eq, value}]}
  end

  defp clones(arch) do
    flags = if arch in [:s390, :s390x], do: 1, else: 0

    [
      {:allow, [:clone], [{flags, :masked_eq, @clone_new, 0}]},
      {{:errno, :enosys}, [:clone3]}
    ]
  end
end
