defmodule Linx.Test.OldKernel do
  @moduledoc """
  Agents to which the kernel seems older than it is: some of its system calls are not there (ENOSYS),
  for them and for all that they start.

      setup do
        Linx.Test.OldKernel.without(["mount_setattr"])
      end

  After that every session with `agent: :dedicated` has such an agent, until the test ends. Not for
  tests that are `async`. Where the environment has `LINX_TEST_LACKS=mount_setattr,close_range`, all
  agents of the test run are such ones.
  """

  import ExUnit.Callbacks, only: [on_exit: 1]

  alias Linx.Test.FixtureProgram

  @doc "Makes agents such ones up to the end of the test."
  @spec without([String.t()]) :: :ok
  def without(calls) do
    before = Application.fetch_env(:linx, :agent_path)
    wrap(calls, Linx.Case.tmp_dir())

    on_exit(fn ->
      case before do
        {:ok, path} -> Application.put_env(:linx, :agent_path, path)
        :error -> Application.delete_env(:linx, :agent_path)
      end
    end)
  end

  @doc "Makes all agents of a test run such ones, where the environment says so."
  @spec from_environment() :: :ok
  def from_environment do
    case System.get_env("LINX_TEST_LACKS", "") do
      "" -> :ok
      calls -> calls |> String.split(",") |> wrap(Path.join(Mix.Project.build_path(), "fixtures"))
    end
  end

  defp wrap(calls, directory) do
    start = [FixtureProgram.path("start_with")] ++ Enum.map(calls, &"lacks:#{&1}")
    command = Enum.join(start ++ ["--", Linx.Agent.Program.path()], " ")
    path = Path.join(directory, "agent")
    File.write!(path, "#!/bin/sh\nexec #{command}\n")
    File.chmod!(path, 0o755)
    Application.put_env(:linx, :agent_path, path)
  end
end
