defmodule Linx.Seccomp.Filter do
  @moduledoc """
  A system call filter as rules: what happens to the named calls, and what to all others.

      iex> {:ok, filter} = Linx.Seccomp.Filter.new([{:allow, [:read, :write]}], :kill_process)
      iex> filter.default
      :kill_process

  A rule may also ask for arguments, of which all must be as it says:

      iex> tiocsti = 0x5412
      iex> rule = {{:errno, :eperm}, [:ioctl], [{1, :eq, tiocsti}]}
      iex> {:ok, filter} = Linx.Seccomp.Filter.new([rule], :allow)
      iex> filter.rules
      [{{:errno, :eperm}, [:ioctl], [{1, :eq, 0x5412}]}]

  A condition looks at as many bits as the kernel does: an ioctl's command is an `int`, so
  `tiocsti ||| 1 <<< 32` is the same command to the kernel, and to this rule. Where Linx does not know
  that an argument is an int (`Linx.Seccomp.Widths`), `:masked_eq` says what to look at. Pointers
  can be compared, but not what they point to.

  A call that no rule matches in full gets the default. The order of the rules means nothing: several
  may name the same call, if no call can match two of different actions.

  A filter is data. It is compiled, for the architecture of the machine, by the agent that
  installs it. `new/2` checks the form of the rules; whether every name is a system call here is
  checked by `Linx.Seccomp`, whose functions are the usual way to make a filter.
  """

  alias Linx.Seccomp.Condition

  @max_name 64

  @enforce_keys [:rules, :default]
  defstruct @enforce_keys

  @typedoc """
  What is done with a call:

    * `:allow` - it is carried out
    * `:log` - it is carried out and written to the audit log
    * `:notify` - the session's owner is asked, see `Linx.Seccomp.Call`; not as the default
    * `{:errno, e}` - it is not carried out and fails with `e`, a name such as `:eperm` or 1..4094. As
      the default it is `:enosys` for calls that are newer than all that this machine's libseccomp knows
    * `:trap` - it is not carried out and the thread gets SIGSYS
    * `:kill_thread` - the thread is killed
    * `:kill_process` - the whole process is killed, as if by SIGSYS
  """
  @type action ::
          :allow
          | :log
          | :notify
          | :trap
          | :kill_thread
          | :kill_process
          | {:errno, atom | 1..4094}

  @typedoc "The name of a system call, such as `:openat`."
  @type syscall :: atom

  @type rule :: {action, [syscall]} | {action, [syscall], [Condition.t()]}
  @type t :: %__MODULE__{rules: [rule], default: action}
  @type error ::
          {:error,
           {:bad_action, term}
           | {:bad_rule, term}
           | {:duplicate_rule, syscall}
           | {:unknown_syscall, syscall}}

  @doc """
  Makes a filter of rules and the action for every call that no rule names.

      iex> Linx.Seccomp.Filter.new([{:allow, [:read]}, {:trap, [:read]}], :log)
      {:error, {:duplicate_rule, :read}}
      iex> Linx.Seccomp.Filter.new([{:permit, [:read]}], :log)
      {:error, {:bad_action, :permit}}
      iex> Linx.Seccomp.Filter.new([{:allow, :read}], :log)
      {:error, {:bad_rule, {:allow, :read}}}
  """
  @spec new([rule], action) :: {:ok, t} | error
  def new(rules, default) do
    with {:ok, _} <- wire_default(default),
         :ok <- check_rules(rules, MapSet.new()) do
      {:ok, %__MODULE__{rules: rules, default: default}}
    end
  end

  defp check_rules([], _seen), do: :ok

  defp check_rules([rule | rest], seen) do
    with {:ok, action, names, conditions} <- parts(rule),
         {:ok, _} <- wire_action(action),
         {:ok, seen} <- check_names(names, conditions, rule, seen) do
      check_rules(rest, seen)
    end
  end

  defp check_rules(rules, _seen), do: {:error, {:bad_rule, rules}}

  defp parts({action, names}), do: {:ok, action, names, []}
  defp parts({action, names, conditions}), do: {:ok, action, names, conditions}
  defp parts(rule), do: {:error, {:bad_rule, rule}}

  defp check_names([], _conditions, _rule, seen), do: {:ok, seen}

  defp check_names([name | rest], conditions, rule, seen) when is_atom(name) do
    with true <- word?(Atom.to_string(name)) or {:error, {:unknown_syscall, name}},
         {:ok, _} <- wire_conditions(name, conditions),
         false <- MapSet.member?(seen, {name, conditions}) do
      check_names(rest, conditions, rule, MapSet.put(seen, {name, conditions}))
    else
      true -> {:error, {:duplicate_rule, name}}
      error -> error
    end
  end

  defp check_names([name | _], _conditions, _rule, _seen), do: {:error, {:bad_rule, name}}
  defp check_names(_names, _conditions, rule, _seen), do: {:error, {:bad_rule, rule}}

  # What the agent would not even take for a name.
  defp word?(name), do: byte_size(name) in 1..@max_name and not String.contains?(name, "\0")

  @doc """
  The term that the agent compiles, as docs/protocol.md has it.

      iex> {:ok, filter} = Linx.Seccomp.Filter.new([{{:errno, :eperm}, [:ptrace]}], :allow)
      iex> Linx.Seccomp.Filter.to_wire(filter)
      {:ok, %{default: :allow, rules: [{{:errno, 1}, "ptrace", []}]}}

  A rule that only repeats the default is sent too, so that its names are checked.
  """
  @spec to_wire(t) :: {:ok, map} | error
  def to_wire(%__MODULE__{rules: rules, default: default}) do
    with {:ok, default} <- wire_default(default),
         {:ok, rules} <- wire_rules(rules, []) do
      {:ok, %{default: default, rules: rules}}
    end
  end

  defp wire_rules([], wire), do: {:ok, Enum.reverse(wire)}

  defp wire_rules([rule | rest], wire) do
    with {:ok, action, names, conditions} <- parts(rule),
         {:ok, action} <- wire_action(action),
         {:ok, wire} <- wire_names(names, action, conditions, wire) do
      wire_rules(rest, wire)
    end
  end

  defp wire_names([], _action, _conditions, wire), do: {:ok, wire}

  defp wire_names([name | rest], action, conditions, wire) do
    with {:ok, alternatives} <- wire_conditions(name, conditions) do
      rules = for args <- alternatives, do: {action, Atom.to_string(name), args}
      wire_names(rest, action, conditions, Enum.reverse(rules, wire))
    end
  end

  defp wire_conditions(name, conditions) do
    with {:error, bad} <- Condition.to_wire(name, conditions), do: {:error, {:bad_rule, bad}}
  end

  @doc """
  A rule as `{action, names, conditions}`, whether it has conditions or not.

      iex> Linx.Seccomp.Filter.full({:allow, [:read]})
      {:allow, [:read], []}
  """
  @spec full(rule) :: {action, [syscall], [Condition.t()]}
  def full({action, names}), do: {action, names, []}
  def full({_action, _names, _conditions} = rule), do: rule

  # Whoever is asked about every call is asked about the exec, too.
  defp wire_default(:notify), do: {:error, {:bad_action, :notify}}
  defp wire_default(action), do: wire_action(action)

  @simple_actions [:allow, :log, :notify, :trap, :kill_thread, :kill_process]

  defp wire_action(action) when action in @simple_actions, do: {:ok, action}
  defp wire_action({:errno, code}) when code in 1..4094, do: {:ok, {:errno, code}}

  defp wire_action({:errno, name} = action) when is_atom(name) do
    case Linx.Errno.to_code(name) do
      {:ok, code} -> {:ok, {:errno, code}}
      :error -> {:error, {:bad_action, action}}
    end
  end

  defp wire_action(action), do: {:error, {:bad_action, action}}
end
