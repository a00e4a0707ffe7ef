defmodule Linx.Cgroup do
  @moduledoc """
  Which files of which cgroup hierarchy hold a limit: those of version 2, or of version 1.

      iex> Linx.Cgroup.controls(:pids, 64, &Linx.Cgroup.version(&1, [{1, ["pids"], "/sys/fs/cgroup/pids"}]))
      [{:pids, "pids.max", "64"}]
      iex> Linx.Cgroup.controls(:pids, 64, &Linx.Cgroup.version(&1, []))
      [{"pids.max", "64"}]

  A controller is in one hierarchy at a time. So where one of version 1 has it, that is used, and
  version 2 otherwise. Whether a limit can really be set is for the agent to find out.
  """

  alias Linx.Doctor.Hierarchy

  @typedoc "A file of the session's leaf, or of its cgroup of version 1, and what is written there."
  @type control :: {file :: String.t(), value :: String.t()} | {atom, String.t(), String.t()}

  @typedoc "The hierarchies that are mounted, as `Linx.Doctor.Hierarchy.mounts/2` has them."
  @type mounts :: [{1 | 2, [String.t()], Path.t()}]

  @period_us 100_000
  # Less is refused by the kernel.
  @min_quota_us 1000
  # A weight of version 2 is 100 where shares of version 1 are 1024.
  @usual_weight 100
  @usual_shares 1024
  @min_shares 2

  @doc "The hierarchies that this BEAM, and so its agents, see."
  @spec mounts() :: mounts
  def mounts,
    do: Hierarchy.mounts(File.read!("/proc/self/mountinfo"), File.read!("/proc/self/cgroup"))

  @doc "The version of the hierarchy that has a controller."
  @spec version(String.t(), mounts) :: 1 | 2
  def version(controller, mounts) do
    if Enum.any?(mounts, &(match?({1, _, _}, &1) and controller in elem(&1, 1))), do: 1, else: 2
  end

  @doc """
  The files of a limit, in the order in which they are to be written.

    * `:memory` - bytes; the kernel kills who allocates beyond
    * `:swap` - `{bytes of memory, bytes of swap on top of them}`
    * `:pids` - how many processes and threads
    * `:cpu` - how many CPUs' worth of time, such as 0.5
    * `:cpu_weight` - 1..10000, the share of the CPU against others, who have 100
    * `:cpuset` - the CPUs to run on, as a list
  """
  @spec controls(atom, term, (String.t() -> 1 | 2)) :: [control]
  def controls(limit, value, version),
    do: controls_of(limit, value, version.(controller(limit)))

  defp controller(limit) when limit in [:memory, :swap], do: "memory"
  defp controller(limit) when limit in [:cpu, :cpu_weight], do: "cpu"
  defp controller(limit), do: Atom.to_string(limit)

  defp controls_of(:memory, bytes, 2), do: [{"memory.max", "#{bytes}"}]
  defp controls_of(:memory, bytes, 1), do: [{:memory, "memory.limit_in_bytes", "#{bytes}"}]
  defp controls_of(:swap, {_memory, swap}, 2), do: [{"memory.swap.max", "#{swap}"}]

  # Version 1 limits the sum.
  defp controls_of(:swap, {memory, swap}, 1),
    do: [{:memory, "memory.memsw.limit_in_bytes", "#{memory + swap}"}]

  defp controls_of(:pids, count, 2), do: [{"pids.max", "#{count}"}]
  defp controls_of(:pids, count, 1), do: [{:pids, "pids.max", "#{count}"}]
  defp controls_of(:cpu, cpus, 2), do: [{"cpu.max", "#{quota(cpus)} #{@period_us}"}]

  defp controls_of(:cpu, cpus, 1) do
    [
      {:cpu, "cpu.cfs_period_us", "#{@period_us}"},
      {:cpu, "cpu.cfs_quota_us", "#{quota(cpus)}"}
    ]
  end

  defp controls_of(:cpu_weight, weight, 2), do: [{"cpu.weight", "#{weight}"}]

  defp controls_of(:cpu_weight, weight, 1) do
    shares = max(div(weight * @usual_shares, @usual_weight), @min_shares)
    [{:cpu, "cpu.shares", "#{shares}"}]
  end

  defp controls_of(:cpuset, cpus, 2), do: [{"cpuset.cpus", Enum.join(cpus, ",")}]
  defp controls_of(:cpuset, cpus, 1), do: [{:cpuset, "cpuset.cpus", Enum.join(cpus, ",")}]

  defp quota(cpus), do: max(round(cpus * @period_us), @min_quota_us)
end
