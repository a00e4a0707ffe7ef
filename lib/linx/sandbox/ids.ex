defmodule Linx.Sandbox.Ids do
  @moduledoc """
  Who the workload is: its user and groups, and what they are outside of its user namespace.

      iex> ids = %{Linx.Sandbox.Ids.new() | user: 0}
      iex> context = %{mode: :spawn, namespaces: [:user], uid: 1000, gid: 100}
      iex> Linx.Sandbox.Ids.request(ids, context)
      {:ok, %{uid: 0, gid: 0, uid_map: [{0, 1000, 1}], gid_map: [{0, 100, 1}]}}

  Where there is a fresh user namespace and no map was named, it gets one that never holds uid 0 of
  the host:

    * an agent of an ordinary user maps that user's own ids, to those that are wanted inside;
    * an agent of root maps 0..65535 inside to a range that belongs to nobody: the application's
      setting `config :linx, :subordinate_ids, {100_000, 65_536}`, first id and count.

  A workload whose id no map holds would go on as the agent's user under another name, with that
  user's rights to files. So it becomes root inside then, or the first id that there is.

  In another's namespaces that are entered the maps are there already, and only user and groups
  count.
  """

  @behaviour Linx.Sandbox.Part

  alias Linx.Process.Options.Values
  alias Linx.Sandbox.Accounts
  alias Linx.User.IdMap

  @default_subordinate {100_000, 65_536}
  @fields [:user, :group, :groups, :uid_map, :gid_map, :setgroups]

  defstruct @fields

  @type t :: %__MODULE__{
          user: term,
          group: term,
          groups: term,
          uid_map: term,
          gid_map: term,
          setgroups: term
        }

  @impl true
  def new, do: %__MODULE__{}

  @impl true
  def namespaces(%__MODULE__{uid_map: nil, gid_map: nil, setgroups: nil}), do: []
  def namespaces(_ids), do: [:user]

  @impl true
  def request(%__MODULE__{} = ids, context) do
    with {:ok, uid, primary} <- user(ids.user, ids.group),
         {:ok, gid} <- group(:group, ids.group, primary),
         {:ok, groups} <- groups(ids.groups),
         wanted = %{uid: uid, gid: gid, groups: groups},
         {:ok, keys} <- mapped(ids, wanted, context) do
      {:ok, for({key, value} <- keys, value != nil, into: %{}, do: {key, value})}
    end
  end

  @doc "The ids outside that a sandbox of root is given."
  @spec subordinate() ::
          {:ok, {first :: pos_integer, count :: pos_integer}} | Linx.Sandbox.Part.error()
  def subordinate do
    setting = Application.get_env(:linx, :subordinate_ids, @default_subordinate)

    with {first, count} <- setting,
         true <- is_integer(first) and first > 0,
         {:ok, _text} <- IdMap.encode([{0, first, count}]) do
      {:ok, setting}
    else
      _ -> bad(:subordinate_ids, setting)
    end
  end

  # The uid, and the group that goes with it where none was named.
  defp user(nil, _group), do: {:ok, nil, nil}

  defp user(user, group) when is_integer(user) do
    cond do
      not Values.id?(user) -> bad(:user, user)
      group != nil -> {:ok, user, nil}
      true -> {:ok, user, primary(user)}
    end
  end

  defp user(name, _group) do
    with true <- is_binary(name),
         {:ok, uid, gid} <- Accounts.find_user(Accounts.text(:passwd), name) do
      {:ok, uid, gid}
    else
      _ -> bad(:user, name)
    end
  end

  # Whoever gives up a uid gives up the gid, too.
  defp primary(uid) do
    case Accounts.find_user(Accounts.text(:passwd), uid) do
      {:ok, _uid, gid} -> gid
      :error -> uid
    end
  end

  defp group(_what, nil, primary), do: {:ok, primary}

  defp group(what, group, _primary) do
    cond do
      Values.id?(group) ->
        {:ok, group}

      not is_binary(group) ->
        bad(what, group)

      true ->
        with(:error <- Accounts.find_group(Accounts.text(:group), group), do: bad(what, group))
    end
  end

  defp groups(nil), do: {:ok, nil}

  defp groups(list) do
    with true <- is_list(list) and not List.improper?(list),
         {:ok, ids} <- each_group(list, []),
         true <- Values.groups?(ids) do
      {:ok, ids}
    else
      false -> bad(:groups, list)
      error -> error
    end
  end

  defp each_group([], ids), do: {:ok, Enum.reverse(ids)}
  defp each_group([nil | _], _ids), do: bad(:groups, nil)

  defp each_group([group | rest], ids) do
    with {:ok, id} <- group(:groups, group, nil), do: each_group(rest, [id | ids])
  end

  defp mapped(ids, wanted, %{mode: :spawn} = context) do
    if :user in context.namespaces, do: with_maps(ids, wanted, context), else: {:ok, wanted}
  end

  defp mapped(_ids, wanted, _context), do: {:ok, wanted}

  defp with_maps(ids, wanted, context) do
    with {:ok, all} <- subordinate(),
         {:ok, uid_map} <-
           map(:uid_map, ids.uid_map, own_map(wanted.uid, context.uid, all, context)),
         {:ok, gid_map} <-
           map(:gid_map, ids.gid_map, own_map(wanted.gid, context.gid, all, context)),
         {:ok, setgroups} <- setgroups(ids.setgroups) do
      {:ok,
       Map.merge(wanted, %{
         uid: wanted.uid || replacement(uid_map, context.uid),
         gid: wanted.gid || replacement(gid_map, context.gid),
         uid_map: uid_map,
         gid_map: gid_map,
         setgroups: setgroups
       })}
    end
  end

  defp own_map(_wanted, _own, {first, count}, %{uid: 0}), do: [{0, first, count}]
  defp own_map(wanted, own, _all, _context), do: [{wanted || own, own, 1}]

  defp map(_what, nil, automatic), do: {:ok, automatic}

  defp map(what, map, _automatic) do
    case IdMap.encode(map) do
      {:ok, _text} -> {:ok, map}
      {:error, _} -> bad(what, map)
    end
  end

  defp setgroups(word) when word in [nil, :allow, :deny], do: {:ok, word}
  defp setgroups(other), do: bad(:setgroups, other)

  # For the agent's own id, where the map leaves it out.
  defp replacement(map, own) do
    cond do
      Enum.any?(map, fn {_, outside, count} -> own in outside..(outside + count - 1) end) -> nil
      Enum.any?(map, fn {inside, _, _} -> inside == 0 end) -> 0
      true -> map |> hd() |> elem(0)
    end
  end

  defp bad(what, value), do: {:error, {:bad_sandbox, {what, value}}}
end
