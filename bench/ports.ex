defmodule Linx.Bench.Ports do
  @moduledoc """
  Programs run by what the BEAM itself has: `Port` and `System.cmd/3`.
  """

  @doc "Runs a program as a port and waits for its exit status 0."
  @spec run(Path.t(), [String.t()]) :: :ok
  def run(path, args \\ []) do
    port = Port.open({:spawn_executable, path}, [:exit_status, args: args])
    await_exit(port)
  end

  @doc "Runs a program by `System.cmd/3`."
  @spec cmd(Path.t()) :: :ok
  def cmd(path) do
    {_, 0} = System.cmd(path, [])
    :ok
  end

  @doc "Runs a port program that sends frames on fd 4, and counts the bytes in them."
  @spec count_frames(Path.t(), [String.t()]) :: non_neg_integer
  def count_frames(path, args) do
    port =
      Port.open({:spawn_executable, path}, [
        :binary,
        :nouse_stdio,
        :exit_status,
        packet: 4,
        args: args
      ])

    count_frames_of(port, 0)
  end

  defp count_frames_of(port, bytes) do
    receive do
      {^port, {:data, data}} -> count_frames_of(port, bytes + byte_size(data))
      {^port, {:exit_status, 0}} -> bytes
      {^port, {:exit_status, status}} -> raise "the PTY's floor exited with status #{status}"
    end
  end

  defp await_exit(port) do
    receive do
      {^port, {:data, _}} -> await_exit(port)
      {^port, {:exit_status, 0}} -> :ok
      {^port, {:exit_status, status}} -> raise "a port program exited with status #{status}"
    end
  end
end
