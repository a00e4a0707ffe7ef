defmodule Linx.Doctor.Surroundings do
  @moduledoc """
  What `Linx.Doctor` concludes about what a sandbox does to its fresh namespaces: ids, a host name, a
  loopback interface, clocks.
  """

  import Linx.Doctor.Check

  alias Linx.Doctor.{Agent, Check, Report}

  @enoent 2
  @eopnotsupp 95

  @doc "The checks, in the order in which they are shown."
  @spec checks(Report.t()) :: [Check.t()]
  def checks(report) do
    [
      id_maps(report),
      judge(report, "host name", report.hostname),
      judge(report, "loopback", report.loopback),
      judge(report, "time offsets", report.time_offsets)
    ]
  end

  defp id_maps(%{id_maps: :ok}), do: pass("id maps", "ranges of ids work")

  defp id_maps(%{agent: {:ok, _, _}, uid: 0, id_maps: outcome}) do
    warn(
      "id maps",
      "those of config :linx, :subordinate_ids: #{Report.words(outcome)}",
      "set config :linx, :subordinate_ids to ids that /proc/self/uid_map holds"
    )
  end

  defp id_maps(%{agent: {:ok, _, _}, id_maps: outcome}),
    do: warn("id maps", "its own id alone: #{Report.words(outcome)}", more_ids(outcome))

  defp id_maps(%{id_maps: {:untried, reason}} = report),
    do: warn("id maps", "not tried: #{reason}", Agent.fix(report))

  defp more_ids({:error, @enoent, _stage}),
    do: "install newuidmap and newgidmap (Debian: apt-get install uidmap)"

  defp more_ids(_outcome) do
    "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER, with newuidmap " <>
      "installed (Debian: uidmap)"
  end

  defp judge(_report, title, :ok), do: pass(title, "works in a fresh namespace")

  defp judge(report, title, {:untried, reason}),
    do: warn(title, "not tried: #{reason}", Agent.fix(report))

  defp judge(_report, title, {:error, @eopnotsupp, :time_offsets} = outcome),
    do: warn(title, Report.words(outcome), "boot Linux 6.1 or newer")

  defp judge(_report, title, outcome),
    do: warn(title, Report.words(outcome), "see the namespaces and capabilities above")
end
