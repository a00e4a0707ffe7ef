defmodule Linx.Doctor.Presets do
  @moduledoc """
  What `Linx.Doctor` concludes about the presets of `Linx.Sandbox`, tried as a whole.
  """

  import Linx.Doctor.Check

  alias Linx.Doctor.{Agent, Check, Report}

  # Where the part that failed is tried by itself.
  @parts %{
    "the namespaces" => [:clone, :cgroup_clone],
    "id maps" => [:uid_map, :gid_map, :setgroups],
    "root, proc and dev" => [:propagation, :root, :mount, :pivot_root],
    "host name, loopback and time offsets" => [:hostname, :domainname, :loopback, :time_offsets],
    "seccomp" => [:seccomp_install, :seccomp_no_new_privs]
  }

  @doc "The checks, in the order in which they are shown."
  @spec checks(Report.t()) :: [Check.t()]
  def checks(report), do: Enum.map(Report.presets(), &check(report, &1))

  defp check(report, preset) do
    title = "preset #{preset}"

    case Map.fetch!(report.presets, preset) do
      :ok ->
        pass(title, "a program runs in it")

      {:untried, reason} ->
        warn(title, "not tried: #{reason}", Agent.fix(report))

      {:error, _errno, stage} = outcome ->
        warn(title, Report.words(outcome), fix(stage))
    end
  end

  defp fix(:landlock),
    do: "boot Linux 6.12 or newer, or go without what is missing (Linx.Sandbox.best_effort/2)"

  defp fix(stage) do
    case Enum.find(@parts, fn {_part, stages} -> stage in stages end) do
      {part, _stages} -> "see #{part} above"
      nil -> "see the namespaces and capabilities above"
    end
  end
end
