defmodule Linx.Doctor.Host do
  @moduledoc """
  What `Linx.Doctor` concludes about the kernel, and the room there is for processes.
  """

  import Linx.Doctor.Check

  alias Linx.Doctor.{Agent, Check, Report}

  @ebusy 16
  @enodev 19

  # clone3 and pidfd_open came with 5.3, waiting on a pidfd with 5.4; 5.8 joins all namespaces of a
  # process at once, and tells mounts apart.
  @oldest {5, 4}
  @recommended {5, 8}

  @allow_calls "allow it (in a container: docker run --security-opt seccomp=unconfined)"
  @few 1_024

  @doc "The kernel, and its calls that the agent is built on."
  @spec kernel_checks(Report.t()) :: [Check.t()]
  def kernel_checks(report), do: [kernel(report), clone3(report), pidfd(report)]

  @doc "PTYs, control groups and limits."
  @spec resource_checks(Report.t()) :: [Check.t()]
  def resource_checks(report) do
    [
      pty(report),
      cgroup_v2(report),
      cgroup_v1(report),
      cgroup_limits(report),
      open_files(report),
      processes(report)
    ]
  end

  defp kernel(report) do
    version = version(report.kernel)

    cond do
      version < @oldest -> fail("kernel", report.kernel, "boot Linux 5.8 or newer")
      version < @recommended -> warn("kernel", report.kernel, "boot Linux 5.8 or newer")
      true -> pass("kernel", report.kernel)
    end
  end

  defp version(release) do
    case Regex.run(~r/^(\d+)\.(\d+)/, release) do
      [_, major, minor] -> {String.to_integer(major), String.to_integer(minor)}
      nil -> {0, 0}
    end
  end

  defp clone3(report) do
    case {Report.feature(report, :clone3), version(report.kernel) < {5, 3}} do
      {true, _} ->
        pass("clone3", "works")

      {_, true} ->
        warn("clone3", "came with Linux 5.3", "boot Linux 5.8 or newer")

      {false, _} ->
        warn("clone3", "filtered: no time namespaces", @allow_calls)

      {nil, _} ->
        warn("clone3", "this kernel has it; not tried", Agent.fix(report))
    end
  end

  # Every program that the agent starts is held by one.
  defp pidfd(report) do
    case {Report.feature(report, :pidfd), version(report.kernel) < {5, 3}} do
      {true, _} -> pass("pidfd", "works")
      {_, true} -> fail("pidfd", "came with Linux 5.3", "boot Linux 5.8 or newer")
      {false, _} -> fail("pidfd", "filtered", @allow_calls)
      {nil, _} -> warn("pidfd", "this kernel has it; not tried", Agent.fix(report))
    end
  end

  defp pty(%{ptmx?: false}) do
    fail(
      "pty",
      "there is no /dev/ptmx",
      "mount -t devpts -o ptmxmode=0666 devpts /dev/pts && ln -s pts/ptmx /dev/ptmx"
    )
  end

  defp pty(%{sysctls: %{"kernel/pty/nr" => used, "kernel/pty/max" => max}}) when used >= max,
    do: fail("pty", "all #{max} are in use", "sysctl -w kernel.pty.max=#{max * 2}")

  defp pty(%{pty: :ok, sysctls: %{"kernel/pty/nr" => used, "kernel/pty/max" => max}}),
    do: pass("pty", "works; #{used} of #{max} in use")

  defp pty(%{pty: :ok}), do: pass("pty", "works")

  defp pty(%{pty: {:error, errno, stage}}) do
    fail(
      "pty",
      "error #{errno} in #{stage}",
      "mount -o remount,ptmxmode=0666 /dev/pts && chmod 666 /dev/ptmx"
    )
  end

  defp pty(%{pty: {:untried, reason}} = report),
    do: warn("pty", "/dev/ptmx is there; not tried: #{reason}", Agent.fix(report))

  defp cgroup_v2(report) do
    case Enum.find(report.cgroups, &(&1.version == 2)) do
      nil ->
        warn("cgroup v2", "not mounted", "mount -t cgroup2 none /sys/fs/cgroup")

      %{writable: true} = cgroup ->
        pass("cgroup v2", "#{cgroup.path} is writable; controllers: #{names(cgroup.controllers)}")

      cgroup ->
        warn("cgroup v2", "#{cgroup.path} is not writable", delegation(report, cgroup.path))
    end
  end

  defp delegation(%{uid: 0}, _path), do: "mount -o remount,rw /sys/fs/cgroup"

  defp delegation(%{systemd?: true}, _path),
    do: "systemd-run --user --scope -p Delegate=yes $SHELL"

  defp delegation(%{uid: uid}, path) do
    own = Path.join(path, "linx")
    "as root: mkdir #{own} && chown -R #{uid} #{own}, then echo PID > #{own}/cgroup.procs"
  end

  defp cgroup_v1(report) do
    {writable, fixed} =
      report.cgroups |> Enum.filter(&(&1.version == 1)) |> Enum.split_with(& &1.writable)

    case {controllers(writable), controllers(fixed)} do
      {[], []} -> pass("cgroup v1", "not mounted")
      {able, []} -> pass("cgroup v1", "writable: #{names(able)}")
      {able, unable} -> v1_not_writable(report, able, unable)
    end
  end

  defp v1_not_writable(report, able, unable) do
    found = "writable: #{names(able)}; not writable: #{names(unable)}"
    # Delegating v1 controllers to users is not safe, so there is nothing to mend for them.
    if report.uid == 0,
      do: warn("cgroup v1", found, "mount -o remount,rw the hierarchies that are read-only"),
      else: pass("cgroup v1", found)
  end

  defp cgroup_limits(%{cgroup_limits: :ok}),
    do: pass("cgroup limits", "memory, processes and CPU can be limited")

  defp cgroup_limits(%{cgroup_limits: {:untried, reason}} = report),
    do: warn("cgroup limits", "not tried: #{reason}", Agent.fix(report))

  defp cgroup_limits(%{cgroup_limits: outcome} = report),
    do: warn("cgroup limits", Report.words(outcome), limits_fix(report, outcome))

  # Of version 2, where processes are in the cgroup of the BEAM itself.
  defp limits_fix(_report, {:error, @ebusy, :cgroup_controls}) do
    "start the BEAM in a cgroup beside those of its sessions, and name the one above with :cgroup: " <>
      "see docs/without-root.md"
  end

  defp limits_fix(_report, {:error, @enodev, :cgroup_controls}) do
    "echo '+memory +pids +cpu' to cgroup.subtree_control of every cgroup above the BEAM's, from the " <>
      "root on"
  end

  defp limits_fix(report, _outcome) do
    own = Enum.find_value(report.cgroups, "/sys/fs/cgroup", &(&1.version == 2 && &1.path))
    delegation(report, own)
  end

  defp controllers(cgroups), do: cgroups |> Enum.flat_map(& &1.controllers) |> Enum.sort()

  defp names([]), do: "none"
  defp names(names), do: Enum.join(names, " ")

  defp open_files(%{limits: %{open_files: limit}}),
    do: at_least("open files", limit, "ulimit -n 65536")

  defp processes(%{limits: %{processes: limit}} = report) do
    bounds = [limit, report.sysctls["kernel/pid_max"], report.sysctls["kernel/threads-max"]]
    least = bounds |> Enum.filter(&is_integer/1) |> Enum.min(fn -> :unlimited end)
    at_least("processes", least, "ulimit -u 65536")
  end

  defp at_least(name, limit, fix) when is_integer(limit) and limit < @few,
    do: warn(name, "only #{limit} allowed", fix)

  defp at_least(name, limit, _fix), do: pass(name, "#{limit} allowed")
end
