defmodule Linx.Group.Rendezvous do
  @moduledoc """
  Where an agent and the BEAM meet for a moment: unix sockets in a directory that only their user may enter.

      {:ok, meeting} = Rendezvous.open([:channel])
      {:connect_unix, path} = Rendezvous.directive(meeting, :channel)
      {:ok, %{channel: socket}} = Rendezvous.accept(meeting)

  The agent connects before there is a process. So when that process is ready, all connections wait to be
  accepted, and nothing of the directory is left behind. If the BEAM is killed in between, the directory
  stays, and nobody listens there.
  """

  @enforce_keys [:directory, :listeners]
  defstruct @enforce_keys

  @type name :: term
  @type t :: %__MODULE__{directory: Path.t(), listeners: %{name => {:socket.socket(), Path.t()}}}

  # A socket's path has 107 bytes.
  @longest_directory 60

  @doc "Listens for one connection of each name."
  @spec open([name]) :: {:ok, t} | {:error, {:rendezvous, term}}
  def open(names) do
    with {:ok, directory} <- make_directory(),
         do: open(Enum.with_index(names), %__MODULE__{directory: directory, listeners: %{}})
  end

  defp open([], meeting), do: {:ok, meeting}

  defp open([{name, index} | rest], meeting) do
    path = Path.join(meeting.directory, "#{index}")

    case listen(path) do
      {:ok, socket} ->
        open(rest, %{meeting | listeners: Map.put(meeting.listeners, name, {socket, path})})

      {:error, reason} ->
        close(meeting)
        {:error, {:rendezvous, reason}}
    end
  end

  defp make_directory(attempts \\ 10) do
    name = "linx-group-#{System.pid()}-#{System.unique_integer([:positive])}"
    tmp = System.tmp_dir() || "/tmp"
    directory = Path.join(if(byte_size(tmp) > @longest_directory, do: "/tmp", else: tmp), name)

    # Nothing is in it that somebody could reach before the second call.
    with :ok <- File.mkdir(directory), :ok <- File.chmod(directory, 0o700) do
      {:ok, directory}
    else
      # Somebody else's, who may have meant to be in the way.
      {:error, :eexist} when attempts > 1 -> make_directory(attempts - 1)
      {:error, reason} -> {:error, {:rendezvous, reason}}
    end
  end

  defp listen(path) do
    with {:ok, socket} <- :socket.open(:local, :stream, :default) do
      with :ok <- :socket.bind(socket, %{family: :local, path: path}),
           :ok <- :socket.listen(socket, 1) do
        {:ok, socket}
      else
        error ->
          :socket.close(socket)
          error
      end
    end
  end

  @doc "What a session is asked for, to be connected here."
  @spec directive(t, name) :: {:connect_unix, Path.t()}
  def directive(%__MODULE__{listeners: listeners}, name) do
    {_socket, path} = Map.fetch!(listeners, name)
    {:connect_unix, path}
  end

  @doc "The connections, which have to be there, and the end of the meeting."
  @spec accept(t) :: {:ok, %{name => :socket.socket()}} | {:error, {:rendezvous, term}}
  def accept(%__MODULE__{listeners: listeners} = meeting) do
    accepted = for {name, {listener, _path}} <- listeners, do: {name, :socket.accept(listener, 0)}
    close(meeting)

    case Enum.find(accepted, &match?({_name, {:error, _reason}}, &1)) do
      nil ->
        {:ok, Map.new(accepted, fn {name, {:ok, socket}} -> {name, socket} end)}

      {_name, {:error, reason}} ->
        for {_name, {:ok, socket}} <- accepted, do: :socket.close(socket)
        {:error, {:rendezvous, reason}}
    end
  end

  @doc "Ends the meeting; a connection that nobody accepted is closed."
  @spec close(t) :: :ok
  def close(%__MODULE__{} = meeting) do
    for {_name, {socket, path}} <- meeting.listeners do
      :socket.close(socket)
      File.rm(path)
    end

    File.rmdir(meeting.directory)
    :ok
  end
end
