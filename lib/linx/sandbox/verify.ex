defmodule Linx.Sandbox.Verify do
  @moduledoc """
  What was asked of a session beside what the kernel says of it.

      iex> alias Linx.Process.Isolation
      iex> isolation = struct!(Isolation, Map.new(Isolation.fields(), &{&1, :unknown}))
      iex> Linx.Sandbox.Verify.differences(%{umask: 0o77}, %{isolation | umask: 0o77})
      []
      iex> Linx.Sandbox.Verify.differences(%{umask: 0o77}, %{isolation | umask: 0o22})
      [{:umask, 0o77, 0o22}]

  What the kernel does not tell of another process cannot be compared: names, securebits and
  landlock. Those were put in force, each by a step that had to succeed, or the
  workload would not run. They are `unseen/1`.
  """

  alias Linx.Capabilities.Constants
  alias Linx.Process.Isolation

  @type difference :: {what :: atom | {atom, term}, asked :: term, found :: term}

  @unseen [:hostname, :domainname, :securebits, :landlock]

  # What a mount may do, as mountinfo spells it.
  @mount_options [read_only: "ro", nosuid: "nosuid", nodev: "nodev", noexec: "noexec"]

  @doc "What of a confinement no one can see from outside."
  @spec unseen(map) :: [atom]
  def unseen(confinement), do: for(key <- @unseen, Map.has_key?(confinement, key), do: key)

  @doc "Where what holds is less than what was asked for, or other."
  @spec differences(map, Isolation.t()) :: [difference]
  def differences(confinement, isolation) do
    confinement
    |> Enum.sort()
    |> Enum.flat_map(fn {key, asked} -> compare(key, asked, isolation) end)
  end

  defp compare(:namespaces, asked, isolation) do
    for name <- asked,
        found = isolation.namespaces[name],
        found != :fresh,
        do: {{:namespace, name}, :fresh, found}
  end

  defp compare(:uid, uid, isolation), do: id(:uid, uid, isolation.uid_map, isolation.uid)
  defp compare(:gid, gid, isolation), do: id(:gid, gid, isolation.gid_map, isolation.gid)

  defp compare(:groups, groups, isolation) do
    equal(:groups, outside(groups, isolation.gid_map), Enum.sort(isolation.groups))
  end

  defp compare(:uid_map, map, isolation), do: equal(:uid_map, map, isolation.uid_map)
  defp compare(:gid_map, map, isolation), do: equal(:gid_map, map, isolation.gid_map)

  defp compare(:rlimits, limits, isolation) do
    for {name, soft, hard} <- limits,
        found = isolation.rlimits != :unknown && isolation.rlimits[name],
        found != {soft, hard},
        do: {{:rlimit, name}, {soft, hard}, found || :unknown}
  end

  defp compare(:cpus, cpus, isolation),
    do: equal(:cpus, Enum.sort(Enum.uniq(cpus)), isolation.cpus)

  @same [:nice, :umask, :oom_score_adj, :no_new_privs, :setgroups, :loopback, :time_offsets]

  defp compare(key, asked, isolation) when key in @same,
    do: equal(key, asked, Map.fetch!(isolation, key))

  # Those that it had before are there, too.
  defp compare(:seccomp, filters, isolation) do
    case isolation.seccomp do
      {:filter, nil} -> []
      {:filter, count} when count >= length(filters) -> []
      found -> if filters == [], do: [], else: [{:seccomp, {:filter, length(filters)}, found}]
    end
  end

  # More than was asked for is the difference that matters; of the bounding set less would be one, too.
  defp compare(:capabilities, sets, isolation) do
    for {set, mask} <- Enum.sort(sets),
        asked = Constants.from_bits(mask),
        found = capabilities(isolation, set),
        found == :unknown or not MapSet.subset?(found, asked),
        do: {{:capabilities, set}, asked, found}
  end

  # The target's may have any name.
  defp compare(:cgroup, asked, isolation) when asked not in [false, :target] do
    path = isolation.cgroups != :unknown && isolation.cgroups[""]

    if is_binary(path) and Path.basename(path) =~ ~r/^linx-/,
      do: [],
      else: [{:cgroup, asked, path || :unknown}]
  end

  defp compare(:cgroup_controls, controls, isolation) do
    for controller <- controls |> Enum.map(&controller/1) |> Enum.uniq(),
        path = cgroup(isolation.cgroups, controller),
        path == :unknown or not (Path.basename(path) =~ ~r/^linx-/),
        do: {{:cgroup, controller}, :own, path}
  end

  defp compare(:mounts, _mounts, %{mounts: :unknown}), do: [{:mounts, :seen, :unknown}]

  defp compare(:mounts, mounts, isolation),
    do: Enum.flat_map(mounts, &mount(&1, isolation))

  defp compare(_other, _asked, _isolation), do: []

  defp equal(_what, same, same), do: []
  defp equal(what, asked, found), do: [{what, asked, found}]

  # Version 2 goes by the empty name.
  defp controller({_file, _value}), do: ""
  defp controller({controller, _file, _value}), do: Atom.to_string(controller)

  defp cgroup(:unknown, _controller), do: :unknown

  defp cgroup(cgroups, controller) do
    Enum.find_value(cgroups, :unknown, fn {controllers, path} ->
      if controller in String.split(controllers, ","), do: path
    end)
  end

  # All four of them, as seen from outside.
  defp id(what, id, map, found) do
    [outside] = outside([id], map)
    equal(what, {outside, outside, outside, outside}, found)
  end

  defp outside(ids, :unknown), do: Enum.sort(ids)

  defp outside(ids, map) do
    ids
    |> Enum.map(fn id ->
      Enum.find_value(map, id, fn {inside, outside, length} ->
        if id in inside..(inside + length - 1), do: outside + id - inside
      end)
    end)
    |> Enum.sort()
  end

  defp capabilities(%{capabilities: :unknown}, _set), do: :unknown
  defp capabilities(%{capabilities: state}, set), do: Map.fetch!(state, set)

  # A directory is made and nothing mounted. What is not there need not be hidden. The last one at a
  # place is what is seen.
  defp mount(%{kind: :dir}, _isolation), do: []

  defp mount(%{target: target, kind: kind} = asked, isolation) do
    found = isolation.mounts |> Enum.reverse() |> Enum.find(&(&1.target == target))
    wanted = for {key, option} <- @mount_options, asked[key] == true, do: option
    wanted = if kind == :read_only, do: ["ro" | wanted], else: wanted

    cond do
      found == nil and kind in [:mask, :read_only] and not there?(isolation.pid, target) -> []
      found == nil -> [{{:mount, target}, kind, :none}]
      wanted -- found.options != [] -> [{{:mount, target}, wanted, found.options}]
      true -> []
    end
  end

  defp there?(pid, path), do: match?({:ok, _}, File.lstat("/proc/#{pid}/root#{path}"))
end
