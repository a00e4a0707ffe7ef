defmodule Linx.Group.Options do
  @moduledoc """
  What `Linx.Group.start_link/1` was asked, checked as a whole before anything is started.

      iex> {:ok, options} = Linx.Group.Options.validate(roles: [web: [argv: ["/bin/true"]]])
      iex> {options.strategy, options.grace}
      {:one_for_all, 3000}
      iex> Linx.Group.Options.validate(roles: [web: [argv: ["/bin/true"], uid: -1]])
      {:error, {:bad_role, :web, {:bad_uid, -1}}}
  """

  alias Linx.Group.{Plan, Role}
  alias Linx.Process.Options.Reason

  @type reason ::
          {:bad_options | :bad_roles | :bad_role_name | :bad_strategy, term}
          | {:bad_max_restarts | :bad_max_seconds | :bad_drain | :bad_grace, term}
          | {:bad_owner | :bad_active, term}
          | {:unknown_option, term}
          | {:bad_role, atom,
             {:bad_instances | :bad_links | :bad_sends_fds, term} | :too_many_fds | Reason.t()}

  @type t :: %__MODULE__{
          roles: %{atom => Role.t()},
          plan: %{Plan.id() => Plan.t()},
          strategy: :one_for_all | :one_for_one,
          max_restarts: non_neg_integer,
          max_seconds: pos_integer,
          drain: non_neg_integer,
          grace: non_neg_integer,
          active: true | pos_integer,
          owner: pid | nil
        }

  @enforce_keys [:roles, :plan]
  defstruct [
    :roles,
    :plan,
    strategy: :one_for_all,
    max_restarts: 3,
    max_seconds: 5,
    drain: 1000,
    grace: 3000,
    active: true,
    owner: nil
  ]

  @max_ms 0xFFFFFFFF
  @expected %{
    bad_options: "a keyword list",
    bad_roles: "a keyword list of at least one role, each name once",
    bad_role_name: "an atom of a to z, 0 to 9 and _, a letter first, at most 64 of them",
    bad_strategy: ":one_for_all or :one_for_one",
    bad_max_restarts: "0 or more",
    bad_max_seconds: "1 or more",
    bad_drain: "milliseconds, 0..4294967295",
    bad_grace: "milliseconds, 0..4294967295",
    bad_owner: "a pid",
    bad_active: "true or 1..32767"
  }

  @doc "Checks the options of a group; any term may be asked about."
  @spec validate(term) :: {:ok, t} | {:error, reason}
  def validate(options) do
    with :ok <- keywords(options),
         {given, options} = Keyword.pop(options, :roles),
         {:ok, roles} <- roles(given),
         {:ok, plan} <- Plan.new(roles) do
      group = %__MODULE__{roles: Map.new(roles, &{&1.name, &1}), plan: plan}
      Enum.reduce_while(options, {:ok, group}, &put/2)
    end
  end

  defp keywords(options) do
    if is_list(options) and Keyword.keyword?(options),
      do: :ok,
      else: {:error, {:bad_options, options}}
  end

  defp roles([_ | _] = given) do
    if Keyword.keyword?(given) and Enum.uniq(Keyword.keys(given)) == Keyword.keys(given),
      do: each_role(given, []),
      else: {:error, {:bad_roles, given}}
  end

  defp roles(other), do: {:error, {:bad_roles, other}}

  defp each_role([], roles), do: {:ok, Enum.reverse(roles)}

  defp each_role([{name, options} | rest], roles) do
    with {:ok, role} <- Role.new(name, options), do: each_role(rest, [role | roles])
  end

  defp put({key, value}, {:ok, group}) do
    cond do
      not known?(key) -> {:halt, {:error, {:unknown_option, key}}}
      valid?(key, value) -> {:cont, {:ok, Map.put(group, key, value)}}
      true -> {:halt, {:error, {:"bad_#{key}", value}}}
    end
  end

  defp known?(key) do
    key in [:strategy, :max_restarts, :max_seconds, :drain, :grace, :active, :owner]
  end

  defp valid?(:strategy, value), do: value in [:one_for_all, :one_for_one]
  defp valid?(:max_restarts, value), do: is_integer(value) and value >= 0
  defp valid?(:max_seconds, value), do: is_integer(value) and value >= 1
  defp valid?(:active, value), do: value == true or (is_integer(value) and value in 1..32_767)
  defp valid?(:owner, value), do: is_pid(value)
  defp valid?(_milliseconds, value), do: is_integer(value) and value in 0..@max_ms

  @doc """
  A reason as a sentence.

      iex> Linx.Group.Options.message({:bad_strategy, :rest_for_one})
      "invalid option :strategy: :rest_for_one, expected :one_for_all or :one_for_one"
      iex> Linx.Group.Options.message({:bad_role, :web, {:bad_uid, -1}})
      "role :web: invalid option :uid: -1, expected 0..4294967294"
  """
  @spec message(reason) :: String.t()
  def message({:bad_role, name, reason}), do: "role #{inspect(name)}: #{of_role(reason)}"

  def message({:bad_options, value}),
    do: "invalid options: #{inspect(value)}, expected #{@expected.bad_options}"

  def message({:unknown_option, key}), do: "unknown option #{inspect(key)}"

  def message({:bad_role_name, name}),
    do: "invalid name of a role: #{inspect(name)}, expected #{@expected.bad_role_name}"

  def message({reason, value}) do
    "bad_" <> option = Atom.to_string(reason)
    "invalid option :#{option}: #{inspect(value)}, expected #{Map.fetch!(@expected, reason)}"
  end

  defp of_role({:bad_instances, value}),
    do: "invalid option :instances: #{inspect(value)}, expected 1..1000"

  defp of_role({:bad_links, value}),
    do: "invalid option :links: #{inspect(value)}, expected :all or a list of roles of the group"

  defp of_role({:bad_sends_fds, value}),
    do: "invalid option :sends_fds: #{inspect(value)}, expected true or false"

  defp of_role(:too_many_fds),
    do: "its channel, links and :fds are more than 64: link fewer instances to each"

  defp of_role({:bad_fds, {fd, directive}}) when is_integer(fd) and fd >= 3 do
    "invalid option :fds: #{inspect({fd, directive})}, expected a number above those of the " <>
      "channel and the links"
  end

  defp of_role(reason), do: Reason.message(reason)
end
