defmodule Linx.Agent.Program do
  @moduledoc """
  The program behind every agent, `linx_process`, as a port.

      iex> Path.basename(Linx.Agent.Program.path())
      "linx_process"

  Whoever calls `open/0` owns the port. The program speaks on fds 3 and 4, so its workloads may have
  the BEAM's fds 0, 1 and 2. The port exits when the program's guard does, and by then every
  process of the agent's sessions is dead.
  """

  import Bitwise

  alias Linx.Process.Error

  # Bytes in the port's queue at which it is no longer busy, and at which it is. Its own limits are
  # smaller than one piece of input, which would then be followed by a pause each time.
  @busy_limits {256 * 1024, 1024 * 1024}

  @guard_check_ms 5
  @guard_checks 2000

  @doc """
  Where the program is: `config :linx, agent_path: path`, by default `priv/linx_process`.
  """
  @spec path() :: Path.t()
  def path do
    Application.get_env(:linx, :agent_path) || Application.app_dir(:linx, "priv/linx_process")
  end

  @doc """
  Starts the program.
  """
  @spec open() :: {:ok, port} | {:error, {:missing_binary, Path.t()} | Error.t()}
  def open do
    path = path()

    # Looked at first: a port that fails to open leaks a file descriptor (OTP 25).
    case File.stat(path) do
      {:ok, %File.Stat{type: :regular, mode: mode}} when (mode &&& 0o111) != 0 -> open(path)
      {:ok, _} -> {:error, failure(:eacces)}
      {:error, errno} -> {:error, failure(errno)}
    end
  end

  defp open(path) do
    options = [:nouse_stdio, :binary, :exit_status, packet: 4, busy_limits_port: @busy_limits]
    {:ok, Port.open({:spawn_executable, path}, options)}
  rescue
    error in ErlangError -> {:error, failure(error.original)}
    SystemLimitError -> {:error, failure(:emfile)}
  end

  defp failure(errno) when errno in [:enoent, :enotdir], do: {:missing_binary, path()}

  defp failure(errno) do
    code =
      case Linx.Errno.to_code(errno) do
        {:ok, code} -> code
        :error -> 0
      end

    Error.new(code, :open_port, path())
  end

  @doc """
  The pid of a port's program, that is, of its guard; `nil` where the port is closed.
  """
  @spec os_pid(port) :: pos_integer | nil
  def os_pid(port) do
    case Port.info(port, :os_pid) do
      {:os_pid, pid} -> pid
      nil -> nil
    end
  end

  @doc """
  Sends the caller `{port, {:exit_status, status}}` once a guard has gone, or has had ten seconds.

  For a port that was closed by a write to a dead program, and so does not report its exit itself.
  """
  @spec report_exit(port, pos_integer | nil, status :: non_neg_integer) :: pid
  def report_exit(port, os_pid, status) do
    owner = self()

    spawn(fn ->
      await_exit(os_pid, @guard_checks)
      send(owner, {port, {:exit_status, status}})
    end)
  end

  defp await_exit(os_pid, checks) do
    if checks > 0 and File.exists?("/proc/#{os_pid}") do
      Process.sleep(@guard_check_ms)
      await_exit(os_pid, checks - 1)
    end
  end
end
