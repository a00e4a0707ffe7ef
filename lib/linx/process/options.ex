defmodule Linx.Process.Options do
  @moduledoc """
  What `Linx.Process.spawn/1` and `Linx.Process.enter/2` were asked, checked as a whole.

  Nothing is started before every option is valid. The error is the first option that is not, in the
  order in which `validate/2` looks at them.

  ## What runs

    * `:argv` - list of binaries, required; the first is the absolute path of the program, or any
      name where `:path` is given
    * `:prefork` - `{:connect, name}` or `{:socketpair, name}`, shared with a session by `:fds`, or `{:connect_unix,
      host_path}`: what leads to a warm script, of which this is a run; `:argv` are its arguments then, without
      a program. What confines a process, its directory and its fds above 2 are the script's; of signals
      SIGKILL is what it says, and SIGINT, SIGTERM and SIGHUP are one request to end. `Linx.Prefork` is made of that
    * `:wait` - in place of `:argv`, the title of a process that has no program: it waits under this name,
      1 to 255 bytes of `ps` and of `pgrep -f`, until a signal ends it, and can do nothing else.
      It has no capability, no file, no environment and a seccomp filter of its own, cannot be looked
      into, and ends with the process that it has entered. `:path`, `:env`, `:cwd`, `:stdio`, `:fds` and `:log` do not go with it
    * `:path` - absolute path of the program, default the first of `:argv`
    * `:env` - map, list of pairs, or list of `"K=V"`; default the environment that the agent started
      with, which is the BEAM's
    * `:cwd` - path, as the workload sees it, default the BEAM's
    * `:auto_proceed` - boolean, do not wait at the checkpoint, default `false`

  ## Its streams

    * `:stdio` - `:inherit`, `:devnull`, `:pipe`, `:pty`, or a keyword list with `:stdin`, `:stdout`,
      `:stderr`, each `:inherit`, `:devnull`, `:pipe`, `{:file, host_path, mode}` with a mode of `:read`,
      `:write` (truncates) or `:append`, or `{:connect_unix, host_path}`, and `:stderr` also `:stdout`, the
      very same; default `:inherit`. A file is opened by the agent before the workload exists, and is
      created with mode 0600
    * `:fds` - map or list of further file descriptors, `%{3 => directive}`: at most 64, each of 3..1023, open in
      the workload alone and from its start; default none, and whatever is not named here is closed. The
      agent opens them before the workload exists. A directive is `:devnull`, `{:file, host_path, mode}` or
      `{:connect_unix, host_path}`, as for `:stdio`, or what sessions of one agent (see `:agent`) share by a
      name of at most 255 bytes:
      * `{:pipe, name, :read | :write}` - one end of a pipe, whose other end goes to who names that; with
        `:read_nonblock` a reader that does not wait
      * `{:socketpair, name}` - one end of a pair of connected sockets (AF_UNIX, SOCK_STREAM); the
        other goes to the next who says the same, and then the name is free again
      * `{:listener, name}` - a socket (as above, non-blocking) that listens and has no path: only sessions of
        the agent are connected to it, as long as this session is there
      * `{:connect, name}` - a connection to such a listener

      The other end of a pipe or pair for which nobody asks is closed when this session ends
    * `:window` - 1..1073741824 bytes of each stream that may be on their way, default 262144
    * `:drain` - milliseconds for which a pipe is still read that something else holds open when the
      workload has ended, default 1000
    * `:active` - how the owner gets output: `true`, `false`, `:once` or 1..32767, as `Linx.Process.set_active/2` has
      it, default `true`
    * `:log` - level or options of `Linx.Log`: every line of output goes to `Logger`, and not to the
      owner or `Linx.Process.recv/3`; `:stdio` is by default `[stdout: :pipe, stderr: :pipe]` then. Default none

  ## What it may

    * `:sandbox` - a `Linx.Sandbox`, default none; the other options come on top of it, and
      `:namespaces` add to its own
    * `:namespaces` - fresh ones: some of `:user :mount :uts :ipc :cgroup :net :time :pid`, default
      `[]`
    * `:uid`, `:gid` - 0..4294967294, the workload's ids from exec on, default those it is born with
    * `:groups` - list of supplementary groups; default none where `:uid` or `:gid` is given, else
      those it is born with
    * `:rlimits` - keyword list or map of limits by their names in getrlimit(2), such as
      `[nofile: 256, core: {0, :infinity}]`: a number or `:infinity` for the soft and the hard limit,
      or `{soft, hard}`, in the units that they have there; default the agent's. To raise a hard
      limit takes CAP_SYS_RESOURCE
    * `:nice` - -20..19, default the agent's; less than that takes CAP_SYS_NICE (setpriority(2))
    * `:cpus` - list of the CPUs to run on, from 0, default the agent's (sched_setaffinity(2))
    * `:umask` - 0..0o777, default the agent's
    * `:no_new_privs` - boolean, default `false`
    * `:syscall_timeout` - how long a system call waits that the owner is asked about
      (`Linx.Seccomp.Call`), in milliseconds, or `{milliseconds, errno}` with what it fails with then,
      default `{5000, :eperm}`
    * `:cgroup` - `true` for a cgroup (version 2) of its own below the agent's, or the path of
      another one to make it below, from the root of the hierarchy; default `false`. It is gone when
      the end is told. It takes Linux 5.8, the right to make cgroups there, and about as long as the
      spawn itself. Of `Linx.Process.enter/2` also `:target`: those that the target is in

    * `:inherit` - of `Linx.Process.enter/2` with a session as its target: boolean, whether that session's
      restrictions hold for the newcomer as far as no other option says otherwise, default `true`

  ## How it ends

    * `:init` - boolean, put a process above the workload that sees to it that nothing survives;
      default `true` unless `:pid` is among the fresh namespaces, where the kernel does that, and
      unless it is to `:wait`, and starts nothing
    * `:forking` - boolean, for a daemon that goes to the background by itself (systemd's `Type=forking`):
      when its first process exits with 0 and leaves others, the session goes on with them. The owner gets
      `{:linx_process, :forked}`, signals go to those of them that have no parent of their own any more, and the
      end is that of the last one. A first process that fails ends the session as ever. Implies `:init`; default `false`
    * `:orphan_policy` - `{:kill, grace}` in milliseconds or `:linger`, default `{:kill, 5000}`
    * `:kill` - number or name of the signal that a workload gets first when it has to end, default
      `:sigterm`
    * `:timeout` - milliseconds that the session may last from its start, time at the checkpoint
      included, or `:infinity`, default `:infinity`

  ## Who hears of it

    * `:owner` - pid, gets the messages, default the caller (a supervisor gets none)
    * `:tag` - any term, marks the messages, default none
    * `:linger` - boolean, whether the session outlives its workload, so that `Linx.Process.wait/2` and `Linx.Process.info/1` go
      on answering until the owner ends; default `true`
    * `:agent` - `:shared`, `:dedicated` for an agent that serves this session alone, or a session whose
      shared agent it is to be, so that names in `:fds` mean the same; default `:shared`

      iex> options = [argv: ["/bin/true"], cwd: "/", auto_proceed: true]
      iex> {:ok, valid} = Linx.Process.Options.validate(:spawn, options)
      iex> valid.request
      %{argv: ["/bin/true"], auto_proceed: true, cwd: "/", init: true}
      iex> Linx.Process.Options.validate(:spawn, argv: ["/bin/true"], uid: -1)
      {:error, {:bad_uid, -1}}
  """

  alias Linx.Process.Confinement
  alias Linx.Process.Options.{Limits, Reason, Values}
  alias Linx.Process.Streams
  alias Linx.Sandbox

  @type orphan_policy :: {:kill, milliseconds :: non_neg_integer} | :linger

  @typedoc """
  `request` is the map that goes to the agent, `confinement` the part of it that the session keeps, `told`
  the options that were given, or `:all` where nothing is to be inherited; the rest concerns this
  side alone.
  """
  @type t :: %__MODULE__{
          mode: :spawn | :enter,
          request: map,
          confinement: map,
          orphan_policy: orphan_policy,
          auto_proceed: boolean,
          pty?: boolean,
          streams: Streams.t() | nil,
          linger: boolean,
          owner: pid | nil,
          tag: {:ok, term} | :error,
          log: Linx.Log.t() | nil,
          kill: 1..64,
          timeout: timeout,
          agent: :shared | :dedicated | pid,
          told: [atom] | :all
        }

  @enforce_keys [:mode, :request, :confinement, :orphan_policy, :auto_proceed, :pty?, :streams] ++
                  [:linger, :owner, :tag, :log, :agent, :kill, :timeout, :told]
  defstruct @enforce_keys

  @known [:argv, :wait, :path, :namespaces, :env, :stdio, :cwd, :no_new_privs, :orphan_policy] ++
           [:uid, :gid, :groups, :rlimits, :nice, :umask, :cpus] ++
           [:window, :drain, :active] ++
           [:owner, :linger, :auto_proceed, :init, :agent, :tag] ++
           [:kill, :timeout, :cgroup, :log, :sandbox, :inherit, :syscall_timeout, :fds, :forking] ++
           [:prefork]

  @bad Map.new(@known, &{&1, :"bad_#{&1}"})

  @default_policy {:kill, 5000}
  # What a program gets, from the options and from a sandbox.
  @not_with_wait [:argv, :path, :env, :cwd, :stdio, :fds, :log]
  @programs_only [:env, :cwd, :seccomp]
  # What a script that runs already can no longer be given.
  @not_with_prefork [
                      :wait,
                      :path,
                      :namespaces,
                      :cwd,
                      :no_new_privs,
                      :uid,
                      :gid,
                      :groups,
                      :rlimits
                    ] ++
                      [:nice, :umask, :cpus, :init, :cgroup, :sandbox, :syscall_timeout, :fds] ++
                      [:forking]

  @sigterm 15
  @default_window 262_144
  @default_drain 1000

  @doc """
  Checks the options of a session; any term may be asked about.

  What is not given, or is what the agent would do anyway, is left out of the request.
  """
  @spec validate(:spawn | :enter, term) :: {:ok, t} | {:error, Reason.t()}
  def validate(mode, options) do
    with :ok <- list(options),
         {:ok, program} <- program(options),
         waits? = Map.has_key?(program, :wait),
         starts? = not waits? and not Map.has_key?(program, :prefork),
         {:ok, path} <- checked(options, :path, nil, &Values.absolute_path?/1),
         {:ok, named} <- converted(options, :namespaces, nil, &Values.namespaces/1),
         {:ok, sandbox} <- converted(options, :sandbox, %{}, &sandbox(&1, mode, named)),
         # That is this side's to see to, not the agent's.
         {time, sandbox} = Map.pop(sandbox, :timeout, :infinity),
         namespaces = Map.get(sandbox, :namespaces, named),
         {:ok, env} <- converted(options, :env, nil, &Values.env/1),
         {:ok, log} <- converted(options, :log, nil, &Values.log/1),
         {:ok, stdio} <- converted(options, :stdio, stdio(log), &Values.stdio/1),
         {:ok, fds} <- converted(options, :fds, nil, &Values.fds/1),
         {:ok, cwd} <- checked(options, :cwd, nil, &Values.path?/1),
         {:ok, no_new_privs} <- checked(options, :no_new_privs, false, &is_boolean/1),
         {:ok, policy} <-
           checked(options, :orphan_policy, @default_policy, &Values.orphan_policy?/1),
         {:ok, uid} <- checked(options, :uid, nil, &Values.id?/1),
         {:ok, gid} <- checked(options, :gid, nil, &Values.id?/1),
         {:ok, groups} <- checked(options, :groups, nil, &Values.groups?/1),
         {:ok, rlimits} <- converted(options, :rlimits, nil, &Limits.rlimits/1),
         {:ok, nice} <- checked(options, :nice, nil, &Limits.nice?/1),
         {:ok, umask} <- checked(options, :umask, nil, &Limits.umask?/1),
         {:ok, cpus} <- checked(options, :cpus, nil, &Limits.cpus?/1),
         {:ok, window} <- checked(options, :window, @default_window, &Values.window?/1),
         {:ok, drain} <- checked(options, :drain, @default_drain, &Values.drain?/1),
         {:ok, active} <- checked(options, :active, true, &Streams.first_mode?/1),
         {:ok, owner} <- checked(options, :owner, nil, &is_pid/1),
         {:ok, linger} <- checked(options, :linger, true, &is_boolean/1),
         {:ok, auto_proceed} <- checked(options, :auto_proceed, false, &is_boolean/1),
         {:ok, forking} <- checked(options, :forking, false, &is_boolean/1),
         {:ok, init} <-
           checked(
             options,
             :init,
             forking or (starts? and init(mode, namespaces)),
             &is_boolean/1
           ),
         :ok <- forked_below(forking, init),
         {:ok, agent} <- checked(options, :agent, :shared, &Values.agent?/1),
         {:ok, kill} <- converted(options, :kill, @sigterm, &Values.kill/1),
         {:ok, timeout} <-
           checked(options, :timeout, time, &(&1 == :infinity or Values.timeout?(&1))),
         {:ok, cgroup} <- checked(options, :cgroup, false, &Values.cgroup?(&1, mode)),
         {:ok, inherit} <- checked(options, :inherit, true, &is_boolean/1),
         {:ok, syscall_timeout} <-
           converted(options, :syscall_timeout, nil, &Values.syscall_timeout/1),
         :ok <- all_known(mode, options),
         # What is logged is read by the log.
         streams = Streams.new(stdio, window, if(log, do: false, else: active)),
         :ok <- output(log, streams, options) do
      request =
        sandbox
        |> Map.drop(if(waits?, do: @programs_only, else: []))
        |> Map.merge(program)
        |> put(:path, path, nil)
        |> put(:namespaces, namespaces, nil)
        |> put(:env, env, nil)
        |> put(:stdio, stdio, :inherit)
        |> put(:fds, fds, nil)
        |> put(:cwd, cwd, nil)
        |> put(:no_new_privs, no_new_privs, false)
        |> put(:orphan_policy, policy, @default_policy)
        |> put(:auto_proceed, auto_proceed, false)
        # A workload less confined than was asked must not start.
        |> put(:fail_closed, not auto_proceed, false)
        |> put(:init, init, false)
        |> put(:forking, forking, false)
        |> put(:uid, uid, nil)
        |> put(:gid, gid, nil)
        |> put(:groups, groups, nil)
        |> put(:rlimits, Limits.merge(sandbox[:rlimits], rlimits), nil)
        |> put(:nice, nice, nil)
        |> put(:umask, umask, nil)
        |> put(:cpus, cpus, nil)
        |> put(:cgroup, cgroup, false)
        |> put(:syscall_timeout, syscall_timeout, nil)
        |> put(:window, streams && window, unasked_window(streams, agent))
        |> put(:drain_ms, drain, if(streams, do: @default_drain, else: drain))
        # The envelope tells it unasked.
        |> put(:usage, agent == :dedicated, false)

      {:ok,
       %__MODULE__{
         mode: mode,
         request: request,
         confinement: Confinement.of(request, sandbox),
         orphan_policy: policy,
         auto_proceed: auto_proceed,
         pty?: stdio == :pty,
         streams: streams,
         linger: linger,
         owner: owner,
         tag: fetch(options, :tag),
         log: log,
         kill: kill,
         timeout: timeout,
         agent: agent,
         told: if(inherit, do: told(options, waits?), else: :all)
       }}
    end
  end

  @doc """
  The options of who enters a session, with that session's restrictions, unless `inherit: false` was
  among them; see `Linx.Process.Confinement.inherit/3`.
  """
  @spec inherit(t, confinement :: map) :: t
  def inherit(%__MODULE__{told: :all} = options, _target), do: options

  def inherit(options, target) do
    request = Confinement.inherit(options.request, options.told, target)
    %{options | request: request, confinement: Confinement.of(request, target)}
  end

  # `nil` says nothing. Who waits is confined as it is.
  defp told(options, waits?) do
    given = for {key, value} <- options, value != nil, do: key
    if waits?, do: @programs_only ++ [:capabilities, :securebits, :landlock | given], else: given
  end

  # What the options name comes on top of what the sandbox asks for.
  defp sandbox(%Sandbox{} = sandbox, mode, named) do
    sandbox |> Sandbox.namespaces(List.wrap(named)) |> Sandbox.request(mode)
  end

  defp sandbox(other, _mode, _named), do: {:error, {:bad_sandbox, other}}

  # Somebody has to hear of the last one's end.
  defp forked_below(true, false), do: {:error, {:bad_forking, true}}
  defp forked_below(_forking, _init), do: :ok

  defp stdio(nil), do: :inherit
  defp stdio(_log), do: [stdout: :pipe, stderr: :pipe]

  defp output(log, streams, options) do
    if log == nil or Streams.output?(streams),
      do: :ok,
      else: {:error, {:bad_log, options[:log]}}
  end

  # What is no list holds no :argv.
  defp list(options) do
    if is_list(options) and not List.improper?(options), do: :ok, else: {:error, :argv_required}
  end

  defp program(options) do
    case fetch(options, :prefork) do
      none when none in [:error, {:ok, nil}] -> own_program(options)
      {:ok, script} -> run_of(script, options)
    end
  end

  defp run_of(script, options) do
    {:ok, args} = with :error <- fetch(options, :argv), do: {:ok, []}

    cond do
      not Values.prefork?(script) ->
        {:error, {:bad_prefork, script}}

      not Values.arguments?(args) ->
        {:error, {:bad_argv, args}}

      key = Enum.find(@not_with_prefork, &given?(options, &1)) ->
        {:error, {:not_with_prefork, key}}

      true ->
        {:ok, %{argv: args, prefork: script}}
    end
  end

  defp own_program(options) do
    case fetch(options, :wait) do
      none when none in [:error, {:ok, nil}] ->
        with {:ok, argv} <- argv(options), do: {:ok, %{argv: argv}}

      {:ok, title} ->
        cond do
          not Values.title?(title) -> {:error, {:bad_wait, title}}
          key = Enum.find(@not_with_wait, &given?(options, &1)) -> {:error, {:not_with_wait, key}}
          true -> {:ok, %{wait: title}}
        end
    end
  end

  defp given?(options, key), do: fetch(options, key) not in [:error, {:ok, nil}]

  defp argv(options) do
    case fetch(options, :argv) do
      {:ok, argv} -> Values.argv(argv, fetch(options, :path) in [:error, {:ok, nil}])
      :error -> {:error, :argv_required}
    end
  end

  # Not Keyword.fetch: the elements may still be anything.
  defp fetch(options, key) do
    case List.keyfind(options, key, 0) do
      {_key, value} -> {:ok, value}
      _ -> :error
    end
  end

  # `nil` may stand for what is not given where nothing is the default.
  defp converted(options, key, default, convert) do
    case fetch(options, key) do
      :error -> {:ok, default}
      {:ok, ^default} -> {:ok, default}
      {:ok, value} -> convert.(value)
    end
  end

  defp checked(options, key, default, valid?) do
    converted(options, key, default, fn value ->
      if valid?.(value), do: {:ok, value}, else: {:error, {Map.fetch!(@bad, key), value}}
    end)
  end

  # Only a spawned child is born in fresh namespaces, and PID 1 of one needs no init above it.
  defp init(:spawn, namespaces), do: :pid not in List.wrap(namespaces)
  defp init(:enter, _namespaces), do: true

  # What need not be said: bare frames have no window unless it is asked for.
  defp unasked_window(nil, _agent), do: nil
  defp unasked_window(_streams, :dedicated), do: nil
  defp unasked_window(_streams, _shared), do: @default_window

  defp put(request, _key, default, default), do: request
  defp put(request, key, value, _default), do: Map.put(request, key, value)

  defp all_known(mode, options) do
    known = if mode == :enter, do: @known, else: @known -- [:inherit]

    case Enum.find(options, &(not known_pair?(&1, known))) do
      nil -> :ok
      {key, _value} -> {:error, {:unknown_option, key}}
      other -> {:error, {:unknown_option, other}}
    end
  end

  defp known_pair?({key, _value}, known), do: key in known
  defp known_pair?(_other, _known), do: false
end
