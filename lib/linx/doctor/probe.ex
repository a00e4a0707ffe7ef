defmodule Linx.Doctor.Probe do
  @moduledoc """
  Looks at this machine: the only part of `Linx.Doctor` that touches it.

  Besides reading `/proc` and `/sys` it starts one agent with the caller's rights and, as root, one
  without any; they start a short program for each trial. Nothing of it remains.
  """

  alias Linx.Cgroup
  alias Linx.Doctor.{Hierarchy, Report, Trial, Whole}
  alias Linx.Sandbox.{Accounts, Ids}

  # The account that has no rights on any Linux: nobody.
  @unprivileged_uid 65_534

  @sysctls ~w(
    kernel/apparmor_restrict_unprivileged_userns kernel/pid_max kernel/pty/max kernel/pty/nr
    kernel/threads-max kernel/unprivileged_userns_clone vm/memfd_noexec
  )

  @doc "Everything that can be found out."
  @spec report() :: Report.t()
  def report do
    uid = effective_uid()
    path = Application.app_dir(:linx, "priv/linx_process")
    agent = open(path)

    report = %Report{
      kernel: read("/proc/sys/kernel/osrelease") || "unknown",
      uid: uid,
      capabilities: capabilities(),
      agent: summary(agent, path),
      landlock_abi: landlock_abi(agent),
      library_version: :linx |> Application.spec(:vsn) |> to_string(),
      privileged: privileged(uid, agent),
      unprivileged: unprivileged(uid, agent, path),
      pty: try_with(agent, &Trial.pty/1),
      filter: try_with(agent, &Trial.filter/1),
      notify: try_with(agent, &Trial.notify/1),
      id_maps: id_maps(uid, agent),
      hostname: in_fresh(uid, agent, :uts, %{hostname: "linx"}),
      loopback: in_fresh(uid, agent, :net, %{loopback: true}),
      time_offsets: in_fresh(uid, agent, :time, %{time_offsets: {0, 1_000_000_000}}),
      files: each(agent, Report.files(), &Whole.files(&1, uid)),
      presets: each(agent, Report.presets(), &Whole.presets/1),
      cgroup_limits: try_with(agent, &Trial.request(&1, %{cgroup_controls: cgroup_limits()})),
      namespaces: namespaces(),
      sysctls: sysctls(),
      seccomp_actions: words("/proc/sys/kernel/seccomp/actions_avail"),
      lsms: lsms(),
      cgroups: Hierarchy.all(),
      limits: limits(),
      ptmx?: File.exists?("/dev/ptmx"),
      systemd?: File.dir?("/run/systemd/system")
    }

    close(agent)
    report
  end

  defp open(path) do
    if File.regular?(path), do: Trial.open(path, []), else: {:error, "the agent is not built"}
  end

  defp close({:ok, trial}), do: Trial.close(trial)
  defp close({:error, _reason}), do: :ok

  defp try_with({:ok, trial}, trial_of), do: trial_of.(trial)
  defp try_with({:error, reason}, _trial_of), do: {:untried, reason}

  defp each({:ok, trial}, _whats, outcomes_of), do: outcomes_of.(trial)
  defp each({:error, reason}, whats, _outcomes_of), do: Map.new(whats, &{&1, {:untried, reason}})

  defp in_fresh(uid, agent, namespace, keys) do
    namespaces = if uid == 0, do: [namespace], else: [:user, namespace]
    try_with(agent, &Trial.request(&1, Map.put(keys, :namespaces, namespaces)))
  end

  defp cgroup_limits do
    mounts = Cgroup.mounts()

    for {limit, value} <- [memory: 64 * 1024 * 1024, pids: 16, cpu: 0.5],
        control <- Cgroup.controls(limit, value, &Cgroup.version(&1, mounts)),
        do: control
  end

  # More than one id, which an ordinary user needs to be given.
  defp id_maps(uid, agent) do
    with {:ok, uids} <- range(:subuid, uid),
         {:ok, gids} <- range(:subgid, uid) do
      keys = %{namespaces: [:user], uid_map: [uids], gid_map: [gids]}
      try_with(agent, &Trial.request(&1, keys))
    end
  end

  defp range(_file, 0) do
    case Ids.subordinate() do
      {:ok, {first, count}} -> {:ok, {0, first, count}}
      {:error, _} -> {:untried, ":subordinate_ids of :linx is not a first id and a count"}
    end
  end

  defp range(file, uid) do
    case Accounts.find_range(Accounts.text(file), Accounts.text(:passwd), uid) do
      {:ok, first, count} -> {:ok, {0, first, count}}
      :error -> {:untried, "/etc/#{file} gives this user no ids"}
    end
  end

  # An agent of an older version does not tell.
  defp landlock_abi({:ok, trial}), do: Map.get(trial.hello, :landlock_abi)
  defp landlock_abi({:error, _reason}), do: nil

  defp summary({:ok, trial}, _path), do: {:ok, trial.hello.version, trial.hello.features}

  defp summary({:error, reason}, path) do
    if File.regular?(path), do: {:broken, reason}, else: {:missing, path}
  end

  defp privileged(0, agent), do: each_namespace(agent, &[&1])

  defp privileged(_uid, _agent),
    do: Map.new(Report.all_namespaces(), &{&1, {:untried, "not root"}})

  # A rightless agent runs from a copy: the build may lie below a directory that only root enters.
  defp unprivileged(0, {:ok, _trial}, path) do
    directory = Path.join(System.tmp_dir!(), "linx_doctor_#{System.pid()}")
    copy = Path.join(directory, "linx_process")
    File.mkdir!(directory)

    try do
      File.cp!(path, copy)
      Enum.each([directory, copy], &File.chmod!(&1, 0o755))
      agent = open_unprivileged(copy)
      outcomes = each_namespace(agent, &Enum.uniq([:user, &1]))
      close(agent)
      outcomes
    after
      File.rm_rf!(directory)
    end
  end

  defp unprivileged(_uid, agent, _path), do: each_namespace(agent, &Enum.uniq([:user, &1]))

  defp open_unprivileged(path) do
    id = Integer.to_string(@unprivileged_uid)
    args = ["--reuid", id, "--regid", id, "--clear-groups", "--inh-caps=-all", path]

    case {System.find_executable("setpriv"), mapped?(@unprivileged_uid)} do
      {nil, _} -> {:error, "setpriv of util-linux is not installed"}
      {_, false} -> {:error, "this user namespace has no uid #{id}"}
      {setpriv, true} -> Trial.open(setpriv, args)
    end
  end

  defp mapped?(uid) do
    "/proc/self/uid_map"
    |> File.read!()
    |> String.split("\n", trim: true)
    |> Enum.any?(fn line ->
      [first, _outside, count] = line |> String.split() |> Enum.map(&String.to_integer/1)
      uid >= first and uid < first + count
    end)
  end

  defp each_namespace(agent, namespaces_of) do
    for namespace <- Report.all_namespaces(), into: %{} do
      {namespace, try_with(agent, &Trial.namespaces(&1, namespaces_of.(namespace)))}
    end
  end

  defp effective_uid do
    [_, uid] = Regex.run(~r/^Uid:\s+\d+\s+(\d+)/m, File.read!("/proc/self/status"))
    String.to_integer(uid)
  end

  defp capabilities do
    case Linx.Capabilities.read(:self) do
      {:ok, state} -> state
      {:error, _reason} -> nil
    end
  end

  defp namespaces do
    Enum.filter(
      Report.all_namespaces(),
      &File.exists?("/proc/self/ns/#{Report.kernel_name(&1)}")
    )
  end

  defp sysctls do
    limits = for name <- Report.all_namespaces(), do: Report.max_sysctl(name)

    for path <- @sysctls ++ limits, text = read("/proc/sys/" <> path), into: %{} do
      {path, String.to_integer(text)}
    end
  end

  defp lsms do
    with text when is_binary(text) <- read("/sys/kernel/security/lsm"),
         do: String.split(text, ",")
  end

  defp limits do
    text = File.read!("/proc/self/limits")
    %{open_files: limit(text, "Max open files"), processes: limit(text, "Max processes")}
  end

  defp limit(text, name) do
    case Regex.run(~r/^#{name}\s+(\S+)/m, text) do
      [_, "unlimited"] -> :unlimited
      [_, number] -> String.to_integer(number)
    end
  end

  defp words(path), do: String.split(read(path) || "")

  defp read(path) do
    case File.read(path) do
      {:ok, text} -> String.trim(text)
      {:error, _posix} -> nil
    end
  end
end
