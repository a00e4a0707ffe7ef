defmodule Linx.Doctor.Agent do
  @moduledoc """
  What `Linx.Doctor` concludes about the agent, without which it can try nothing.
  """

  import Linx.Doctor.Check

  alias Linx.Doctor.{Check, Report}

  @doc "Whether the agent is built, starts, and is of the library's version."
  @spec check(Report.t()) :: Check.t()
  def check(%{agent: {:ok, version, features}, library_version: version}),
    do: pass("agent", Enum.join([version | features], " "))

  def check(%{agent: {:ok, version, _features}} = report),
    do: warn("agent", "#{version}, but Linx is #{report.library_version}", fix(report))

  def check(%{agent: {:missing, path}} = report),
    do: fail("agent", "#{path} is not built", fix(report))

  def check(%{agent: {:broken, reason}} = report), do: fail("agent", reason, fix(report))

  @doc "What to do before the agent can try things out."
  @spec fix(Report.t()) :: String.t()
  def fix(%{agent: {:missing, _path}}),
    do: "mix compile, after bin/setup where that names a missing package"

  # The agent runs from a sealed memfd.
  def fix(%{agent: {:broken, _reason}, sysctls: %{"vm/memfd_noexec" => 2}}),
    do: "sysctl -w vm.memfd_noexec=1"

  def fix(_report), do: "mix compile --force"
end
