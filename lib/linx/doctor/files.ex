defmodule Linx.Doctor.Files do
  @moduledoc """
  What `Linx.Doctor` concludes about file systems of a sandbox's own: a root to leave the old one for,
  and what can be mounted in it.
  """

  import Linx.Doctor.Check

  alias Linx.Doctor.{Agent, Check, Report}

  @titles %{
    root: "root",
    proc: "proc with subset=pid",
    dev: "dev",
    overlay: "overlay",
    idmap: "id-mapped binds"
  }

  @eperm 1
  @enodev 19
  @einval 22
  @enosys 38

  @doc "The checks, in the order in which they are shown."
  @spec checks(Report.t()) :: [Check.t()]
  def checks(report), do: for(what <- Report.files(), do: judge(report, what, @titles[what]))

  defp judge(report, what, title) do
    case Map.fetch!(report.files, what) do
      :ok ->
        pass(title, "works in a fresh mount namespace")

      {:untried, reason} ->
        warn(title, "not tried: #{reason}", Agent.fix(report))

      {:error, errno, stage} = outcome ->
        warn(title, Report.words(outcome), fix(what, errno, stage))
    end
  end

  defp fix(:idmap, @enosys, :mount), do: "boot Linux 5.12 or newer"

  defp fix(:idmap, @eperm, :mount),
    do: "run the BEAM as root: it takes CAP_SYS_ADMIN where the file system was mounted"

  defp fix(:idmap, @einval, :mount) do
    "bind from a file system that can: most on disks can, overlay since Linux 5.19, tmpfs since 6.3; " <>
      "here that of /usr was tried"
  end

  defp fix(_what, @enosys, _stage), do: "boot Linux 5.8 or newer, and allow its mount calls"

  defp fix(_what, @einval, :pivot_root),
    do: "start the BEAM outside of a chroot, and not from the first RAM disk of the system"

  defp fix(:proc, @eperm, :mount) do
    "uncover the host's /proc, on which nothing may be mounted then (in a container: " <>
      "--security-opt systempaths=unconfined)"
  end

  defp fix(:proc, @einval, :mount), do: "boot Linux 5.8 or newer"
  defp fix(:overlay, @enodev, :mount), do: "modprobe overlay"
  defp fix(:overlay, @eperm, :mount), do: "boot Linux 5.11 or newer"
  defp fix(_what, _errno, _stage), do: "see the namespaces and capabilities above"
end
