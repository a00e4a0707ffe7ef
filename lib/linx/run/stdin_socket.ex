defmodule Linx.Run.StdinSocket do
  @moduledoc """
  A stdin that the BEAM feeds from its own, for a workload without a PTY.

      {:ok, stdin} = Linx.Run.StdinSocket.open()
      Linx.Run.StdinSocket.feed(stdin)
      stdio = [stdin: {:connect_unix, stdin.path}]
      {:ok, session} = Linx.Process.spawn(argv: ["/bin/cat"], stdio: stdio)

  It is a unix socket in a directory of its own. The agent connects to it before the workload
  exists, and then the name is gone again.
  """

  alias Linx.Run.Input

  @enforce_keys [:listener, :directory, :path]
  defstruct @enforce_keys

  @type t :: %__MODULE__{listener: :gen_tcp.socket(), directory: Path.t(), path: Path.t()}

  # sun_path of unix(7), with its final zero.
  @max_path 107

  @doc """
  Makes the socket. Only this user can connect to it.
  """
  @spec open() :: {:ok, t} | {:error, String.t()}
  def open do
    directory = directory()
    path = Path.join(directory, "stdin")

    with :ok <- File.mkdir(directory),
         :ok <- File.chmod(directory, 0o700),
         {:ok, listener} <-
           :gen_tcp.listen(0, ifaddr: {:local, path}, mode: :binary, active: false) do
      {:ok, %__MODULE__{listener: listener, directory: directory, path: path}}
    else
      {:error, reason} ->
        File.rm_rf(directory)
        {:error, "cannot make a socket for stdin in #{directory}: #{:inet.format_error(reason)}"}
    end
  end

  # mkdir takes no name that is there already, so a guess of this one cannot harm.
  defp directory do
    name = "linx-run-#{System.pid()}-#{:rand.uniform(1_000_000_000)}"
    directory = Path.join(System.tmp_dir() || "/tmp", name)
    if byte_size(directory <> "/stdin") <= @max_path, do: directory, else: "/tmp/" <> name
  end

  @doc """
  Takes the connection and passes the BEAM's stdin on until either side has no more.

  Does so from a process of its own: a workload that does not read must not stop the caller.
  """
  @spec feed(t) :: pid
  def feed(%__MODULE__{listener: listener} = stdin) do
    spawn_link(fn ->
      with {:ok, socket} <- :gen_tcp.accept(listener) do
        remove_name(stdin)

        Input.each(fn
          :eof -> :gen_tcp.shutdown(socket, :write)
          chunk -> if :gen_tcp.send(socket, chunk) == :ok, do: :ok, else: :stop
        end)

        wait_for_close(socket)
      end
    end)
  end

  # Closing the socket earlier would discard what the workload has not read yet.
  defp wait_for_close(socket) do
    case :gen_tcp.recv(socket, 0) do
      {:ok, _} -> wait_for_close(socket)
      {:error, _} -> :gen_tcp.close(socket)
    end
  end

  @doc """
  Closes the listening socket and removes what is left of its name.
  """
  @spec close(t) :: :ok
  def close(%__MODULE__{listener: listener} = stdin) do
    :gen_tcp.close(listener)
    remove_name(stdin)
  end

  defp remove_name(%__MODULE__{directory: directory}) do
    File.rm_rf(directory)
    :ok
  end
end
