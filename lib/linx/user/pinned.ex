defmodule Linx.User.Pinned do
  @moduledoc """
  Files of `/proc/PID` that are known to belong to one and the same process.

      Linx.User.Pinned.with_files(host_pid, ["uid_map"], :read, fn pinned ->
        Linx.User.Pinned.read(pinned, "uid_map")
      end)

  A pid is free for another process as soon as its own has been reaped, so files that are opened
  one after the other by path may belong to two. Here `stat` is opened first and read last: a
  descriptor for it names the process, not the number, and answers ESRCH once that process is
  reaped. While it still answers, the pid was never free in between, so all files opened meanwhile
  are that process's. This needs no comparison of start times, which are too coarse (a hundredth
  of a second) to tell a fast successor apart. What is written to afterwards are the descriptors,
  never the path again.

  The files belong to the calling process and close when it ends.
  """

  alias Linx.User.Error

  @enforce_keys [:pid, :stat, :files]
  defstruct @enforce_keys

  @type t :: %__MODULE__{pid: pos_integer, stat: :file.fd(), files: %{String.t() => :file.fd()}}

  @doc """
  Opens files of a process by name, calls the function with them, and closes them.
  """
  @spec with_files(pos_integer, [String.t()], :read | :write, (t -> result)) ::
          result | {:error, Error.t()}
        when result: term
  def with_files(pid, names, mode, fun) do
    with {:ok, pinned} <- open(pid, names, mode) do
      try do
        fun.(pinned)
      after
        close(pinned)
      end
    end
  end

  @doc """
  Opens files of a process by name; to be closed with `close/1`.
  """
  @spec open(pos_integer, [String.t()], :read | :write) :: {:ok, t} | {:error, Error.t()}
  def open(pid, names, mode) do
    with {:ok, stat} <- open_file(pid, "stat", :read) do
      pinned = %__MODULE__{pid: pid, stat: stat, files: %{}}

      case open_files(pinned, names, mode) do
        {:ok, pinned} ->
          {:ok, pinned}

        {pinned, error} ->
          close(pinned)
          {:error, error}
      end
    end
  end

  defp open_files(pinned, [], _mode) do
    case check(pinned) do
      :ok -> {:ok, pinned}
      {:error, error} -> {pinned, error}
    end
  end

  defp open_files(pinned, [name | names], mode) do
    case open_file(pinned.pid, name, mode) do
      {:ok, file} -> open_files(put_in(pinned.files[name], file), names, mode)
      {:error, error} -> {pinned, error}
    end
  end

  @doc """
  Closes the files.
  """
  @spec close(t) :: :ok
  def close(%__MODULE__{stat: stat, files: files}) do
    Enum.each([stat | Map.values(files)], &:file.close/1)
  end

  @doc """
  Writes a file in one `write(2)`, since the kernel takes a map whole or not at all.
  """
  @spec write(t, String.t(), binary) :: :ok | {:error, Error.t()}
  def write(%__MODULE__{} = pinned, name, text) do
    with :ok <- check(pinned) do
      case :file.write(Map.fetch!(pinned.files, name), text) do
        :ok -> :ok
        {:error, posix} -> failed(pinned.pid, name, :write, posix)
      end
    end
  end

  @doc """
  Reads a file to its end.
  """
  @spec read(t, String.t()) :: {:ok, binary} | {:error, Error.t()}
  def read(%__MODULE__{} = pinned, name) do
    case read_all(Map.fetch!(pinned.files, name), []) do
      {:ok, text} -> {:ok, text}
      {:error, posix} -> failed(pinned.pid, name, :read, posix)
    end
  end

  # Maps of up to 340 ranges come in several pages.
  defp read_all(file, chunks) do
    case :file.read(file, 65_536) do
      {:ok, chunk} -> read_all(file, [chunks | chunk])
      :eof -> {:ok, IO.iodata_to_binary(chunks)}
      error -> error
    end
  end

  @doc """
  Whether it is still there: `:esrch` once it has ended, even where nobody has reaped it. A zombie has
  kept its number but is no process to give a map to.
  """
  @spec check(t) :: :ok | {:error, Error.t()}
  def check(%__MODULE__{pid: pid, stat: stat}) do
    case :file.pread(stat, 0, 4096) do
      {:ok, line} -> if ended?(line), do: failed(pid, "stat", :read, :esrch), else: :ok
      :eof -> failed(pid, "stat", :read, :esrch)
      {:error, posix} -> failed(pid, "stat", :read, posix)
    end
  end

  # "pid (name) state ...", where the name may itself hold brackets and spaces.
  defp ended?(line) do
    {at, 2} = line |> :binary.matches(") ") |> List.last()
    :binary.at(line, at + 2) in [?Z, ?X]
  end

  # Reading is asked for together with writing so that opening does not truncate.
  defp open_file(pid, name, mode) do
    modes = if mode == :write, do: [:read, :write], else: [:read]

    case :file.open("/proc/#{pid}/#{name}", [:raw, :binary | modes]) do
      {:ok, file} -> {:ok, file}
      {:error, posix} -> failed(pid, name, :open, posix)
    end
  end

  # /proc has no directory for a process that is gone.
  defp failed(pid, name, operation, :enoent), do: failed(pid, name, operation, :esrch)

  defp failed(pid, name, operation, errno) do
    code =
      case Linx.Errno.to_code(errno) do
        {:ok, code} -> code
        :error -> 0
      end

    {:error, %Error{path: "/proc/#{pid}/#{name}", operation: operation, errno: errno, code: code}}
  end
end
