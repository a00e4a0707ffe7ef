defmodule Linx.Test.Chaos.Cgroup do
  @moduledoc """
  Cgroups of a test, of version 1; for root.
  """

  import ExUnit.Callbacks, only: [on_exit: 1]

  alias Linx.Test.Chaos.Processes

  @root "/sys/fs/cgroup"

  @doc "A new cgroup of a controller; removed after the test, when its last process is dead."
  @spec create(String.t()) :: Path.t()
  def create(controller) do
    name = "linx-chaos-#{System.pid()}-#{System.unique_integer([:positive])}"
    path = Path.join([@root, controller, name])
    File.mkdir!(path)
    on_exit(fn -> remove(path) end)
    path
  end

  defp remove(path) do
    state = Path.join(path, "freezer.state")
    if File.exists?(state), do: File.write!(state, "THAWED")
    Processes.await(fn -> File.rmdir(path) in [:ok, {:error, :enoent}] end, fn -> path end)
  end

  @doc "A cgroup that holds at most so many processes."
  @spec of_pids(pos_integer) :: Path.t()
  def of_pids(count) do
    path = create("pids")
    File.write!(Path.join(path, "pids.max"), to_string(count))
    path
  end

  @doc "Moves a process there; what it forks from then on is there, too."
  @spec add(Path.t(), pos_integer) :: :ok
  def add(path, pid), do: File.write!(Path.join(path, "cgroup.procs"), to_string(pid))

  @doc "Freezes these processes: no signal has any effect on them."
  @spec freeze([pos_integer]) :: :ok
  def freeze(pids) do
    path = create("freezer")
    Enum.each(pids, &add(path, &1))
    state = Path.join(path, "freezer.state")
    File.write!(state, "FROZEN")

    Processes.await(fn -> File.read!(state) == "FROZEN\n" end, fn -> "#{path} does not freeze" end)
  end
end
