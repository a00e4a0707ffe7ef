defmodule Linx.Capabilities do
  @moduledoc """
  Reads the capabilities of any process, and takes them from a session that waits at its
  checkpoint.

      {:ok, s} = Linx.Process.spawn(argv: ["/bin/sleep", "9"], namespaces: [:user])
      receive do {:linx_process, :ready, _pid} -> :ok end

      :ok = Linx.Capabilities.drop_bounding(s, Linx.Capabilities.Constants.all())
      :ok = Linx.Capabilities.set_thread_sets(s, effective: [], permitted: [], inheritable: [])
      :ok = Linx.Process.proceed(s)

  The commands are carried out in the order in which they are given, so drop from the bounding set
  first: that needs `:cap_setpcap` in the effective set. A fresh user namespace gives its first
  process every capability, also in the bounding set, whatever its creator had. Without one, an
  ordinary user's process has nothing to drop from, and the kernel refuses with `:eperm`.

  What a set may become is the kernel's rule: permitted can only shrink, effective lies within
  permitted, ambient within permitted and inheritable. A command that the kernel refuses ends the
  session with an error that names the command, so a workload never runs with more than was asked.

  A workload that runs as uid 0 of its user namespace gets its permitted set filled again by exec,
  up to the bounding set: for such a workload the bounding set is the one that counts.
  """

  alias Linx.Capabilities.{Constants, State}

  @type capability :: Constants.capability()
  @type capabilities :: [capability] | MapSet.t(capability)
  @type error ::
          {:error,
           {:bad_capability, term}
           | {:bad_thread_sets, term}
           | :not_ready
           | :running
           | :no_process}

  @thread_sets [:effective, :permitted, :inheritable]

  @doc """
  Whether this kernel reports capabilities with an ambient set (Linux 4.3 and later).
  """
  @spec supported?() :: boolean
  def supported?, do: match?({:ok, _}, read(:self))

  @doc """
  The capability sets of a process: a pid as the BEAM's pid namespace counts, or `:self` for the
  BEAM itself.

      iex> {:ok, state} = Linx.Capabilities.read(:self)
      iex> MapSet.subset?(state.effective, state.permitted)
      true

  In a process of several threads these are the sets of its first. Errors: `:no_process`, and
  `{:unreadable, path, posix}` where `/proc` does not show the process to this user.
  """
  @spec read(pos_integer | :self) ::
          {:ok, State.t()}
          | {:error, :no_process | {:unreadable, Path.t(), term} | {:missing, String.t()}}
  def read(:self), do: read_status("/proc/self/status")
  def read(pid) when is_integer(pid) and pid > 0, do: read_status("/proc/#{pid}/status")

  defp read_status(path) do
    case File.read(path) do
      {:ok, status} -> State.parse(status)
      {:error, posix} when posix in [:enoent, :esrch] -> {:error, :no_process}
      {:error, posix} -> {:error, {:unreadable, path, posix}}
    end
  end

  @doc """
  Takes capabilities out of the bounding set, so that no exec can bring them back.

  Needs `:cap_setpcap` in the session's effective set. At the checkpoint only.
  """
  @spec drop_bounding(GenServer.server(), capabilities) :: :ok | error
  def drop_bounding(session, capabilities) do
    with {:ok, mask} <- Constants.to_bits(capabilities) do
      Linx.Process.command(session, {:cap_drop_bounding, mask})
    end
  end

  @doc """
  Sets the three sets of `capset(2)`. All of them must be given:

    * `:effective` - list or set of capabilities, what permission checks look at
    * `:permitted` - list or set, the limit of effective; can only shrink
    * `:inheritable` - list or set, what survives the exec of a file that allows it

  At the checkpoint only.
  """
  @spec set_thread_sets(GenServer.server(), keyword(capabilities)) :: :ok | error
  def set_thread_sets(session, sets) do
    with {:ok, [effective, permitted, inheritable]} <- thread_masks(sets) do
      Linx.Process.command(session, {:cap_set_thread, effective, permitted, inheritable})
    end
  end

  @doc """
  Makes the ambient set exactly these: what a program run by a uid other than 0 keeps across exec.

  Each must be in the permitted and the inheritable set. At the checkpoint only.
  """
  @spec set_ambient(GenServer.server(), capabilities) :: :ok | error
  def set_ambient(session, capabilities) do
    with {:ok, mask} <- Constants.to_bits(capabilities) do
      Linx.Process.command(session, {:cap_set_ambient, mask})
    end
  end

  defp thread_masks(sets) do
    if Keyword.keyword?(sets) do
      case Enum.find(Keyword.keys(sets), &(&1 not in @thread_sets)) do
        nil -> masks(sets, @thread_sets, [])
        key -> {:error, {:bad_thread_sets, {:unknown, key}}}
      end
    else
      {:error, {:bad_thread_sets, {:not_a_keyword_list, sets}}}
    end
  end

  defp masks(_sets, [], masks), do: {:ok, Enum.reverse(masks)}

  defp masks(sets, [key | keys], masks) do
    with {:ok, capabilities} <- fetch_set(sets, key),
         {:ok, mask} <- Constants.to_bits(capabilities) do
      masks(sets, keys, [mask | masks])
    end
  end

  defp fetch_set(sets, key) do
    case Keyword.fetch(sets, key) do
      :error -> {:error, {:bad_thread_sets, {:missing, key}}}
      found -> found
    end
  end
end
