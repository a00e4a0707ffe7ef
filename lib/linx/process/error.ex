defmodule Linx.Process.Error do
  @moduledoc """
  Why a session could not do what was asked.

    * `:stage` - the step that failed: a name of the protocol such as `:execve` or `:setns`, or
      `:agent_died`
    * `:errno` - the kernel's word for it, such as `:enoent`; `nil` where there is none
    * `:code` - the same as a number; for `:agent_died` the agent's exit status
    * `:detail` - the path, name or index that failed, or `nil`

  It is an exception, so that `raise` takes it; its message says what failed and what to change.

      iex> error = Linx.Process.Error.new(2, :chdir, "/nowhere")
      iex> {error.stage, error.errno, error.code}
      {:chdir, :enoent, 2}
      iex> Exception.message(error)
      "chdir failed: enoent (/nowhere). The working directory is looked up by the child, in the \\
      namespaces it has: check :cwd."
  """

  alias Linx.Process.Error.Mounts

  @type t :: %__MODULE__{
          stage: atom,
          errno: Linx.Errno.name() | nil,
          code: integer,
          detail: String.t() | nil
        }

  defexception [:stage, :errno, :code, :detail]

  @doc """
  The error that the agent reports as `{:error, code, stage}`, with its detail if there is one.
  """
  @spec new(integer, atom, String.t() | nil) :: t
  def new(code, stage, detail \\ nil)

  # The number is an exit status there.
  def new(code, :agent_died, detail),
    do: %__MODULE__{stage: :agent_died, code: code, detail: detail}

  def new(code, stage, detail) do
    errno =
      case Linx.Errno.to_name(code) do
        {:ok, name} -> name
        :error -> nil
      end

    %__MODULE__{stage: stage, errno: errno, code: code, detail: detail}
  end

  @impl true
  def message(%__MODULE__{stage: :agent_died, code: code}) do
    "the agent died with status #{code}. Its sessions ended with it; a new session gets a new agent."
  end

  def message(%__MODULE__{stage: stage, errno: errno, code: code, detail: detail}) do
    failure = "#{stage} failed: #{errno || code}"
    failure = if detail in [nil, ""], do: failure, else: "#{failure} (#{detail})"

    case advice(stage, errno) do
      nil -> failure <> "."
      advice -> "#{failure}. #{advice}"
    end
  end

  @namespace_stages Enum.map(Linx.Protocol.namespaces(), &:"setns_#{&1}")
  @open_namespace_stages Enum.map(Linx.Protocol.namespaces(), &:"open_ns_#{&1}")
  @capability_stages [:cap_drop_bounding, :cap_set_thread, :cap_set_ambient]
  @id_stages [:uid, :gid, :groups]
  @mount_stages [:propagation, :root, :mount, :pivot_root]

  defp advice(:execve, :enoent) do
    "The child sees no such program: check argv's first element and, for a script, the " <>
      "interpreter in its first line."
  end

  defp advice(:execve, :eacces) do
    "The child may not execute it: check the modes of the file and of the directories above it, " <>
      "its owner, and whether its file system is mounted noexec."
  end

  defp advice(:execve, :enoexec),
    do: "The kernel does not know this format: a script needs an interpreter in its first line."

  defp advice(:execve, :e2big), do: "argv and env are too large together: pass less."

  defp advice(:execve, :etxtbsy),
    do: "The file is open for writing: close it before it is run."

  defp advice(:clone, :eperm) do
    "New namespaces need CAP_SYS_ADMIN or :user among :namespaces; with :user, this system forbids " <>
      "them to this user: `mix linx.doctor` names the setting."
  end

  defp advice(:clone, errno) when errno in [:enospc, :eusers] do
    "A limit on namespaces is reached: raise /proc/sys/user/max_*_namespaces, or nest fewer."
  end

  defp advice(:clone, :einval), do: "This kernel lacks one of the namespaces that were asked for."
  defp advice(:clone, :enosys), do: "This kernel, or a filter on it, does not offer clone3."

  defp advice(stage, :eagain) when stage in [:clone, :fork],
    do: "A limit on processes is reached: see RLIMIT_NPROC and the pids cgroup of the BEAM."

  defp advice(stage, :enomem) when stage in [:clone, :fork],
    do: "Memory is short, or the pid namespace to enter has lost its init."

  defp advice(:chdir, errno) when errno in [:enoent, :enotdir, :eacces] do
    "The working directory is looked up by the child, in the namespaces it has: check :cwd."
  end

  defp advice(:connect_unix, :enoent),
    do: "No socket is there. The path is the host's, not the child's."

  defp advice(:connect_unix, :econnrefused),
    do: "Nobody listens on this socket: start its server first."

  defp advice(:connect_unix, errno) when errno in [:eagain, :etimedout],
    do: "The server does not accept: its backlog is full."

  defp advice(:connect_unix, :eacces), do: "The BEAM's user may not write to this socket."

  defp advice(:link, :ebusy) do
    "Another session has asked for this very end, or gave the name to something else: take a name of " <>
      "your own, or ask for the other end."
  end

  defp advice(:link, :einval),
    do: "Names are shared by sessions of one agent, and a dedicated one has no other session."

  defp advice(:prefork_status, _errno),
    do:
      "The warm script did not tell how the run ended. It may have run: look before it is tried again."

  defp advice(:prefork_greeting, errno) when errno in [:eproto, :emsgsize],
    do: "What answers there is no script that has called prefork's initialisation complete."

  defp advice(stage, _errno) when stage in [:prefork_connect, :prefork_greeting, :prefork_send],
    do: "The warm script is gone, or is being started anew. Nothing ran: try again."

  defp advice(:connect, :enoent) do
    "No session of this agent listens under this name (any more): start the listener first, and this " <>
      "one with agent: its session."
  end

  defp advice(:connect, :econnrefused),
    do: "The session with the listener has closed it: it does not accept any more."

  defp advice(:connect, :eagain),
    do: "The session with the listener does not accept: its backlog is full."

  defp advice(:listener, errno) when errno in [:eacces, :erofs, :enoent, :enospc] do
    "A socket is bound in a directory made for that moment: /tmp or /dev/shm has to be writable for " <>
      "the BEAM's user."
  end

  defp advice(:fds, :ebadf),
    do:
      "The fd's number is not below the limit of open files: raise it (ulimit -n) before the BEAM starts."

  defp advice(:open_target, :esrch), do: "No process has this pid (any more)."

  defp advice(stage, errno)
       when stage in [:setns | @namespace_stages] and errno in [:eperm, :eacces] do
    "Joining a namespace needs CAP_SYS_ADMIN in the user namespace that owns it: enter :user too, " <>
      "or run the BEAM with more privileges."
  end

  defp advice(:setns, :einval),
    do: "The target lacks one of these namespaces, or it can no longer be joined."

  defp advice(stage, _errno) when stage in [:open_target | @open_namespace_stages],
    do: "The BEAM's user may not look into the target, or the target has ended."

  defp advice(stage, errno) when stage in @mount_stages do
    Mounts.advice(stage, errno) || advice(nil, errno)
  end

  defp advice(stage, :eperm) when stage in @id_stages do
    "Changing ids needs CAP_SETUID and CAP_SETGID, and in a user namespace that allows setgroups."
  end

  defp advice(stage, :einval) when stage in @id_stages,
    do: "The id has no mapping in the child's user namespace: write its maps before proceed."

  defp advice(stage, :eperm) when stage in [:uid_map, :gid_map] do
    "An ordinary user may map its own id alone, the gid where setgroups is denied; more takes newuidmap " <>
      "and newgidmap (Debian: uidmap) and ids in /etc/subuid and /etc/subgid. Root may map what its " <>
      "own user namespace holds: see :subordinate_ids in Linx.Sandbox.Ids."
  end

  defp advice(stage, :enoent) when stage in [:uid_map, :gid_map] do
    "An ordinary user maps more than its own id by newuidmap and newgidmap: install them (Debian: " <>
      "uidmap)."
  end

  defp advice(:setgroups, :eperm),
    do: "setgroups was denied to this namespace before, or to the one that it lies in."

  defp advice(stage, :esrch) when stage in [:setgroups, :gid_map, :uid_map],
    do: "The workload was killed before its maps were written."

  defp advice(stage, errno)
       when stage in [:hostname, :domainname, :loopback] and errno in [:eperm, :eacces],
       do: "The child lacks the capability for this in the namespaces it was given."

  defp advice(:time_offsets, :eopnotsupp),
    do: "A process is moved into a time namespace of its own by exec since Linux 6.1."

  defp advice(:time_offsets, :erange),
    do: "With this offset a clock would be negative, or run out."

  defp advice(:oom_score_adj, errno) when errno in [:eacces, :eperm] do
    "A lower score than the BEAM's takes CAP_SYS_RESOURCE, and of what it enters an ordinary user " <>
      "cannot set any."
  end

  defp advice(stage, errno)
       when stage in [:time_offsets, :oom_score_adj] and errno in [:enodev, :exdev],
       do: "What the child sees at /proc is no procfs, or something is mounted over its files."

  defp advice(:rlimits, :eperm),
    do: "Raising a hard limit takes CAP_SYS_RESOURCE, and nofile ends at /proc/sys/fs/nr_open."

  defp advice(:nice, errno) when errno in [:eperm, :eacces],
    do: "A lower nice value takes CAP_SYS_NICE, or RLIMIT_NICE."

  defp advice(:cpus, :einval), do: "None of these CPUs is there, or the cpuset allows none."

  defp advice(:cap_drop_bounding, :eperm) do
    "Dropping from the bounding set needs CAP_SETPCAP, which an ordinary user has in a user namespace " <>
      "of its own: add :user to the namespaces."
  end

  defp advice(:securebits, :eperm) do
    "Securebits need CAP_SETPCAP, and none that is locked can change: add :user to the namespaces, in " <>
      "which they are as at boot."
  end

  defp advice(stage, :eperm) when stage in @capability_stages do
    "The child lacks what this needs: the permitted set can only shrink, and ambient lies within it " <>
      "and the inheritable set."
  end

  defp advice(stage, :einval) when stage in @capability_stages,
    do: "This kernel has no such capability: leave it out."

  defp advice(:landlock, :eopnotsupp) do
    "This kernel cannot enforce all of it: boot a newer one (`mix linx.doctor` says which ABI it has), " <>
      "or go without by Linx.Sandbox.best_effort/2."
  end

  defp advice(:landlock, errno) when errno in [:enoent, :enotdir, :eacces, :eloop] do
    "Paths are looked up in the root that the workload has, with its ids and capabilities: leave out " <>
      "what is not there."
  end

  defp advice(:landlock, :e2big),
    do: "The process is restricted sixteen times over already: nest fewer sandboxes."

  defp advice(stage, errno) when stage in [:no_new_privs, :seccomp_no_new_privs] and errno != nil,
    do: "Something on this machine, a filter say, forbids prctl(PR_SET_NO_NEW_PRIVS)."

  defp advice(:seccomp_install, :eacces),
    do: "A filter takes no_new_privs, or CAP_SYS_ADMIN in the child's user namespace."

  defp advice(:seccomp_install, :einval), do: "The kernel does not take this filter."

  defp advice(:seccomp_install, :ebusy),
    do: "There can be one filter with :notify: something around this session may have it already."

  defp advice(:seccomp_install, :eagain),
    do: "A filter with :notify takes a thread for a moment: raise the limit nproc by one."

  defp advice(stage, errno)
       when stage in [:posix_openpt, :pts_open] and errno in [:enospc, :eio],
       do: "No PTY is left: raise /proc/sys/kernel/pty/max."

  defp advice(:request_too_big, _errno),
    do: "argv, env and the other options together exceed a frame of 8 MiB."

  defp advice(:malformed_request, _errno),
    do: "The agent does not take this request: it may be of another version than the library."

  defp advice(:init, _errno),
    do:
      "The session's init was killed; its processes are gone, how the workload ended is unknown."

  defp advice(:session, :esrch),
    do: "The session is gone, and what it had not told yet with it."

  defp advice(:cgroup_open, :enodev),
    do: "This hierarchy of cgroups is not mounted here: mount it, or do without :cgroup."

  defp advice(:cgroup_open, :enoent),
    do: "There is no such cgroup: make it first. Its path counts from the root of the hierarchy."

  defp advice(:cgroup_controls, :enodev) do
    "The kernel does not offer this controller there: mount its hierarchy, or hand it down to the " <>
      "cgroup that is named, from the root on; `mix linx.doctor` shows which controllers are where."
  end

  defp advice(:cgroup_controls, :ebusy) do
    "A cgroup that holds processes hands no controller on: make one without any and name it with " <>
      ":cgroup, such as cgroup: \"jobs\"."
  end

  defp advice(:cgroup_controls, :enoent),
    do:
      "This controller has no such file here: the kernel lacks the feature, or it is turned off."

  defp advice(:cgroup_controls, errno) when errno in [:einval, :erange, :enospc],
    do: "The kernel does not take this value for the file, or the cgroup above allows less."

  defp advice(:cgroup_procs, errno) when errno in [:enodev, :enoent],
    do: "The cgroup is gone: the session that was to be entered has ended."

  defp advice(:cgroup_procs, :enospc),
    do:
      "The cpuset has no CPU or no memory node that the cgroup above has: check what it is set to."

  defp advice(stage, errno)
       when stage in [:cgroup_open, :cgroup_mkdir, :cgroup_clone, :cgroup_controls] and
              errno in [:eacces, :eperm, :erofs] do
    "The BEAM's user may not make cgroups there: have one delegated; `mix linx.doctor` says how."
  end

  defp advice(:open_file, :enoent) do
    "No such file on the host, or no such directory to create it in: the path of {:file, path, mode} " <>
      "is the host's, not the child's."
  end

  defp advice(:open_file, :eacces),
    do: "The BEAM's user may not open this file so: check its mode and those of its directories."

  defp advice(:open_file, :enxio), do: "Nobody reads this fifo: start its reader first."
  defp advice(:open_file, :eisdir), do: "This is a directory: name a file."

  defp advice(:title, errno) when errno in [:einval, :eperm],
    do: "A title takes a kernel with CONFIG_CHECKPOINT_RESTORE, and nothing that forbids prctl."

  defp advice(:wait, :enosys),
    do: "A process without a program waits on x86_64 and aarch64, with seccomp in the kernel."

  defp advice(_stage, errno) when errno in [:emfile, :enfile],
    do: "File descriptors have run out: raise the limit (ulimit -n) before the BEAM starts."

  defp advice(_stage, :enomem), do: "Memory is short."
  defp advice(_stage, _errno), do: nil
end
