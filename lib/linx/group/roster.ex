defmodule Linx.Group.Roster do
  @moduledoc """
  The members of a group by their ids, and how to find one.

      iex> alias Linx.Group.{Member, Roster}
      iex> {:ok, options} = Linx.Group.Options.validate(roles: [web: [argv: ["/bin/true"], instances: 2]])
      iex> members = Map.new(options.plan, fn {id, plan} -> {id, %Member{plan: plan}} end)
      iex> Roster.channels(members, :web)
      {:ok, [{1, nil}, {2, nil}]}
      iex> Roster.channels(members, {:web, 2})
      {:error, :closed}
      iex> Roster.channels(members, {:web, 3})
      {:error, :no_instance}
  """

  alias Linx.Group.{Machine, Member}

  @type t :: %{Machine.id() => Member.t()}

  @doc "The channel of an instance, or those of a role by number, `nil` where one has none now."
  @spec channels(t, Linx.Group.to()) ::
          {:ok, [{pos_integer, pid | nil}]} | {:error, :no_instance | :closed}
  def channels(members, {role, number}) do
    case channels(members, role) do
      {:ok, channels} ->
        case List.keyfind(channels, number, 0) do
          nil -> {:error, :no_instance}
          {_number, nil} -> {:error, :closed}
          found -> {:ok, [found]}
        end

      none ->
        none
    end
  end

  def channels(members, role) do
    case for {_id, %{plan: %{role: ^role} = plan} = one} <- members,
             do: {plan.number, one.channel} do
      [] -> {:error, :no_instance}
      channels -> {:ok, Enum.sort(channels)}
    end
  end

  @doc "Whose session or channel this is."
  @spec find(t, pid) :: Member.t() | nil
  def find(members, pid) do
    Enum.find_value(members, fn {_id, one} -> if pid in [one.channel, one.session], do: one end)
  end

  @doc "What `Linx.Group.instances/1` answers."
  @spec list(t, %{Machine.id() => atom}) :: [map]
  def list(members, states) do
    for {id, %{plan: plan, host_pid: host_pid}} <- Enum.sort_by(members, &elem(&1, 0)) do
      %{
        role: plan.role,
        number: plan.number,
        id: id,
        state: states[id],
        host_pid: host_pid
      }
    end
  end
end
