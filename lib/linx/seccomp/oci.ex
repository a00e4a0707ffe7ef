defmodule Linx.Seccomp.Oci do
  @moduledoc """
  Profiles in the form of the OCI runtime specification and of Docker, as rules; see
  `Linx.Seccomp.from_oci/2`.
  """

  import Linx.Seccomp.Oci.Fields

  alias Linx.Seccomp.{Filter, Names}
  alias Linx.Seccomp.Oci.Scope

  # The agent's limit, with names that are not known here yet.
  @max_rules 2048

  @profile ~w(defaultAction defaultErrnoRet defaultErrno architectures archMap flags listenerPath
              listenerMetadata syscalls)
  @syscalls ~w(names name action errnoRet errno args comment includes excludes)
  @argument ~w(index value valueTwo op)

  @actions %{
    "SCMP_ACT_ALLOW" => :allow,
    "SCMP_ACT_LOG" => :log,
    "SCMP_ACT_TRAP" => :trap,
    "SCMP_ACT_KILL" => :kill_thread,
    "SCMP_ACT_KILL_THREAD" => :kill_thread,
    "SCMP_ACT_KILL_PROCESS" => :kill_process
  }

  @ops %{
    "SCMP_CMP_EQ" => :eq,
    "SCMP_CMP_NE" => :ne,
    "SCMP_CMP_LT" => :lt,
    "SCMP_CMP_LE" => :le,
    "SCMP_CMP_GT" => :gt,
    "SCMP_CMP_GE" => :ge,
    "SCMP_CMP_MASKED_EQ" => :masked_eq
  }

  @eperm 1

  # From what lets most through to what lets least.
  @strictness [:allow, :log, :errno, :trap, :kill_thread, :kill_process]

  @doc "The filter of a profile, not compiled yet."
  @spec filter(map | binary, keyword) :: {:ok, Filter.t()} | Linx.Seccomp.error()
  def filter(profile, opts) do
    with {:ok, scope} <- Scope.new(opts),
         {:ok, profile} <- decode(profile),
         {:ok, {rules, default}} <- rules(profile, scope),
         {:ok, unknown} <- Names.unknown(Enum.flat_map(rules, &elem(&1, 1))),
         :ok <- check_unknown(rules, unknown, default) do
      # Of known calls only: those are not many.
      rules = for rule <- Names.leave_out(rules, unknown), do: with_atoms(rule)
      Filter.new(rules, default)
    end
  end

  defp decode(text) when is_binary(text), do: Linx.Json.decode(text)
  defp decode(profile), do: {:ok, profile}

  defp check_unknown(rules, unknown, default) do
    lost =
      for {action, names, _} <- rules,
          strictness(action) > strictness(default),
          name <- names,
          name in unknown,
          do: name

    case lost do
      [] -> :ok
      [name | _] -> bad("syscalls", name)
    end
  end

  defp strictness({:errno, _}), do: strictness(:errno)
  defp strictness(action), do: Enum.find_index(@strictness, &(&1 == action))

  defp with_atoms({action, names, []}), do: {action, Enum.map(names, &String.to_atom/1)}

  defp with_atoms({action, names, conditions}),
    do: {action, Enum.map(names, &String.to_atom/1), conditions}

  defp rules(profile, scope) do
    with :ok <- known_keys(profile, "", @profile),
         :ok <- absent(profile, ["flags", "listenerPath", "listenerMetadata"]),
         :ok <- Scope.check_architectures(profile, scope),
         {:ok, errno} <- errno(profile, "", "defaultErrnoRet", "defaultErrno"),
         {:ok, default} <- action(profile, "", "defaultAction", errno),
         {:ok, entries} <- optional(profile, "", "syscalls", &is_list/1, []),
         {:ok, rules} <- each(entries, "syscalls", &entry(&1, &2, scope)),
         rules = rules |> Enum.concat() |> once_each(),
         :ok <- check_size(rules) do
      {:ok, {rules, default}}
    end
  end

  # Docker allows a call once for each capability that needs it. Where entries contradict each
  # other the strictest holds, as it would in the kernel.
  defp once_each(rules) do
    single =
      for {action, names, conditions} <- rules, name <- names, do: {action, {name, conditions}}

    strictest = Enum.reduce(single, %{}, &Map.update(&2, elem(&1, 1), elem(&1, 0), stricter(&1)))

    single
    |> Enum.uniq_by(&elem(&1, 1))
    |> Enum.map(fn {_, {name, conditions}} ->
      {strictest[{name, conditions}], name, conditions}
    end)
    |> Enum.chunk_by(fn {action, _name, conditions} -> {action, conditions} end)
    |> Enum.map(fn [{action, _, conditions} | _] = group ->
      {action, Enum.map(group, &elem(&1, 1)), conditions}
    end)
  end

  defp stricter({action, _}), do: fn other -> Enum.max_by([other, action], &strictness/1) end

  defp check_size(rules) do
    count = rules |> Enum.map(fn {_, names, _} -> length(names) end) |> Enum.sum()
    if count <= @max_rules, do: :ok, else: bad("syscalls", count)
  end

  # What a runtime would pass on to its agent or have no use for here.
  defp absent(profile, keys) do
    case Enum.find(keys, &(Map.get(profile, &1) not in [nil, [], ""])) do
      nil -> :ok
      key -> bad(key, profile[key])
    end
  end

  defp entry(entry, path, scope) do
    with :ok <- known_keys(entry, path, @syscalls),
         {:ok, names} <- names(entry, path),
         {:ok, errno} <- errno(entry, path, "errnoRet", "errno"),
         {:ok, action} <- action(entry, path, "action", errno),
         {:ok, args} <- optional(entry, path, "args", &is_list/1, []),
         {:ok, conditions} <- each(args, join(path, "args"), &condition/2),
         {:ok, alternatives} <- alternatives(conditions, join(path, "args")),
         {:ok, applies?} <- Scope.applies?(entry, path, scope) do
      {:ok, for(conditions <- alternatives, applies?, do: {action, names, conditions})}
    end
  end

  # Docker once had one name an entry.
  defp names(%{"name" => name} = entry, path) when not is_map_key(entry, "names"),
    do: names(%{"names" => [name]}, path)

  defp names(entry, path) do
    with {:ok, names} <- required(entry, path, "names", &is_list/1) do
      each(names, join(path, "names"), fn name, path ->
        if name?(name), do: {:ok, name}, else: bad(path, name)
      end)
    end
  end

  defp name?(name), do: is_binary(name) and name =~ ~r/\A[A-Za-z0-9_]{1,64}\z/

  # As a number, and in Podman's profiles also by name.
  defp errno(map, path, number, name) do
    with {:ok, code} <- optional(map, path, number, &errno?/1, nil),
         {:ok, text} <- optional(map, path, name, &is_binary/1, "") do
      case {code, code_of(text)} do
        {code, nil} when text == "" -> {:ok, code}
        {nil, code} when code != nil -> {:ok, code}
        {code, code} when code != nil -> {:ok, code}
        _ -> bad(join(path, name), text)
      end
    end
  end

  defp errno?(code), do: is_integer(code) and code in 1..4094

  defp code_of(text) do
    Enum.find_value(Linx.Errno.all(), fn {name, code} ->
      if Atom.to_string(name) == String.downcase(text), do: code
    end)
  end

  defp action(map, path, key, errno) do
    with {:ok, name} <- required(map, path, key, &is_binary/1) do
      case {Map.get(@actions, name), name, errno} do
        {nil, "SCMP_ACT_ERRNO", errno} -> {:ok, {:errno, errno_name(errno || @eperm)}}
        {nil, name, _} -> bad(join(path, key), name)
        {action, _, nil} -> {:ok, action}
        # An errno that nobody would get.
        {_action, name, _errno} -> bad(join(path, key), name)
      end
    end
  end

  defp errno_name(code) do
    case Linx.Errno.to_name(code) do
      {:ok, name} -> name
      :error -> code
    end
  end

  defp condition(arg, path) do
    with :ok <- known_keys(arg, path, @argument),
         {:ok, index} <- required(arg, path, "index", &(&1 in 0..5)),
         {:ok, value} <- required(arg, path, "value", &word?/1),
         {:ok, second} <- optional(arg, path, "valueTwo", &word?/1, 0),
         {:ok, name} <- required(arg, path, "op", &is_map_key(@ops, &1)) do
      case {@ops[name], second} do
        {:masked_eq, second} -> {:ok, {index, :masked_eq, value, second}}
        {op, 0} -> {:ok, {index, op, value}}
        {_op, second} -> bad(join(path, "valueTwo"), second)
      end
    end
  end

  defp word?(value), do: is_integer(value) and value in 0..0xFFFFFFFFFFFFFFFF

  # Runtimes take several conditions on one argument for alternatives, each by itself.
  defp alternatives(conditions, path) do
    indexes = Enum.map(conditions, &elem(&1, 0))
    exact? = Enum.all?(conditions, &(elem(&1, 1) in [:eq, :masked_eq]))

    cond do
      indexes == Enum.uniq(indexes) -> {:ok, [conditions]}
      exact? -> {:ok, Enum.map(conditions, &[&1])}
      true -> bad(path, conditions)
    end
  end
end
