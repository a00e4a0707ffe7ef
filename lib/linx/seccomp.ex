defmodule Linx.Seccomp do
  @moduledoc """
  System call filters for a session that waits at its checkpoint.

      {:ok, filter} = Linx.Seccomp.deny_list([:ptrace, :mount, :unshare])

      {:ok, s} = Linx.Process.spawn(argv: ["/bin/sh", "-c", "unshare -U true"])
      receive do {:linx_process, :ready, _pid} -> :ok end
      :ok = Linx.Seccomp.install(s, filter)
      :ok = Linx.Process.proceed(s)

  A filter is a list of calls by name with an action for each, and an action for all others. The
  agent compiles it with libseccomp for the machine's own architecture; calls of a foreign one,
  and x32 calls on x86-64, kill the process. The filter is the last thing that happens before
  exec, so an allow list need name nothing but `:execve` and what the workload itself calls (for a
  dynamic program that includes what its loader calls). Installing a filter turns `no_new_privs`
  on: no exec of a set-uid program raises privileges any more.

  A rule may compare a call's arguments too, in as many bits as the kernel looks at; see
  `Linx.Seccomp.Filter`. Several filters may be installed; the kernel runs all of them and the
  strictest answer holds. Calls that make no entry into the kernel (`clock_gettime` through
  the vDSO) are not seen by any filter.
  """

  alias Linx.Seccomp.{Builder, Cache, Call, Explain, Filter, Names, Oci, Profile}

  @typedoc """
  Why there is no filter. The last two: no agent could be asked, or libseccomp refused the rules
  as a whole (`:e2big` for a filter of more than 4096 instructions).
  """
  @type error ::
          {:error,
           {:unknown_syscall, atom}
           | {:duplicate_rule, atom}
           | {:bad_action, term}
           | {:bad_rule, term}
           | {:bad_profile, {path :: String.t(), value :: term}}
           | {:bad_json, offset :: non_neg_integer}
           | {:bad_option, {name :: atom, value :: term}}
           | {:unknown_option, term}
           | {:missing_binary, Path.t()}
           | {errno :: Linx.Errno.name(), detail :: String.t() | nil}
           | atom}

  @max_instructions 4096
  @instruction_size 8

  @doc """
  Whether this kernel runs system call filters.
  """
  @spec supported?() :: boolean
  def supported?, do: File.exists?("/proc/sys/kernel/seccomp/actions_avail")

  @doc """
  The architecture that filters are compiled for, such as `:x86_64` or `:aarch64`.
  """
  @spec arch() :: atom
  def arch do
    :erlang.system_info(:system_architecture)
    |> List.to_string()
    |> String.split("-", parts: 2)
    |> hd()
    |> String.to_atom()
  end

  @doc """
  A builder without a rule, see `Linx.Seccomp.Builder`.
  """
  @spec builder() :: Builder.t()
  def builder, do: Builder.new()

  @doc """
  A filter that allows these calls only.

    * `:default` - action for every other call, default `:kill_process`

  Errors as `from_rules/1`.
  """
  @spec allow_list([Filter.syscall()], default: Filter.action()) :: {:ok, Filter.t()} | error
  def allow_list(names, opts \\ []) do
    with {:ok, opts} <- options(opts, default: :kill_process) do
      from_rules({[{:allow, names}], opts[:default]})
    end
  end

  @doc """
  A filter that refuses these calls.

    * `:default` - action for every other call, default `:allow`
    * `:deny_action` - action for these calls, default `{:errno, :eperm}`

  A deny list stops only what its author thought of. For untrusted code use `allow_list/2`. Errors
  as `from_rules/1`.
  """
  @spec deny_list([Filter.syscall()], default: Filter.action(), deny_action: Filter.action()) ::
          {:ok, Filter.t()} | error
  def deny_list(names, opts \\ []) do
    with {:ok, opts} <- options(opts, default: :allow, deny_action: {:errno, :eperm}) do
      from_rules({[{opts[:deny_action], names}], opts[:default]})
    end
  end

  defp options(opts, defaults) do
    case Enum.find(Keyword.keys(opts), &(not Keyword.has_key?(defaults, &1))) do
      nil -> {:ok, Keyword.merge(defaults, opts)}
      key -> {:error, {:unknown_option, key}}
    end
  end

  @doc """
  A filter from `{rules, default}`, a rule being `{action, names}` or `{action, names, conditions}`;
  see `Linx.Seccomp.Filter`.

      Linx.Seccomp.from_rules({[{:allow, [:read, :write]}, {:allow, [:socket], [{0, :eq, 1}]}], :log})

  The names are checked by compiling the filter in an agent, so this starts one if none runs.
  Errors:

    * `{:unknown_syscall, name}` - this architecture has no such call
    * `{:duplicate_rule, name}` - two rules name it, with the same conditions or none
    * `{:bad_action, action}`, `{:bad_rule, rule}` - of the wrong form; also with only the name or the
      condition that is
    * `{:bad_rule, {name, why}}` - the rules of this call contradict each other, or are too many: 32
      a call, or 96 with one condition each, and 128 conditions in all, where `:ne` and comparisons
      of a 32-bit argument count as up to 32 rules
    * `{:missing_binary, path}` and the like - no agent could be asked
  """
  @spec from_rules({[Filter.rule()], Filter.action()}) :: {:ok, Filter.t()} | error
  def from_rules({rules, default}) do
    with {:ok, filter} <- Filter.new(rules, default),
         {:ok, _bpf} <- compile(filter) do
      {:ok, filter}
    end
  end

  def from_rules(other), do: {:error, {:bad_rule, other}}

  @doc """
  The filter for a workload that needs nothing special: what containers without capabilities may do,
  and nothing else. See `Linx.Seccomp.Profile` for what that is.

      {:ok, filter} = Linx.Seccomp.default()

  It fits the machine: calls that it does not have are left out. Errors are those of starting an
  agent.
  """
  @spec default() :: {:ok, Filter.t()} | error
  def default, do: Cache.fetch(:default, &make_default/0)

  defp make_default do
    {rules, default} = Profile.rules(arch())

    names = for rule <- rules, name <- elem(rule, 1), do: Atom.to_string(name)

    with {:ok, unknown} <- Names.unknown(names) do
      Filter.new(Names.leave_out(rules, unknown), default)
    end
  end

  @doc """
  A filter from a profile as container runtimes have them: the object `linux.seccomp` of an OCI
  configuration, or a file such as Docker's `default.json`, as JSON or as the map that JSON says.

      {:ok, filter} = Linx.Seccomp.from_oci(File.read!("default.json"), caps: [:cap_net_raw])

  These decide which entries with `includes` and `excludes` are taken:

    * `:caps` - list of atoms, the capabilities in the workload's bounding set, default `[]`
    * `:arch` - atom such as `:x86_64`, default `arch/0`
    * `:kernel` - `{major, minor}`, default that of the running kernel

  The filter is never less strict than the profile. Nothing in it is passed over but comments: what
  Linx has no equal for is an error that names it. Other architectures of a profile are not
  supported, so their calls kill the process. A call that this machine does not have is left out
  where the default action is at least as strict as what was asked for it. Arguments are compared
  in as many bits as the kernel looks at, where most runtimes compare 64.

  Errors, besides those of `from_rules/1`:

    * `{:bad_profile, {path, value}}` - such as `{"syscalls[3].action", "SCMP_ACT_TRACE"}`
    * `{:bad_json, offset}` - no JSON
    * `{:bad_option, {name, value}}`
  """
  @spec from_oci(map | binary, caps: [atom], arch: atom, kernel: {integer, integer}) ::
          {:ok, Filter.t()} | error
  def from_oci(profile, opts \\ []) do
    with {:ok, filter} <- Oci.filter(profile, opts),
         {:ok, _bpf} <- compile(filter),
         do: {:ok, filter}
  end

  @doc """
  The classic BPF program of a filter, 8 bytes an instruction.

  An agent compiles it once in the life of a node; later calls take it from memory. Errors as
  `from_rules/1`.
  """
  @spec compile(Filter.t()) :: {:ok, bpf :: binary} | error
  def compile(%Filter{} = filter), do: Cache.fetch(filter, fn -> ask(filter) end)

  defp ask(filter) do
    with {:ok, wire} <- Filter.to_wire(filter),
         {:error, {:einval, detail}} <- Linx.Agent.compile_seccomp(wire) do
      {:error, reason(detail, filter)}
    end
  end

  # The agent begins with the call's name, and says nothing else where it does not know it.
  defp reason(detail, %Filter{rules: rules}) do
    [name | why] = String.split(detail || "", ": ", parts: 2)
    names = Enum.flat_map(rules, fn rule -> rule |> Filter.full() |> elem(1) end)

    case {Enum.find(names, &(Atom.to_string(&1) == name)), why} do
      {nil, _} -> {:einval, detail}
      {name, []} -> {:unknown_syscall, name}
      {name, [why]} -> {:bad_rule, {name, why}}
    end
  end

  @doc """
  The `{rules, default}` that `from_rules/1` makes this filter of.
  """
  @spec to_rules(Filter.t()) :: {[Filter.rule()], Filter.action()}
  def to_rules(%Filter{rules: rules, default: default}), do: {rules, default}

  @doc """
  What a filter does, in words: a block for each action, with the calls that are looked at more
  closely last.

      allow:
        read write
        socket if (int) arg0 == 1 and (arg1 & 0xf) == 1

      everything else: fail with EPERM, newer calls with ENOSYS

  Where the kernel looks at less than the 64 bits of an argument, it says so as C does.
  """
  @spec explain(Filter.t()) :: String.t()
  def explain(%Filter{} = filter), do: Explain.text(filter)

  @doc """
  Installs a filter in a session. At the checkpoint only.

  Takes a filter, or a classic BPF program as a binary of 1 to 4096 instructions of 8 bytes (also
  as `{:bpf, binary}`). It is tried at once in a process of its own and installed as the last step
  before exec, in the order of the calls where there are several, up to 16. One that the kernel or
  the agent does not take ends the session before its program runs. Errors: `:not_ready`,
  `:running`, `:no_process`, and `{:bad_filter, x}` for what is neither.
  """
  @spec install(GenServer.server(), Filter.t() | binary | {:bpf, binary}) :: :ok | error
  def install(session, %Filter{} = filter) do
    with {:ok, bpf} <- compile(filter), do: install(session, bpf)
  end

  def install(session, {:bpf, bpf}) when is_binary(bpf), do: install(session, bpf)

  def install(session, bpf)
      when is_binary(bpf) and byte_size(bpf) in 1..(@max_instructions * @instruction_size) and
             rem(byte_size(bpf), @instruction_size) == 0 do
    Linx.Process.command(session, {:seccomp_install, bpf})
  end

  def install(_session, other), do: {:error, {:bad_filter, other}}

  @doc """
  Lets a call that the owner was asked about happen; see `Linx.Seccomp.Call` for what that is worth.

  `:ok` says that the answer is on its way. Where the call was answered in time by default, or its
  thread was killed, the owner gets `{:linx_process, :refused, 2, :syscall_answer}`. Errors:
  `:not_ready`, `:no_process`.
  """
  @spec allow(GenServer.server(), Call.t()) :: :ok | {:error, term}
  def allow(session, %Call{} = call), do: answer(session, call, :allow)

  @doc """
  Makes a call fail with an errno, a name such as `:eacces` or 1..4095. As `allow/2`.
  """
  @spec errno(GenServer.server(), Call.t(), atom | 1..4095) :: :ok | {:error, term}
  def errno(session, %Call{} = call, errno), do: answer(session, call, {:errno, errno})

  @doc """
  Makes a call answer a value, 0..2^63-1, without being carried out. As `allow/2`.
  """
  @spec return(GenServer.server(), Call.t(), non_neg_integer) :: :ok | {:error, term}
  def return(session, %Call{} = call, value), do: answer(session, call, {:return, value})

  defp answer(session, call, answer) do
    with {:ok, command} <- Call.command(call, answer),
         do: Linx.Process.command(session, command)
  end
end
