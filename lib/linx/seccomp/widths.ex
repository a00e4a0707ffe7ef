defmodule Linx.Seccomp.Widths do
  @moduledoc """
  How many bits of an argument the kernel looks at.

  A filter sees 64 bits of each argument. Where a system call takes an `int`, the kernel drops the
  upper half, so a caller may put anything there; a filter that compared it would let `1 <<< 32 ||| 38`
  pass as another socket family than 38. Linx compares as many bits as the kernel looks at:

      iex> Linx.Seccomp.Widths.of(:ioctl, 1)
      32
      iex> Linx.Seccomp.Widths.of(:ioctl, 2)
      64

  The table is what Linux 6.18 declares. A call that is not in it counts with 64 bits.
  """

  # clone takes the lower half of its flags, and mmap of its fd, though both are declared long.
  @bits32 %{
    0 => ~w(
      accept accept4 alarm arch_prctl bind bpf cachestat clock_adjtime clock_getres
      clock_gettime clock_nanosleep clock_settime clone close close_range connect
      copy_file_range dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_pwait
      epoll_pwait2 epoll_wait eventfd eventfd2 execveat exit exit_group faccessat faccessat2
      fadvise64 fallocate fanotify_init fanotify_mark fchdir fchmod fchmodat fchmodat2
      fchown fchownat fcntl fdatasync fgetxattr file_getattr file_setattr finit_module
      flistxattr flock fremovexattr fsconfig fsetxattr fsmount fspick fstat fstatfs fsync
      ftruncate futimesat get_robust_list getdents getdents64 getgroups getitimer
      getpeername getpgid getpriority getrlimit getrusage getsid getsockname getsockopt
      getxattrat inotify_add_watch inotify_init1 inotify_rm_watch io_setup io_uring_enter
      io_uring_register io_uring_setup ioctl iopl ioprio_get ioprio_set kcmp kexec_file_load
      keyctl kill landlock_add_rule landlock_restrict_self linkat listen listxattrat lseek
      lsm_get_self_attr lsm_set_self_attr membarrier memfd_secret migrate_pages mkdirat
      mknodat mlockall modify_ldt mount_setattr move_mount move_pages mq_getsetattr
      mq_notify mq_timedreceive mq_timedsend msgctl msgget msgrcv msgsnd name_to_handle_at
      newfstatat open_by_handle_at open_tree open_tree_attr openat openat2 personality
      pidfd_getfd pidfd_open pidfd_send_signal pkey_free prctl pread64 prlimit64
      process_madvise process_mrelease process_vm_readv process_vm_writev pselect6 pwrite64
      quotactl quotactl_fd read readahead readlinkat reboot recvfrom recvmmsg recvmsg
      removexattrat renameat renameat2 rt_sigaction rt_sigprocmask rt_sigqueueinfo
      rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity
      sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
      sched_setaffinity sched_setattr sched_setparam sched_setscheduler seccomp select
      semctl semget semop semtimedop sendfile sendmmsg sendmsg sendto set_mempolicy setfsgid
      setfsuid setgid setgroups setitimer setns setpgid setpriority setregid setresgid
      setresuid setreuid setrlimit setsockopt setuid setxattrat shmat shmctl shmget shutdown
      signalfd signalfd4 socket socketpair splice statx sync_file_range syncfs sysfs syslog
      tee tgkill timer_create timer_delete timer_getoverrun timer_gettime timer_settime
      timerfd_create timerfd_gettime timerfd_settime tkill umask unlinkat userfaultfd ustat
      utimensat vmsplice wait4 waitid write
    )a,
    1 => ~w(
      access chown clock_nanosleep close_range delete_module dup2 dup3 epoll_ctl eventfd2
      fallocate fanotify_init fanotify_mark fchown fcntl flock fsconfig fsmount fsopen futex
      futex_requeue futex_waitv getpriority getsockopt inotify_rm_watch io_uring_enter
      io_uring_register ioctl ioprio_get ioprio_set kcmp kexec_file_load kill
      landlock_add_rule landlock_restrict_self lchown listen membarrier memfd_create mq_open
      msgctl msgget open perf_event_open pidfd_getfd pidfd_open pidfd_send_signal pipe2 poll
      ppoll prlimit64 process_mrelease quotactl_fd reboot rseq rt_sigqueueinfo
      rt_tgsigqueueinfo sched_getaffinity sched_setaffinity sched_setscheduler seccomp
      semctl semget sendfile setdomainname sethostname setns setpgid setpriority setregid
      setresgid setresuid setreuid setsockopt shmctl shutdown socket socketpair swapon
      symlinkat tee tgkill timer_settime timerfd_create timerfd_settime tkill umount2 waitid
    )a,
    2 => ~w(
      bind bpf chown close_range connect copy_file_range dup3 epoll_ctl epoll_pwait
      epoll_pwait2 epoll_wait faccessat faccessat2 fchown fchownat finit_module fsmount
      fspick futex futex_requeue futex_waitv futex_wake getdents getdents64 getrandom
      getsockopt getxattrat inotify_add_watch io_uring_enter ioperm ioprio_set kcmp
      landlock_create_ruleset lchown linkat listxattrat lseek lsm_list_modules
      lsm_set_self_attr madvise membarrier mknod mlock2 mount_setattr move_mount msync
      open_by_handle_at open_tree open_tree_attr openat perf_event_open pidfd_getfd poll
      quotactl quotactl_fd readlink reboot recvmmsg recvmsg removexattrat renameat renameat2
      rseq rt_tgsigqueueinfo sched_getattr sched_setattr semctl semget semop semtimedop
      sendmmsg sendmsg setpriority setresgid setresuid setsockopt setxattrat shmat shmget
      socket socketpair splice statx syslog tgkill unlinkat wait4
    )a,
    3 => ~w(
      accept4 cachestat epoll_pwait epoll_wait faccessat2 fadvise64 fanotify_mark fchmodat2
      fchownat futex_requeue futex_wait futex_wake io_uring_enter io_uring_register
      landlock_add_rule listmount lsm_get_self_attr lsm_set_self_attr mknodat mq_timedsend
      msgsnd newfstatat perf_event_open pidfd_send_signal pkey_mprotect process_madvise
      readlinkat recvfrom recvmmsg request_key rseq sched_getattr sendmmsg sendto signalfd4
      statmount statx sync_file_range tee utimensat vmsplice waitid
    )a,
    4 => ~w(
      add_key execveat fchownat file_getattr file_setattr fsconfig fsetxattr futex_waitv
      linkat lsetxattr mmap move_mount msgrcv name_to_handle_at process_madvise renameat2
      setsockopt setxattr
    )a,
    5 => ~w(
      copy_file_range futex futex_wait mbind move_pages preadv2 pwritev2 sendto splice
    )a
  }

  # Modes of files.
  @bits16 %{
    1 => ~w(chmod creat fchmod mkdir mknod)a,
    2 => ~w(fchmodat fchmodat2 mkdirat mknodat mq_open open)a,
    3 => ~w(openat)a
  }

  @widths (for {bits, table} <- [{32, @bits32}, {16, @bits16}],
               {index, names} <- table,
               name <- names,
               into: %{} do
             {{name, index}, bits}
           end)

  @doc "The bits of a call's argument that count: 16, 32 or 64."
  @spec of(Linx.Seccomp.Filter.syscall(), 0..5) :: 16 | 32 | 64
  def of(name, index), do: Map.get(@widths, {name, index}, 64)
end
