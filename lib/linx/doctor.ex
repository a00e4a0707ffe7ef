defmodule Linx.Doctor do
  @moduledoc """
  Says what this machine can do for Linx, and how to mend what it cannot.

      checks = Linx.Doctor.examine()
      Linx.Doctor.able?(checks)

  `mix linx.doctor` shows it. What is decided is apart from what is looked at: `examine/1` takes a
  `Linx.Doctor.Report`, however it was come by, and touches nothing.
  """

  alias Linx.Doctor.{Agent, Check, Files, Host, Namespaces, Presets, Probe, Report, Sandbox}
  alias Linx.Doctor.Surroundings

  @doc """
  Looks at this machine, trying out what can be tried, and judges it.

  As root a second agent without privileges shows what ordinary users can do.
  """
  @spec examine() :: [Check.t()]
  def examine, do: examine(Probe.report())

  @doc "Judges a report."
  @spec examine(Report.t()) :: [Check.t()]
  def examine(%Report{} = report) do
    [Agent.check(report)] ++
      Host.kernel_checks(report) ++
      Namespaces.checks(report) ++
      Sandbox.checks(report) ++
      Surroundings.checks(report) ++
      Files.checks(report) ++ Presets.checks(report) ++ Host.resource_checks(report)
  end

  @doc """
  Whether Linx can do its main job: run a shell on a PTY in fresh namespaces under a filter.

      iex> alias Linx.Doctor.Check
      iex> Linx.Doctor.able?([Check.pass("kernel", "6.1"), Check.warn("landlock", "none", "boot")])
      true
      iex> Linx.Doctor.able?([Check.fail("pty", "none", "mount")])
      false
  """
  @spec able?([Check.t()]) :: boolean
  def able?(checks), do: Enum.all?(checks, &(&1.status != :fail))
end
