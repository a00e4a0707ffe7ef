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

  # The size in which input is handed over.
  @piece 64 * 1024

  @doc "Runs a program as a port and counts the bytes that it wrote."
  @spec count_output(Path.t(), [String.t()]) :: non_neg_integer
  def count_output(path, args) do
    {:spawn_executable, path}
    |> Port.open([:binary, :exit_status, args: args])
    |> count(0)
  end

  @doc "Runs a port program that sends frames on fd 4, and counts the bytes in them."
  @spec count_frames(Path.t(), [String.t()]) :: non_neg_integer
  def count_frames(path, args), do: path |> open_framed(args) |> count(0)

  @doc "Runs a program as a port, gives it this many bytes, and waits for its exit status 0."
  @spec feed(Path.t(), [String.t()], pos_integer) :: pos_integer
  def feed(path, args, bytes) do
    port = Port.open({:spawn_executable, path}, [:binary, :exit_status, args: args])
    Enum.each(pieces(bytes), &Port.command(port, &1))
    :ok = await_exit(port)
    bytes
  end

  @doc "The same by a port program that reads frames from fd 3, the last of them empty."
  @spec feed_frames(Path.t(), [String.t()], pos_integer) :: pos_integer
  def feed_frames(path, args, bytes) do
    port = open_framed(path, args)
    Enum.each(pieces(bytes), &Port.command(port, &1))
    Port.command(port, "")
    :ok = await_exit(port)
    bytes
  end

  @doc "This many bytes in pieces of one size, the last of them perhaps smaller."
  @spec pieces(pos_integer) :: Enumerable.t()
  def pieces(bytes) do
    piece = :binary.copy("x", @piece)
    whole = Stream.duplicate(piece, div(bytes, @piece))
    rest = binary_part(piece, 0, rem(bytes, @piece))
    if rest == "", do: whole, else: Stream.concat(whole, [rest])
  end

  defp open_framed(path, args) do
    Port.open({:spawn_executable, path}, [
      :binary,
      :nouse_stdio,
      :exit_status,
      packet: 4,
      args: args
    ])
  end

  defp count(port, bytes) do
    receive do
      {^port, {:data, data}} -> count(port, bytes + byte_size(data))
      {^port, {:exit_status, 0}} -> bytes
      {^port, {:exit_status, status}} -> raise "a port program exited with status #{status}"
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
