defmodule Linx.Process.Confinement do
  @moduledoc """
  What of a request confines the workload. A session keeps this part of its request, so that it can
  be compared with what holds, and given to others who enter it.

      iex> alias Linx.Process.Confinement
      iex> kept = Confinement.of(%{argv: ["/bin/true"], nice: 5, rlimits: [{:core, 0, 0}]})
      iex> kept
      %{nice: 5, rlimits: [{:core, 0, 0}]}
      iex> Confinement.inherit(%{argv: ["/bin/sh"], nice: 7}, [], kept)
      %{argv: ["/bin/sh"], nice: 7, rlimits: [{:core, 0, 0}]}
  """

  import Bitwise

  alias Linx.Process.Options.Limits

  @keys [:namespaces, :uid, :gid, :groups, :uid_map, :gid_map, :setgroups] ++
          [:hostname, :domainname, :loopback, :time_offsets, :root, :mounts] ++
          [:rlimits, :nice, :cpus, :umask, :oom_score_adj, :cgroup, :cgroup_controls] ++
          [:no_new_privs, :capabilities, :securebits, :seccomp, :landlock]

  # The others are properties of namespaces, which who enters them joins, or say how early to die.
  @inherited [:uid, :gid, :groups, :rlimits, :nice, :cpus, :umask] ++
               [:no_new_privs, :capabilities, :securebits, :seccomp, :landlock, :env]

  @cap_last_cap "/proc/sys/kernel/cap_last_cap"

  @noted [:cap_drop_bounding, :cap_set_thread, :cap_set_ambient, :seccomp_install, :seccomp_rules]

  @doc """
  The keys of a request that confine; `:env` too, where a sandbox gives the workload one of its own.
  """
  @spec of(map, sandbox_keys :: map) :: map
  def of(request, sandbox \\ %{}),
    do: Map.take(request, if(Map.has_key?(sandbox, :env), do: [:env | @keys], else: @keys))

  @doc """
  A packed confinement to which a command of the checkpoint was added: one of `Linx.Capabilities` or
  `Linx.Seccomp`.

      iex> alias Linx.Process.Confinement
      iex> note = fn confinement, command ->
      ...>   confinement |> Confinement.pack() |> Confinement.note(command) |> Confinement.unpack()
      ...> end
      iex> note.(%{}, {:cap_set_ambient, 0})
      %{capabilities: %{ambient: 0}}
      iex> note.(%{seccomp: ["a"]}, {:seccomp_install, "b"})
      %{seccomp: ["a", "b"]}
      iex> note.(%{}, {:pty_in, "x"})
      %{}
  """
  @spec note(packed, term) :: packed
  def note(packed, command) when is_tuple(command) and elem(command, 0) in @noted,
    do: packed |> unpack() |> add(command) |> pack()

  def note(packed, _other), do: packed

  defp add(confinement, {:cap_drop_bounding, mask}) do
    kept = get_in(confinement, [:capabilities, :bounding]) || all_capabilities()
    put_sets(confinement, %{bounding: kept &&& ~~~mask})
  end

  defp add(confinement, {:cap_set_thread, effective, permitted, inheritable}) do
    put_sets(confinement, %{
      effective: effective,
      permitted: permitted,
      inheritable: inheritable
    })
  end

  defp add(confinement, {:cap_set_ambient, mask}), do: put_sets(confinement, %{ambient: mask})

  defp add(confinement, {_seccomp, filter}),
    do: Map.update(confinement, :seccomp, [filter], &(&1 ++ [filter]))

  defp put_sets(confinement, sets),
    do: Map.update(confinement, :capabilities, sets, &Map.merge(&1, sets))

  # The kernel's, of which a set may be kept.
  defp all_capabilities do
    last = @cap_last_cap |> File.read!() |> String.trim() |> String.to_integer()
    (1 <<< (last + 1)) - 1
  end

  @typedoc "A confinement in the memory of a session, of which there may be many."
  @opaque packed :: map | {binary, [term] | nil}

  @doc """
  A confinement in little memory. Its filters stay as they are: their binaries are shared anyway.

      iex> alias Linx.Process.Confinement
      iex> %{umask: 0} |> Confinement.pack() |> Confinement.unpack()
      %{umask: 0}
  """
  @spec pack(map) :: packed
  def pack(confinement) when confinement == %{}, do: confinement

  def pack(confinement) do
    {filters, rest} = Map.pop(confinement, :seccomp)
    {:erlang.term_to_binary(rest), filters}
  end

  @doc "The confinement that was packed."
  @spec unpack(packed) :: map
  def unpack({rest, nil}), do: :erlang.binary_to_term(rest)
  def unpack({rest, filters}), do: rest |> :erlang.binary_to_term() |> Map.put(:seccomp, filters)
  def unpack(nothing), do: nothing

  @doc """
  A request to enter, with the restrictions of the session that is entered: those that neither the
  request has nor `told` names, keys about which the caller has said something.

  Limits of processes and sets of capabilities go by name, and filters and rules of landlock add up. The
  newcomer is in the target's cgroups, if the target was given some.

      iex> target = %{capabilities: %{ambient: 0, bounding: 1}, seccomp: ["a"], cgroup: true}
      iex> own = %{capabilities: %{bounding: 3}, seccomp: ["b"]}
      iex> Linx.Process.Confinement.inherit(own, [], target)
      %{capabilities: %{ambient: 0, bounding: 3}, cgroup: :target, seccomp: ["a", "b"]}
      iex> target = %{landlock: %{scopes: [:signal]}}
      iex> Linx.Process.Confinement.inherit(%{landlock: %{handled_net: [:bind_tcp]}}, [], target)
      %{landlock: [%{scopes: [:signal]}, %{handled_net: [:bind_tcp]}]}
  """
  @spec inherit(map, told :: [atom], target :: map) :: map
  def inherit(request, told, target) do
    target
    |> Map.take(@inherited -- told -- [:rlimits])
    |> Map.merge(request, fn
      :rlimits, theirs, own -> Limits.merge(theirs, own)
      :capabilities, theirs, own -> Map.merge(theirs, own)
      :seccomp, theirs, own -> theirs ++ own
      :landlock, theirs, own -> List.wrap(theirs) ++ List.wrap(own)
      _key, _theirs, own -> own
    end)
    |> join_cgroups(told, target)
  end

  defp join_cgroups(request, told, target) do
    if Map.has_key?(target, :cgroup) or Map.has_key?(target, :cgroup_controls),
      do: if(own_leaf?(request, told), do: request, else: Map.put(request, :cgroup, :target)),
      else: request
  end

  defp own_leaf?(request, told) do
    :cgroup in told or Map.has_key?(request, :cgroup) or
      Enum.any?(Map.get(request, :cgroup_controls, []), &match?({_file, _value}, &1))
  end
end
