defmodule Linx.Test.Chaos.Hold do
  @moduledoc """
  What keeps a session in a stage that otherwise passes in microseconds.
  """

  import ExUnit.Assertions

  @doc """
  A unix socket on which nobody accepts and whose backlog is full: a session that is to connect to it
  stays in `starting`.
  """
  @spec full_backlog(Path.t()) :: Path.t()
  def full_backlog(dir) do
    path = Path.join(dir, "full-#{System.pid()}-#{System.unique_integer([:positive])}")
    {:ok, _} = :gen_tcp.listen(0, ifaddr: {:local, path}, backlog: 0, active: false)
    # A backlog of 0 takes one.
    {:ok, _} = :gen_tcp.connect({:local, path}, 0, active: false)
    path
  end

  @doc """
  A copy of a program that nobody gets to exec while the port is open: a session that execs it stays
  in `proceeding`. `lease` is the path of `tree_lease`.
  """
  @spec slow_program(Path.t(), Path.t(), lease :: Path.t()) :: {Path.t(), port}
  def slow_program(program, dir, lease) do
    path = Path.join(dir, "slow-#{System.pid()}-#{System.unique_integer([:positive])}")
    File.cp!(program, path)
    port = Port.open({:spawn_executable, lease}, [:binary, {:line, 64}, args: [path]])
    assert_receive {^port, {:data, {:eol, "held"}}}
    {path, port}
  end

  @doc "Waits until somebody waits to exec the program."
  @spec assert_wanted(port) :: :ok
  def assert_wanted(port) do
    assert_receive {^port, {:data, {:eol, "wanted"}}}
    :ok
  end

  @doc "Lets go of the program."
  @spec release(port) :: true
  def release(port), do: Port.close(port)
end
