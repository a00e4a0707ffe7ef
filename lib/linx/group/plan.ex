defmodule Linx.Group.Plan do
  @moduledoc """
  Who is in a group, who is linked to whom, and at which fd.

      iex> alias Linx.Group.{Plan, Role}
      iex> {:ok, web} = Role.new(:web, argv: ["/bin/true"], instances: 2, links: [:log])
      iex> {:ok, log} = Role.new(:log, argv: ["/bin/true"])
      iex> {:ok, plan} = Plan.new([web, log])
      iex> plan[3]
      %Plan{id: 3, role: :log, number: 1, links: [{1, 4}, {2, 5}]}
      iex> Plan.variable(plan, 3)
      "LINX_GROUP=role=log number=1 id=3 channel=3 link=web/1/1/4 link=web/2/2/5"

  Instances are numbered from 1 within their role, and have ids from 1 in the order of the roles. The channel
  is fd 3, the links follow in the order of their peers' ids, so that the same group always has the same fds.
  """

  alias Linx.Group.Role

  @channel 3
  # Of a session.
  @max_fds 64

  @type id :: pos_integer
  @type t :: %__MODULE__{
          id: id,
          role: atom,
          number: pos_integer,
          links: [{peer :: id, fd :: pos_integer}]
        }

  @enforce_keys [:id, :role, :number]
  defstruct [:id, :role, :number, links: []]

  @doc "The instances of these roles by their ids."
  @spec new([Role.t()]) ::
          {:ok, %{id => t}}
          | {:error, {:bad_role, atom, {:bad_links, term} | :too_many_fds | {:bad_fds, term}}}
  def new(roles) do
    names = Enum.map(roles, & &1.name)

    with nil <- Enum.find_value(roles, &unknown_link(&1, names)) do
      instances = instances(roles)
      plan = Map.new(instances, &{&1.id, %{&1 | links: links(&1, instances, roles)}})
      check(roles, plan)
    end
  end

  defp unknown_link(%{links: :all}, _names), do: nil

  defp unknown_link(role, names) do
    if unknown = Enum.find(role.links, &(&1 not in names)),
      do: {:error, {:bad_role, role.name, {:bad_links, unknown}}}
  end

  defp instances(roles) do
    members = for role <- roles, number <- 1..role.instances, do: {role.name, number}

    for {{role, number}, id} <- Enum.with_index(members, 1),
        do: %__MODULE__{id: id, role: role, number: number}
  end

  defp links(instance, instances, roles) do
    peers =
      for peer <- instances, peer.id != instance.id, linked?(instance, peer, roles), do: peer

    for {peer, fd} <- Enum.with_index(peers, @channel + 1), do: {peer.id, fd}
  end

  # Either may have asked.
  defp linked?(a, b, roles), do: asks?(a, b, roles) or asks?(b, a, roles)

  defp asks?(instance, peer, roles) do
    case Enum.find(roles, &(&1.name == instance.role)).links do
      :all -> peer.role != instance.role
      names -> peer.role in names
    end
  end

  # A role's instances have the same fds of their own, but not the same number of links.
  defp check(roles, plan) do
    Enum.find_value(roles, {:ok, plan}, fn role ->
      links = for {_id, %{role: name} = one} <- plan, name == role.name, do: length(one.links)
      taken = @channel + Enum.max(links)
      own = Map.get(role.options.request, :fds, [])

      cond do
        Enum.max(links) + 1 + length(own) > @max_fds ->
          {:error, {:bad_role, role.name, :too_many_fds}}

        fd = Enum.find(own, fn {fd, _directive} -> fd <= taken end) ->
          {:error, {:bad_role, role.name, {:bad_fds, fd}}}

        true ->
          nil
      end
    end)
  end

  @doc "The fd of the channel, which each instance has."
  @spec channel() :: pos_integer
  def channel, do: @channel

  @doc "The environment variable that tells an instance who it is and what it has."
  @spec variable(%{id => t}, id) :: String.t()
  def variable(plan, id) do
    %{role: role, number: number, links: links} = plan[id]

    links =
      for {peer, fd} <- links,
          do: " link=#{plan[peer].role}/#{plan[peer].number}/#{peer}/#{fd}"

    "LINX_GROUP=role=#{role} number=#{number} id=#{id} channel=#{@channel}#{links}"
  end
end
