defmodule Linx.Sandbox do
  @moduledoc """
  What a session is confined to, as data.

      sandbox = Linx.Sandbox.new()
      {:ok, session} = Linx.Process.spawn(argv: ["/bin/true"], sandbox: sandbox)

  A sandbox is built up by functions that take any value; whether the values are right is found
  out when a session is asked for, before anything of it exists.

  Without the capability CAP_SYS_ADMIN every sandbox with fresh namespaces gets a user namespace, too: there
  an ordinary user may make the others.
  """

  alias Linx.Process.Options.Values

  alias Linx.Sandbox.{
    Files,
    Host,
    Ids,
    Landlock,
    Limits,
    Part,
    Preset,
    Privileges,
    Surroundings,
    Verify
  }

  @parts [Ids, Surroundings, Files, Limits, Privileges, Landlock]

  @enforce_keys [:namespaces, :env, :parts]
  defstruct @enforce_keys

  @type t :: %__MODULE__{namespaces: [atom], env: map | nil, parts: %{module => struct}}

  @doc """
  A sandbox to start from.

    * `:none` - one that confines nothing but what every sandbox does: no capabilities, and no way to get any
    * `:strict` - for code that nobody trusts: all namespaces, no network, nobody's ids, the system's programs to
      read and run, 64 MiB in `/tmp` to write, the default filter, landlock
    * `:container` - a root file system, given with `root/3`, as a container runtime runs it
    * `:build` - the host's files to read, its network, and what is bound to be written

  The guide `docs/sandbox.md` says what each has, and what it does not protect against.
  """
  @spec new(Preset.name()) :: t
  def new(preset \\ :none) do
    nothing = %__MODULE__{namespaces: [], env: nil, parts: Map.new(@parts, &{&1, &1.new()})}
    Preset.apply_to(nothing, preset)
  end

  @doc "Fresh namespaces, besides those that there are and those that what else is asked for needs."
  @spec namespaces(t, term) :: t
  def namespaces(%__MODULE__{namespaces: before} = sandbox, names)
      when is_list(before) and is_list(names),
      do: %{sandbox | namespaces: before ++ names}

  # What is wrong stays, to be told with the request.
  def namespaces(%__MODULE__{namespaces: before} = sandbox, names),
    do: %{sandbox | namespaces: if(is_list(before), do: names, else: before)}

  @doc """
  Takes namespaces out again that a preset has: the workload has the BEAM's then. What else is asked
  for may still bring them.
  """
  @spec share(t, [atom]) :: t
  def share(%__MODULE__{} = sandbox, names),
    do: %{sandbox | namespaces: sandbox.namespaces -- names}

  @doc """
  The whole environment, as a map, a list of pairs or of `"K=V"`; `nil` for the BEAM's. The option `:env`
  of a session counts more.
  """
  @spec env(t, term) :: t
  def env(%__MODULE__{} = sandbox, env), do: %{sandbox | env: env}

  @doc """
  The workload's user: a number, or a name of the host's `/etc/passwd`.

  Its group is the user's there, or has the same number, unless `group/2` says another. Supplementary
  groups are given up. In a user namespace the number is the one inside: `user(sandbox, 0)` with
  `:user` among the `namespaces/2` is root there, and nobody outside.
  """
  @spec user(t, term) :: t
  def user(sandbox, user), do: update(sandbox, Ids, &%{&1 | user: user})

  @doc "The workload's group: a number, or a name of the host's `/etc/group`."
  @spec group(t, term) :: t
  def group(sandbox, group), do: update(sandbox, Ids, &%{&1 | group: group})

  @doc """
  The supplementary groups, as a list of numbers and names. An ordinary user cannot have any in a
  user namespace, nor give up its own there, unless `/etc/subgid` allows other maps.
  """
  @spec groups(t, term) :: t
  def groups(sandbox, groups), do: update(sandbox, Ids, &%{&1 | groups: groups})

  @doc """
  The uids of a fresh user namespace, as `{inside, outside, length}`, in place of those that
  `Linx.Sandbox.Ids` chooses.

  An ordinary user may map its own uid alone, or what `/etc/subuid` gives it, by newuidmap(1). A map
  that holds uid 0 of the host gives the workload root's rights to files, with or without
  capabilities.
  """
  @spec uid_map(t, term) :: t
  def uid_map(sandbox, map), do: update(sandbox, Ids, &%{&1 | uid_map: map})

  @doc "The gids of a fresh user namespace, as `uid_map/2`."
  @spec gid_map(t, term) :: t
  def gid_map(sandbox, map), do: update(sandbox, Ids, &%{&1 | gid_map: map})

  @doc """
  Whether setgroups(2) is to be `:allow`ed in a fresh user namespace, or `:deny`; the default is
  what the maps need.
  """
  @spec setgroups(t, term) :: t
  def setgroups(sandbox, word), do: update(sandbox, Ids, &%{&1 | setgroups: word})

  @doc "The host's name in a fresh uts namespace, 1 to 64 bytes."
  @spec hostname(t, term) :: t
  def hostname(sandbox, name), do: update(sandbox, Surroundings, &%{&1 | hostname: name})

  @doc "The NIS domain's name in a fresh uts namespace, 1 to 64 bytes."
  @spec domainname(t, term) :: t
  def domainname(sandbox, name), do: update(sandbox, Surroundings, &%{&1 | domainname: name})

  @doc """
  Whether the interface `lo` of a fresh net namespace is up: `true`, unless this says `false`.
  """
  @spec loopback(t, term) :: t
  def loopback(sandbox, up?), do: update(sandbox, Surroundings, &%{&1 | loopback: up?})

  @doc """
  What a fresh time namespace adds to the host's clocks. Needs Linux 6.1.

    * `:monotonic` - to CLOCK_MONOTONIC, in milliseconds or as `{:ns, nanoseconds}`, default 0
    * `:boottime` - to CLOCK_BOOTTIME and the uptime, likewise

  Offsets may be negative, a clock may not.
  """
  @spec time_offsets(t, term) :: t
  def time_offsets(sandbox, offsets),
    do: update(sandbox, Surroundings, &%{&1 | time_offsets: offsets})

  @doc """
  How early the workload is killed when memory is out, -1000 (never) to 1000 (first). Less than the
  BEAM's takes CAP_SYS_RESOURCE. An ordinary user can say it of what it spawns alone.
  """
  @spec oom_score_adj(t, term) :: t
  def oom_score_adj(sandbox, score),
    do: update(sandbox, Surroundings, &%{&1 | oom_score_adj: score})

  @doc """
  The workload's capabilities, see `Linx.Capabilities.Constants` for their names:

    * `:none` - the default: none, and none to be had
    * `{:keep, names}` - these and no other, whatever its uid
    * a keyword list of `:effective`, `:permitted`, `:inheritable`, `:bounding` and `:ambient` with
      names each - these sets; those that are left out stay as the workload would have them

  An ordinary user can take something out of the bounding set in a user namespace alone: the sandbox has
  one then, whatever `namespaces/2` says.
  """
  @spec capabilities(t, term) :: t
  def capabilities(sandbox, wanted),
    do: update(sandbox, Privileges, &%{&1 | capabilities: wanted})

  @doc """
  Securebits to turn on, a list of names of capabilities(7) such as `:noroot` and `:noroot_locked`.
  """
  @spec securebits(t, term) :: t
  def securebits(sandbox, names), do: update(sandbox, Privileges, &%{&1 | securebits: names})

  @doc """
  System call filters: `:default` for `Linx.Seccomp.default/0`, a filter of `Linx.Seccomp`, a BPF program
  as a binary, or a list of up to 16 of these, all of which are in force.
  """
  @spec seccomp(t, term) :: t
  def seccomp(sandbox, filters), do: update(sandbox, Privileges, &%{&1 | seccomp: filters})

  @doc """
  Whether an exec can give no privileges, as of set-uid programs and file capabilities: `true`, unless this
  says `false`. With filters or rules of landlock it is so anyway.
  """
  @spec no_new_privs(t, term) :: t
  def no_new_privs(sandbox, on?), do: update(sandbox, Privileges, &%{&1 | no_new_privs: on?})

  @doc """
  Lets files be read at and below a path, or each of a list of them, and nothing else be done with any
  file, besides what `writable/2`, `executable/2` and `access/3` allow.

  The paths are looked up in the root that the workload has, with its rights; each has to be there.
  """
  @spec readable(t, term) :: t
  def readable(sandbox, paths),
    do: update(sandbox, Landlock, &Landlock.allow(&1, :readable, paths))

  @doc "As `readable/2`, and they may be changed, made, moved and removed; but no devices made."
  @spec writable(t, term) :: t
  def writable(sandbox, paths),
    do: update(sandbox, Landlock, &Landlock.allow(&1, :writable, paths))

  @doc """
  As `readable/2`, and they may be executed. The loader of a dynamically linked program is executed
  too, and its libraries are read.
  """
  @spec executable(t, term) :: t
  def executable(sandbox, paths),
    do: update(sandbox, Landlock, &Landlock.allow(&1, :executable, paths))

  @doc """
  As `readable/2`, with the rights that are named, of `Linx.Landlock.file_rights/0`: a terminal needs
  `[:read_file, :write_file, :ioctl_dev]`.
  """
  @spec access(t, term, term) :: t
  def access(sandbox, paths, rights),
    do: update(sandbox, Landlock, &Landlock.allow(&1, :access, paths, rights))

  @doc "The TCP ports that may be listened on, one or a list of them; no other one then."
  @spec tcp_bind(t, term) :: t
  def tcp_bind(sandbox, ports), do: update(sandbox, Landlock, &%{&1 | bind: ports})

  @doc "The TCP ports that may be connected to, one or a list of them; no other one then."
  @spec tcp_connect(t, term) :: t
  def tcp_connect(sandbox, ports), do: update(sandbox, Landlock, &%{&1 | connect: ports})

  @doc """
  Keeps the workload from processes outside of the sandbox: a list of `:signal` and
  `:abstract_unix_socket`.
  """
  @spec scope(t, term) :: t
  def scope(sandbox, names), do: update(sandbox, Landlock, &%{&1 | scopes: names})

  @doc """
  Whether the session goes without what the landlock of this kernel cannot enforce: `false`, unless this
  says `true`. `Linx.Landlock.enforced/2` tells what is left.
  """
  @spec best_effort(t, term) :: t
  def best_effort(sandbox, on?), do: update(sandbox, Landlock, &%{&1 | best_effort: on?})

  @doc """
  What the workload may use, as a keyword list. Of what is given several times the last counts.

  For all processes of the session together, by a cgroup of its own (`Linx.Sandbox.Limits`):

    * `:memory` - bytes, or a size such as `"256m"`; the kernel kills who allocates beyond, by SIGKILL
    * `:swap` - the same, on top of `:memory`; 0 for none, default as much as there is
    * `:pids` - how many processes and threads there may be; fork(2) fails with EAGAIN beyond
    * `:cpu` - how many CPUs' worth of time, such as 0.5
    * `:cpu_weight` - 1..10000, the share of the CPU where others want it too, who have 100
    * `:cpuset` - list of CPUs that it cannot leave
    * `:controls` - list of `{file, value}` for any other file of its cgroup of version 2, such as
      `{"io.max", "8:0 rbps=1048576"}`, and of `{controller, file, value}` for version 1, such as
      `{:devices, "devices.deny", "a"}`
    * `:cgroup` - which cgroup of version 2 to make its own below, default the BEAM's; see the option
      `:cgroup` of a session. One in which no process is can hand any controller on

  For the session:

    * `:time` - milliseconds that it may last; the option `:timeout` counts more

  For each process:

    * `:nofile`, `:core`, `:fsize`, `:stack`, `:nproc` and all others of getrlimit(2) - a number or
      `:infinity`, or `{soft, hard}`; those in bytes also as sizes. RLIMIT_CPU and RLIMIT_NICE are
      in `:rlimits`, as the option of that name has it
    * `:nice`, `:umask`, `:cpus` - as the options of a session; unlike a `:cpuset`, what `:cpus` says the
      workload can change
  """
  @spec limit(t, term) :: t
  def limit(sandbox, limits), do: update(sandbox, Limits, &Limits.add(&1, limits))

  @doc """
  What the workload has for its root, in a fresh mount namespace: the path of a directory of the host with
  all that is mounted below it, `:tmpfs` for an empty one in memory, or `:host`.

    * `:read_only` - boolean, default `false`; `:tmpfs` is so only once everything is in its place
    * `:nosuid`, `:nodev` - boolean, default `true`, for `:host` `false`
    * `:noexec` - boolean, default `false`
    * `:idmap` - boolean, default `false`, of a directory: as in `bind/4`
    * `:size`, `:mode`, `:nr_inodes` - of `:tmpfs`, as in `tmpfs/3`; the default mode is `0o755`

  Without this the root is the host's if anything is mounted. The old root is then out of reach in any
  case, the workload starts in `/`, unless the session's `:cwd` says another, and its program is looked up there.
  """
  @spec root(t, term, term) :: t
  def root(sandbox, root, options \\ []),
    do: update(sandbox, Files, &Files.root(&1, root, options))

  @doc """
  Shows a file or directory of the host at `target`, or at the same path.

  The source is what the host has there, links followed, whatever is mounted in the sandbox. The target is looked up in the
  sandbox's root: a link that leads out of it is an error. One that is missing is made; but not in the host's
  own directories where they are the root.

    * `:read_only`, `:nosuid`, `:nodev` - boolean, default `true`
    * `:noexec` - boolean, default `false`
    * `:recursive` - boolean, default `true`: with all that is mounted below the source. In a user
      namespace the kernel refuses to leave anything out
    * `:idmap` - boolean, default `false`: files belong inside to the ids that the host has for them, as if the
      maps of the user namespace were not there: what root of the sandbox makes is root's on the host.
      It brings a user namespace, takes CAP_SYS_ADMIN, and a file system that can do it (Linux 5.12)
  """
  @spec bind(t, term, term, term) :: t
  def bind(sandbox, source, target \\ nil, options \\ [])

  def bind(sandbox, source, options, []) when is_list(options),
    do: bind(sandbox, source, source, options)

  def bind(sandbox, source, nil, options), do: bind(sandbox, source, source, options)

  def bind(sandbox, source, target, options) do
    options = if is_list(options), do: [{:source, source} | options], else: options
    update(sandbox, Files, &Files.mount(&1, :bind, target, options))
  end

  @doc """
  An empty file system in memory.

    * `:size` - bytes or such as `"64m"`, default `"64m"`
    * `:mode` - of its directory, default `0o1777`
    * `:nr_inodes` - how many files it holds, default the kernel's
    * `:nosuid`, `:nodev` - boolean, default `true`
    * `:noexec`, `:read_only` - boolean, default `false`
  """
  @spec tmpfs(t, term, term) :: t
  def tmpfs(sandbox, target, options \\ []),
    do: update(sandbox, Files, &Files.mount(&1, :tmpfs, target, options))

  @doc """
  Directories of the host laid over each other.

    * `:lower` - those that are only read, the topmost first; required
    * `:upper`, `:work` - where changes go, and an empty directory beside it that the kernel needs;
      without them nothing can be changed, and `:lower` has two at least
    * `:read_only`, `:nosuid`, `:nodev`, `:noexec` - as in `tmpfs/3`
  """
  @spec overlay(t, term, term) :: t
  def overlay(sandbox, target, options),
    do: update(sandbox, Files, &Files.mount(&1, :overlay, target, options))

  @doc """
  The processes of the workload's own pid namespace, at `/proc`. It is `nosuid`, `nodev` and `noexec`.

    * `:subset` - `:pid` to leave out everything but processes
    * `:hidepid` - `:noaccess`, `:invisible` or `:ptraceable`: what one user sees of another's
    * `:read_only` - boolean, default `false`
  """
  @spec proc(t, term) :: t
  def proc(sandbox, options \\ []),
    do: update(sandbox, Files, &Files.mount(&1, :proc, "/proc", options))

  @doc """
  The devices of the workload's net namespace, at `/sys`; `:read_only` is `true` unless this says
  otherwise.
  """
  @spec sysfs(t, term) :: t
  def sysfs(sandbox, options \\ []),
    do: update(sandbox, Files, &Files.mount(&1, :sysfs, "/sys", options))

  @doc "The message queues of the workload's ipc namespace, at `/dev/mqueue`."
  @spec mqueue(t, term) :: t
  def mqueue(sandbox, options \\ []),
    do: update(sandbox, Files, &Files.mount(&1, :mqueue, "/dev/mqueue", options))

  @doc """
  A `/dev` that hides whatever the root has there: null, zero, full, random, urandom and tty of the
  host, ptmx and pts of its own, 64 MiB of shm, and the links to a process's own files. Nothing can
  be added to it.
  """
  @spec dev(t) :: t
  def dev(sandbox), do: update(sandbox, Files, &Files.mount(&1, :dev, "/dev", []))

  @doc """
  Hides what is at a path, or at each of a list: a directory is empty then, a file too. What is not
  there is not missed. `Linx.Sandbox.Files.default_masks/0` has what container runtimes hide.
  """
  @spec mask(t, term) :: t
  def mask(sandbox, paths), do: each_path(sandbox, :mask, paths)

  @doc "Makes a path, or each of a list, read-only with all that is mounted below it."
  @spec read_only_path(t, term) :: t
  def read_only_path(sandbox, paths), do: each_path(sandbox, :read_only, paths)

  @doc """
  A file with this content, at most 1 MiB, over whatever is at the path. Nobody can change it, and
  the content is only ever in memory.

    * `:mode` - default `0o644`
  """
  @spec file(t, term, term, term) :: t
  def file(sandbox, path, content, options \\ []) do
    options = if is_list(options), do: [{:content, content} | options], else: options
    update(sandbox, Files, &Files.mount(&1, :file, path, options))
  end

  @doc """
  A directory that is made where it is missing.

    * `:mode` - of one that is made, default `0o755`
  """
  @spec dir(t, term, term) :: t
  def dir(sandbox, path, options \\ []),
    do: update(sandbox, Files, &Files.mount(&1, :dir, path, options))

  defp each_path(sandbox, kind, paths) do
    paths = if is_list(paths) and not List.improper?(paths), do: paths, else: [paths]

    Enum.reduce(paths, sandbox, fn path, sandbox ->
      update(sandbox, Files, &Files.mount(&1, kind, path, []))
    end)
  end

  @doc """
  Compares what was asked of a session that runs with what the kernel says of it.

  `{:error, {:differs, differences}}` tells each as `{what, asked, found}`. `{:ok, unseen}` where there is
  none; `unseen` are the things asked for that the kernel tells nobody (`Linx.Sandbox.Verify`). At
  the checkpoint much is not in force yet: ask after `:running`.
  """
  @spec verify(Linx.Process.session()) ::
          {:ok, unseen :: [atom]}
          | {:error, {:differs, [Verify.difference(), ...]} | :not_ready | :no_process}
  def verify(session) do
    with {:ok, isolation} <- Linx.Process.isolation(session),
         {:ok, confinement} <- Linx.Process.confinement(session) do
      case Verify.differences(confinement, isolation) do
        [] -> {:ok, Verify.unseen(confinement)}
        differences -> {:error, {:differs, differences}}
      end
    end
  end

  @doc false
  @spec environment(term) :: %{binary => binary} | nil
  def environment(%__MODULE__{env: env}) when env != nil do
    with {:ok, pairs} <- Values.env(env) do
      Map.new(pairs, fn pair -> pair |> String.split("=", parts: 2) |> List.to_tuple() end)
    else
      # Whoever asks is told so with the request.
      {:error, _} -> %{}
    end
  end

  def environment(_none), do: nil

  @doc false
  @spec root_directory(term) :: Path.t() | nil
  def root_directory(%__MODULE__{} = sandbox) do
    case Map.fetch!(sandbox.parts, Files) do
      %Files{root: {path, _options}} when is_binary(path) -> path
      _other -> nil
    end
  end

  def root_directory(_none), do: nil

  @doc false
  @spec files?(term) :: boolean
  def files?(%__MODULE__{} = sandbox), do: Map.fetch!(sandbox.parts, Files) != Files.new()
  def files?(_none), do: false

  @doc """
  Runs a program in a session's sandbox: `Linx.Process.enter/2` of a session, with `argv`.

      {:ok, shell} = Linx.Sandbox.exec(session, ["/bin/sh"], stdio: :pty, auto_proceed: true)
  """
  @spec exec(Linx.Process.session(), [String.t()], keyword) :: {:ok, pid} | {:error, term}
  def exec(session, argv, options \\ []),
    do: Linx.Process.enter(session, [{:argv, argv} | options])

  @doc false
  @spec update(t, module, (struct -> struct)) :: t
  def update(%__MODULE__{} = sandbox, part, change),
    do: %{sandbox | parts: Map.update!(sandbox.parts, part, change)}

  @doc "The keys of a request that make this sandbox."
  @spec request(t, :spawn | :enter) :: {:ok, map} | Part.error()
  def request(%__MODULE__{} = sandbox, mode) do
    with {:ok, namespaces} <- all_namespaces(sandbox), {:ok, env} <- env(sandbox) do
      writable = Files.writable(Map.fetch!(sandbox.parts, Files))
      host = Map.take(Host.self(), [:uid, :gid])
      context = Map.merge(host, %{mode: mode, namespaces: namespaces, writable: writable})
      first = mode |> first(namespaces) |> put_env(env)

      Enum.reduce_while(@parts, {:ok, first}, fn part, {:ok, request} ->
        case part.request(Map.fetch!(sandbox.parts, part), context) do
          {:ok, keys} -> {:cont, {:ok, Map.merge(request, keys)}}
          error -> {:halt, error}
        end
      end)
    end
  end

  # Those to enter are the session's to name: a list that is empty here would be none of them.
  defp first(:spawn, namespaces), do: %{namespaces: namespaces, fail_closed: true}
  defp first(:enter, _namespaces), do: %{fail_closed: true}

  defp env(%{env: nil}), do: {:ok, nil}

  defp env(%{env: env}) do
    with {:error, _} <- Values.env(env), do: {:error, {:bad_sandbox, {:env, env}}}
  end

  defp put_env(request, nil), do: request
  defp put_env(request, env), do: Map.put(request, :env, env)

  defp all_namespaces(%{namespaces: named, parts: parts}) do
    with true <- is_list(named) and not List.improper?(named),
         true <- Enum.all?(named, &(&1 in Linx.Protocol.namespaces())) do
      needed = for part <- @parts, name <- part.namespaces(Map.fetch!(parts, part)), do: name
      wanted = with_user(named ++ needed)
      {:ok, Enum.filter(Linx.Protocol.namespaces(), &(&1 in wanted))}
    else
      _ -> {:error, {:bad_sandbox, {:namespaces, named}}}
    end
  end

  # In a user namespace of its own an ordinary user may make the others.
  defp with_user([]), do: []

  defp with_user(names) do
    if :cap_sys_admin in Host.self().capabilities, do: names, else: [:user | names]
  end
end
