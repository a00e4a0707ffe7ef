defmodule Linx.Doctor.Namespaces do
  @moduledoc """
  What `Linx.Doctor` concludes about namespaces: one check for each, and one for their limits.
  """

  import Linx.Doctor.Check

  alias Linx.Doctor.{Agent, Check, Report}
  alias Linx.Errno

  # Those that an isolated shell cannot do without.
  @essential [:user, :mount, :uts, :ipc, :net, :pid]

  # The kernel's build option of each; it has always had mount namespaces.
  @options %{
    user: "CONFIG_USER_NS",
    uts: "CONFIG_UTS_NS",
    ipc: "CONFIG_IPC_NS",
    cgroup: "CONFIG_CGROUPS",
    net: "CONFIG_NET_NS",
    time: "CONFIG_TIME_NS",
    pid: "CONFIG_PID_NS"
  }

  @eperm 1
  @einval 22
  @enospc 28
  @enosys 38

  @enough 15_000

  @doc "The checks, in the order in which they are shown."
  @spec checks(Report.t()) :: [Check.t()]
  def checks(report) do
    Enum.map(Report.all_namespaces(), &namespace(report, &1)) ++ [limits(report)]
  end

  defp namespace(report, name) do
    title = "namespace #{name}"
    bad = if name in @essential, do: &Check.fail/3, else: &Check.warn/3

    if name in report.namespaces do
      judge(report, name, title, bad)
    else
      bad.(title, "this kernel has none", kernel_option(name))
    end
  end

  defp judge(%{uid: 0} = report, name, title, bad) do
    case {report.privileged[name], report.unprivileged[name]} do
      {:ok, :ok} ->
        pass(title, "works as root and without root")

      {:ok, outcome} ->
        warn(title, "works as root; without root: #{words(outcome)}", fix(report, name, outcome))

      {{:untried, reason}, _} ->
        untried(report, title, reason)

      {outcome, :ok} ->
        warn(title, "works without root; as root: #{words(outcome)}", root_fix(name, outcome))

      {outcome, _} ->
        bad.(title, "as root: #{words(outcome)}", root_fix(name, outcome))
    end
  end

  defp judge(report, name, title, bad) do
    case report.unprivileged[name] do
      :ok ->
        pass(title, "works without root; as root: not tried (not root)")

      {:untried, reason} ->
        untried(report, title, reason)

      outcome ->
        bad.(title, "without root: #{words(outcome)}", fix(report, name, outcome))
    end
  end

  defp untried(report, title, reason),
    do: warn(title, "this kernel has it; not tried: #{reason}", Agent.fix(report))

  defp words({:error, errno, stage}), do: "#{errno_name(errno)} in #{stage}"
  defp words({:untried, reason}), do: reason

  defp errno_name(errno) do
    case Errno.to_name(errno) do
      {:ok, name} -> name |> Atom.to_string() |> String.upcase()
      :error -> "error #{errno}"
    end
  end

  defp root_fix(_name, {:error, @eperm, _}),
    do: "give this root CAP_SYS_ADMIN (in a container: docker run --privileged)"

  defp root_fix(name, outcome), do: common_fix(name, outcome)

  defp fix(report, _name, {:error, @eperm, _}), do: unprivileged_fix(report)
  defp fix(report, name, {:error, @enospc, _}), do: limit_fix(report, name)
  defp fix(_report, name, outcome), do: common_fix(name, outcome)

  defp common_fix(name, {:error, @enospc, _}), do: raise_limit(name)
  defp common_fix(name, {:error, @einval, _}), do: kernel_option(name)

  defp common_fix(:time, {:error, @enosys, _}),
    do: "allow clone3 (in a container: docker run --security-opt seccomp=unconfined)"

  defp common_fix(_name, {:error, errno, stage}),
    do: "see #{errno_name(errno)} in the man page of #{stage}(2)"

  defp common_fix(_name, {:untried, _reason}),
    do: "run mix linx.doctor as an ordinary user to see"

  # Every one of them is made inside a user namespace, so that one may be what is used up.
  defp limit_fix(report, name) do
    if report.sysctls[Report.max_sysctl(:user)] == 0,
      do: raise_limit(:user),
      else: raise_limit(name)
  end

  defp unprivileged_fix(report) do
    cond do
      report.sysctls["kernel/unprivileged_userns_clone"] == 0 ->
        "sysctl -w kernel.unprivileged_userns_clone=1"

      report.sysctls["kernel/apparmor_restrict_unprivileged_userns"] == 1 ->
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"

      true ->
        "allow user namespaces (in a container: docker run --security-opt seccomp=unconfined)"
    end
  end

  defp raise_limit(name),
    do: "sysctl -w #{String.replace(Report.max_sysctl(name), "/", ".")}=#{@enough}"

  defp kernel_option(name), do: "boot a kernel built with #{@options[name]}=y"

  defp limits(report) do
    title = "user namespace limits"
    maxima = for name <- Report.all_namespaces(), max = maximum(report, name), do: {name, max}
    used_up = for {name, 0} <- maxima, do: name

    cond do
      barred?(report) ->
        warn(title, "users without root may not make any", unprivileged_fix(report))

      used_up != [] ->
        fixes = Enum.map_join(used_up, " && ", &raise_limit/1)
        warn(title, "none allowed: #{Enum.join(used_up, ", ")}", fixes)

      maxima == [] ->
        warn(title, "this kernel has none", kernel_option(:user))

      true ->
        {name, least} = Enum.min_by(maxima, &elem(&1, 1))
        pass(title, "at least #{least} of each (#{name})")
    end
  end

  defp maximum(report, name), do: report.sysctls[Report.max_sysctl(name)]

  defp barred?(report) do
    report.sysctls["kernel/unprivileged_userns_clone"] == 0 or
      report.sysctls["kernel/apparmor_restrict_unprivileged_userns"] == 1
  end
end
