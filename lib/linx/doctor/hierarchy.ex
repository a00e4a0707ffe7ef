defmodule Linx.Doctor.Hierarchy do
  @moduledoc """
  The control group hierarchies that are mounted, and this process's place in them.
  """

  alias Linx.Doctor.Report

  @doc """
  Every hierarchy with controllers or of version 2, and whether a child of our cgroup can be made.

  That is tried, with an empty cgroup that is removed at once: mount flags, ownership and
  delegation all have a say in it.
  """
  @spec all() :: [Report.cgroup()]
  def all do
    mounts = mounts(File.read!("/proc/self/mountinfo"), File.read!("/proc/self/cgroup"))

    for {version, controllers, directory} <- mounts do
      %{
        version: version,
        controllers: if(version == 2, do: controllers_v2(directory), else: controllers),
        path: directory,
        writable: writable?(directory)
      }
    end
  end

  @doc """
  `{version, controllers, directory of our own cgroup}` for each mounted hierarchy, from the texts
  of `/proc/self/mountinfo` and `/proc/self/cgroup`. A v2 hierarchy does not name its controllers
  there.

      iex> mountinfo = "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\\n"
      iex> Linx.Doctor.Hierarchy.mounts(mountinfo, "0::/user.slice\\n")
      [{2, [], "/sys/fs/cgroup/user.slice"}]
  """
  @spec mounts(String.t(), String.t()) :: [{1 | 2, [String.t()], Path.t()}]
  def mounts(mountinfo, own_cgroups) do
    own = own_paths(own_cgroups)

    for line <- String.split(mountinfo, "\n", trim: true),
        {version, controllers, root, mount} <- parse(line),
        path = own[controllers] do
      {version, controllers, Path.join(mount, relative(path, root))}
    end
  end

  defp parse(line) do
    [before, behind] = String.split(line, " - ", parts: 2)
    [_id, _parent, _device, root, mount | _] = String.split(before)

    case String.split(behind) do
      ["cgroup2" | _] -> [{2, [], root, mount}]
      ["cgroup", _source, options | _] -> v1(options, root, mount)
      _ -> []
    end
  end

  # Among the options of the mount are its controllers; a named hierarchy has none.
  defp v1(options, root, mount) do
    controllers = options |> String.split(",") |> Enum.reject(&(&1 in ~w(rw ro)))
    named? = Enum.any?(controllers, &String.contains?(&1, "="))
    if named?, do: [], else: [{1, Enum.sort(controllers), root, mount}]
  end

  defp own_paths(text) do
    for line <- String.split(text, "\n", trim: true), into: %{} do
      [_number, controllers, path] = String.split(line, ":", parts: 3)
      {controllers |> String.split(",", trim: true) |> Enum.sort(), path}
    end
  end

  # In a container the mount shows a part of the tree, whose root is then part of the path.
  defp relative(path, root) do
    case String.split(path, root, parts: 2) do
      ["", rest] -> rest
      _ -> path
    end
  end

  defp controllers_v2(directory) do
    case File.read(Path.join(directory, "cgroup.controllers")) do
      {:ok, text} -> String.split(text)
      {:error, _posix} -> []
    end
  end

  defp writable?(directory) do
    child = Path.join(directory, "linx_doctor_#{System.pid()}")

    case File.mkdir(child) do
      :ok ->
        File.rmdir!(child)
        true

      {:error, _posix} ->
        false
    end
  end
end
