defmodule Linx.Process.Confinement do
  @moduledoc """
  What of a request confines the workload. A session keeps this part of its request, so that it can
  be compared with what holds, and given to others who enter it.

      iex> Linx.Process.Confinement.of(%{argv: ["/bin/true"], nice: 5, umask: 0o77})
      %{nice: 5, umask: 0o77}
  """

  @keys [:namespaces, :uid, :gid, :groups, :uid_map, :gid_map, :setgroups] ++
          [:hostname, :domainname, :loopback, :time_offsets, :root, :mounts] ++
          [:rlimits, :nice, :cpus, :umask, :oom_score_adj, :cgroup, :cgroup_controls] ++
          [:no_new_privs, :capabilities, :securebits, :seccomp, :landlock]

  @doc "The keys of a request that confine."
  @spec of(map) :: map
  def of(request), do: Map.take(request, @keys)
end
