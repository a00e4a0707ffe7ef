defmodule Linx.User do
  @moduledoc """
  Gives a user namespace its id maps, from the host's side.

  A fresh user namespace maps no id: its processes see themselves as the overflow user (65534),
  and most of what their capabilities would allow fails. At the checkpoint of a session is the
  time to write the maps:

      {:ok, s} = Linx.Process.spawn(argv: ["/usr/bin/id"], namespaces: [:user])
      receive do {:linx_process, :ready, pid} ->
        :ok = Linx.User.setup_maps(pid, uid: [{0, 1000, 1}], gid: [{0, 1000, 1}])
      end
      :ok = Linx.Process.proceed(s)

  A map is a list of `{inside, outside, length}`. Each can be written once. Root may map what it
  likes. An ordinary user may map its own uid and its own gid (one range of length 1 each), and
  the gid only after `setgroups(2)` was denied to the namespace. A map whose outside side holds
  uid 0 of the host gives the namespace's owner root's rights to files, with or without
  capabilities.

  The functions take the host's pid, as `{:linx_process, :ready, pid}` brings it. All files of one
  call belong to one process: where the pid is given to another process meanwhile, the answer is
  `:esrch` and the stranger is not touched. What came before the call cannot be known here: pass a
  pid that is known to live, such as that of a session which waits at its checkpoint.
  """

  alias Linx.User.{Error, IdMap, Pinned}

  @type error :: {:error, {:bad_map, term} | {:bad_setup, term} | Error.t()}

  @setup_keys [:uid, :gid, :setgroups]

  @doc """
  Forbids `setgroups(2)` in the user namespace of a process, for good.
  """
  @spec deny_setgroups(pos_integer) :: :ok | {:error, Error.t()}
  def deny_setgroups(pid) when is_integer(pid) and pid > 0 do
    write(pid, [{"setgroups", "deny"}])
  end

  @doc """
  Writes the uid map of the user namespace of a process.
  """
  @spec set_uid_map(pos_integer, IdMap.t()) :: :ok | error
  def set_uid_map(pid, map) when is_integer(pid) and pid > 0 do
    with {:ok, text} <- IdMap.encode(map), do: write(pid, [{"uid_map", text}])
  end

  @doc """
  Writes the gid map of the user namespace of a process.
  """
  @spec set_gid_map(pos_integer, IdMap.t()) :: :ok | error
  def set_gid_map(pid, map) when is_integer(pid) and pid > 0 do
    with {:ok, text} <- IdMap.encode(map), do: write(pid, [{"gid_map", text}])
  end

  @doc """
  The uid map of the user namespace of a process, as this process's user namespace sees it; `[]`
  where none was written.
  """
  @spec read_uid_map(pos_integer) :: {:ok, IdMap.t()} | error
  def read_uid_map(pid) when is_integer(pid) and pid > 0, do: read(pid, "uid_map")

  @doc """
  The gid map of the user namespace of a process, as `read_uid_map/1`.
  """
  @spec read_gid_map(pos_integer) :: {:ok, IdMap.t()} | error
  def read_gid_map(pid) when is_integer(pid) and pid > 0, do: read(pid, "gid_map")

  @doc """
  Writes all that a user namespace needs, in the order that the kernel wants: setgroups, gid map,
  uid map.

    * `:uid` - uid map, required
    * `:gid` - gid map, required
    * `:setgroups` - `:deny` (default) forbids `setgroups(2)` first, which an ordinary user must;
      `:skip` leaves it as it is

  The maps are checked before anything is written. Errors: `{:bad_setup, {:missing, key}}`,
  `{:bad_setup, reason}`, `{:bad_map, reason}`, and a `Linx.User.Error` that names the file.
  """
  @spec setup_maps(pos_integer, uid: IdMap.t(), gid: IdMap.t(), setgroups: :deny | :skip) ::
          :ok | error
  def setup_maps(pid, setup) when is_integer(pid) and pid > 0 do
    with :ok <- check_setup(setup),
         {:ok, uid_map} <- setup |> Keyword.fetch!(:uid) |> IdMap.encode(),
         {:ok, gid_map} <- setup |> Keyword.fetch!(:gid) |> IdMap.encode() do
      maps = [{"gid_map", gid_map}, {"uid_map", uid_map}]

      case Keyword.get(setup, :setgroups, :deny) do
        :deny -> write(pid, [{"setgroups", "deny"} | maps])
        :skip -> write(pid, maps)
      end
    end
  end

  defp check_setup(setup) do
    cond do
      not Keyword.keyword?(setup) ->
        {:error, {:bad_setup, {:not_a_keyword_list, setup}}}

      missing = Enum.find([:uid, :gid], &(not Keyword.has_key?(setup, &1))) ->
        {:error, {:bad_setup, {:missing, missing}}}

      unknown = Enum.find(Keyword.keys(setup), &(&1 not in @setup_keys)) ->
        {:error, {:bad_setup, {:unknown, unknown}}}

      Keyword.get(setup, :setgroups, :deny) not in [:deny, :skip] ->
        {:error, {:bad_setup, {:bad_setgroups, setup[:setgroups]}}}

      true ->
        :ok
    end
  end

  defp write(pid, texts) do
    Pinned.with_files(pid, Enum.map(texts, &elem(&1, 0)), :write, fn pinned ->
      Enum.reduce_while(texts, :ok, fn {name, text}, :ok ->
        case Pinned.write(pinned, name, text) do
          :ok -> {:cont, :ok}
          error -> {:halt, error}
        end
      end)
    end)
  end

  defp read(pid, name) do
    with {:ok, text} <- Pinned.with_files(pid, [name], :read, &Pinned.read(&1, name)) do
      IdMap.decode(text)
    end
  end
end
