defmodule Linx.Sandbox.Privileges do
  @moduledoc """
  What the workload may do to the kernel: capabilities, securebits, system call filters, and whether
  an exec may give it more.

      iex> alias Linx.Sandbox.Privileges
      iex> context = %{mode: :spawn, namespaces: [:user], uid: 0, gid: 0}
      iex> privileges = %{Privileges.new() | capabilities: {:keep, [:cap_net_bind_service]}}
      iex> {:ok, request} = Privileges.request(privileges, context)
      iex> request.no_new_privs
      true
      iex> request.capabilities
      %{ambient: 1024, bounding: 1024, effective: 1024, inheritable: 1024, permitted: 1024}

  Unless it is told otherwise a workload in a sandbox has no capability, cannot get one, and no exec
  of a set-uid program gives it any privilege. What is kept is in all five sets: so a workload that is
  not uid 0 still has it after its exec, and one that is has that and no more.

  Taking capabilities out of the bounding set needs CAP_SETPCAP. A sandbox that is spawned by a BEAM
  without it gets a user namespace; who enters another's namespaces has it in a user namespace among them.
  """

  @behaviour Linx.Sandbox.Part

  alias Linx.Capabilities.Constants
  alias Linx.Sandbox.Host
  alias Linx.Seccomp
  alias Linx.Seccomp.Filter

  @sets [:effective, :permitted, :inheritable, :bounding, :ambient]
  @securebits Linx.Protocol.names().securebit
  @max_filters 16
  @max_program 4096 * 8

  @enforce_keys [:capabilities, :securebits, :seccomp, :no_new_privs]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          capabilities: term,
          securebits: term,
          seccomp: term,
          no_new_privs: term
        }

  @impl true
  def new,
    do: %__MODULE__{capabilities: :none, securebits: [], seccomp: [], no_new_privs: true}

  # Who lacks CAP_SETPCAP has it in a user namespace of his own.
  @impl true
  def namespaces(%__MODULE__{} = wanted) do
    if drops_bounding?(wanted.capabilities) and :cap_setpcap not in Host.self().capabilities,
      do: [:user],
      else: []
  end

  defp drops_bounding?(sets) when is_list(sets), do: List.keymember?(sets, :bounding, 0)
  defp drops_bounding?(_all), do: true

  @impl true
  def request(%__MODULE__{} = wanted, _context) do
    with {:ok, capabilities} <- capabilities(wanted.capabilities),
         {:ok, securebits} <- securebits(wanted.securebits),
         {:ok, filters} <- filters(wanted.seccomp),
         {:ok, no_new_privs} <- no_new_privs(wanted.no_new_privs) do
      keys = [
        {:capabilities, capabilities, %{}},
        {:securebits, securebits, []},
        {:seccomp, filters, []},
        {:no_new_privs, no_new_privs, false}
      ]

      {:ok, for({key, value, unsaid} <- keys, value != unsaid, into: %{}, do: {key, value})}
    end
  end

  defp capabilities(:none), do: {:ok, Map.new(@sets, &{&1, 0})}

  defp capabilities({:keep, names} = wanted) do
    with {:ok, mask} <- mask(names, wanted), do: {:ok, Map.new(@sets, &{&1, mask})}
  end

  defp capabilities(sets) do
    with true <- Keyword.keyword?(sets),
         names = Keyword.keys(sets),
         true <- names -- @sets == [] and Enum.uniq(names) == names do
      masks(sets, sets, %{})
    else
      false -> bad(:capabilities, sets)
    end
  end

  defp masks([], _wanted, masks), do: {:ok, masks}

  defp masks([{set, names} | rest], wanted, masks) do
    with {:ok, mask} <- mask(names, wanted), do: masks(rest, wanted, Map.put(masks, set, mask))
  end

  defp mask(names, wanted) do
    with {:error, _} <- Constants.to_bits(names), do: bad(:capabilities, wanted)
  end

  defp securebits(names) do
    if is_list(names) and not List.improper?(names) and names -- @securebits == [],
      do: {:ok, names},
      else: bad(:securebits, names)
  end

  defp filters(list) when is_list(list) do
    if not List.improper?(list) and length(list) <= @max_filters,
      do: compile(list, []),
      else: bad(:seccomp, list)
  end

  defp filters(one), do: compile([one], [])

  defp compile([], programs), do: {:ok, Enum.reverse(programs)}

  defp compile([filter | rest], programs) do
    case program(filter) do
      {:ok, program} -> compile(rest, [program | programs])
      {:error, reason} -> bad(:seccomp, reason)
    end
  end

  defp program(:default), do: with({:ok, filter} <- Seccomp.default(), do: program(filter))
  defp program(%Filter{} = filter), do: Seccomp.compile(filter)
  defp program({:bpf, program}) when is_binary(program), do: program(program)

  defp program(program)
       when is_binary(program) and byte_size(program) in 8..@max_program and
              rem(byte_size(program), 8) == 0,
       do: {:ok, program}

  defp program(other), do: {:error, other}

  defp no_new_privs(wanted) when is_boolean(wanted), do: {:ok, wanted}
  defp no_new_privs(other), do: bad(:no_new_privs, other)

  defp bad(what, value), do: {:error, {:bad_sandbox, {what, value}}}
end
