defmodule Linx.Doctor.Sandbox do
  @moduledoc """
  What `Linx.Doctor` concludes about restrictions: seccomp and its user notification, landlock and
  capabilities.
  """

  import Linx.Doctor.Check

  alias Linx.Capabilities.Constants
  alias Linx.Doctor.{Agent, Check, Report}
  alias Linx.Landlock

  @ebusy 16

  # What root needs for namespaces, id maps, another user, and the bounding set.
  @needed [:cap_sys_admin, :cap_setuid, :cap_setgid, :cap_setpcap, :cap_kill]

  @doc "The checks, in the order in which they are shown."
  @spec checks(Report.t()) :: [Check.t()]
  def checks(report),
    do: [seccomp(report), notification(report), landlock(report), capabilities(report)]

  defp seccomp(%{seccomp_actions: []}),
    do:
      fail("seccomp", "this kernel has none", "boot a kernel built with CONFIG_SECCOMP_FILTER=y")

  defp seccomp(%{filter: :ok} = report),
    do: pass("seccomp", "a filter holds; actions: #{Enum.join(report.seccomp_actions, " ")}")

  defp seccomp(%{filter: {:error, errno, stage}}) do
    fail(
      "seccomp",
      "a filter is refused with error #{errno} in #{stage}",
      "allow seccomp(2) and prctl(2) (in a container: --security-opt seccomp=unconfined)"
    )
  end

  defp seccomp(%{filter: {:untried, reason}} = report),
    do: warn("seccomp", "this kernel has it; not tried: #{reason}", Agent.fix(report))

  @notification "user notification"

  defp notification(%{notify: :ok}), do: pass(@notification, "a system call waits for its answer")

  defp notification(%{notify: {:untried, reason}} = report),
    do: warn(@notification, "not tried: #{reason}", Agent.fix(report))

  # A process can have one filter of this kind, and inherits it.
  defp notification(%{notify: {:error, @ebusy, _stage} = outcome}) do
    fix = "start the BEAM outside of a container whose runtime answers system calls itself"
    warn(@notification, Report.words(outcome), fix)
  end

  defp notification(%{notify: outcome}) do
    fix = "boot Linux 5.8 or newer, and allow seccomp(2)"
    warn(@notification, Report.words(outcome), fix)
  end

  defp landlock(%{landlock_abi: nil, lsms: nil} = report),
    do: warn("landlock", "cannot be seen without the agent", Agent.fix(report))

  defp landlock(%{landlock_abi: nil, lsms: lsms}),
    do: if("landlock" in lsms, do: pass("landlock", "active"), else: inactive(lsms))

  defp landlock(%{landlock_abi: 0, lsms: lsms}), do: inactive(lsms || [])

  defp landlock(%{landlock_abi: abi}) do
    all = Landlock.file_rights() ++ Landlock.port_rights() ++ Landlock.scopes()

    case Landlock.lacking(all, abi) do
      [] ->
        pass("landlock", "ABI #{abi}")

      lacking ->
        fix = "boot Linux 6.12 or newer, or let sandboxes go without (Linx.Sandbox.best_effort/2)"
        warn("landlock", "ABI #{abi}, which lacks #{Enum.join(lacking, " ")}", fix)
    end
  end

  defp inactive(lsms) do
    order = Enum.join(["landlock" | lsms], ",")
    fix = "boot Linux 5.13 or newer, built with CONFIG_SECURITY_LANDLOCK=y, with lsm=#{order}"
    warn("landlock", "not active", fix)
  end

  defp capabilities(%{capabilities: nil}),
    do: warn("capabilities", "/proc/self/status does not show them", "mount -t proc proc /proc")

  defp capabilities(%{uid: 0, capabilities: %{effective: held}}) do
    case Enum.reject(@needed, &(&1 in held)) do
      [] ->
        pass("capabilities", describe(held))

      missing ->
        add = Enum.map_join(missing, " ", &"--cap-add=#{docker_name(&1)}")
        warn("capabilities", describe(held), "add them (in a container: docker run #{add})")
    end
  end

  defp capabilities(%{capabilities: %{effective: held}}),
    do: pass("capabilities", describe(held))

  defp describe(held) do
    missing = Enum.reject(Constants.all(), &(&1 in held))

    cond do
      MapSet.size(held) == 0 -> "none: an ordinary user"
      missing == [] -> "all #{MapSet.size(held)}"
      length(missing) < MapSet.size(held) -> "all but #{Enum.join(missing, " ")}"
      true -> held |> Enum.sort() |> Enum.join(" ")
    end
  end

  defp docker_name(capability),
    do: capability |> Atom.to_string() |> String.replace_prefix("cap_", "") |> String.upcase()
end
