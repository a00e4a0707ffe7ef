defmodule Linx.Test.Parked do
  @moduledoc """
  Sessions that wait at their checkpoint, and what `/proc` says of them.
  """

  import ExUnit.Assertions
  import ExUnit.Callbacks, only: [on_exit: 1]

  @deadline_ms 5_000
  # Some of what is waited for is a BEAM that starts.
  @output_ms 30_000

  @doc """
  A session at its checkpoint, with its pid. The test fails if that process outlives it.
  """
  @spec park(keyword) :: {pid, pos_integer}
  def park(opts) do
    {:ok, session} = Linx.Process.spawn(opts)
    assert_receive {:linx_process, :ready, host_pid}
    on_exit(fn -> assert_gone(host_pid) end)
    {session, host_pid}
  end

  @doc """
  Lets a parked session run and waits for its program.
  """
  @spec proceed(pid) :: :ok
  def proceed(session) do
    assert Linx.Process.proceed(session) == :ok
    assert_receive {:linx_process, :running}
    :ok
  end

  @doc """
  What a session writes to its PTY until it ends, and how it ended.
  """
  @spec output_and_outcome(binary) :: {String.t(), tuple}
  def output_and_outcome(sofar \\ "") do
    assert_receive message when elem(message, 0) == :linx_process

    case message do
      {:linx_process, :pty_out, bytes} -> output_and_outcome(sofar <> bytes)
      {:linx_process, :running} -> output_and_outcome(sofar)
      terminal -> {String.replace(sofar, "\r\n", "\n"), Tuple.delete_at(terminal, 0)}
    end
  end

  @doc """
  What a session writes to its PTY up to and with a text. What comes behind it in the same message
  is dropped.
  """
  @spec output_until(String.t(), binary) :: String.t()
  def output_until(text, sofar \\ "") do
    case String.split(sofar, text, parts: 2) do
      [before, _rest] ->
        before <> text

      [_] ->
        receive do
          {:linx_process, :pty_out, bytes} -> output_until(text, sofar <> bytes)
        after
          @output_ms -> flunk("no #{inspect(text)} in #{inspect(sofar)}")
        end
    end
  end

  @doc """
  A line of `/proc/PID/status`.
  """
  @spec status(pos_integer | String.t(), String.t()) :: String.t()
  def status(pid, name) do
    [_, value] = Regex.run(~r/^#{name}:\t(.*)$/m, File.read!("/proc/#{pid}/status"))
    value
  end

  @doc """
  Maps that this user may write: its own ids as root.
  """
  @spec own_maps() :: keyword
  def own_maps, do: [uid: [{0, own("Uid"), 1}], gid: [{0, own("Gid"), 1}]]

  @doc """
  The effective uid or gid of the BEAM.
  """
  @spec own(String.t()) :: non_neg_integer
  def own(name), do: "self" |> status(name) |> String.split() |> Enum.at(1) |> String.to_integer()

  @doc """
  Waits until no process has this pid.
  """
  @spec assert_gone(pos_integer) :: :ok
  def assert_gone(pid) do
    wait_until(fn -> not File.exists?("/proc/#{pid}") end, "pid #{pid} is still there")
  end

  @doc """
  Asks again and again until it holds.
  """
  @spec wait_until((() -> boolean), String.t()) :: :ok
  def wait_until(holds?, message) do
    wait_until(holds?, message, System.monotonic_time(:millisecond) + @deadline_ms)
  end

  defp wait_until(holds?, message, deadline) do
    cond do
      holds?.() ->
        :ok

      System.monotonic_time(:millisecond) > deadline ->
        flunk(message)

      true ->
        # Nothing announces what is waited for here.
        receive do
        after
          10 -> wait_until(holds?, message, deadline)
        end
    end
  end
end
