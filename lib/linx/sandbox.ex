defmodule Linx.Sandbox do
  @moduledoc """
  What a session is confined to, as data.

      sandbox = Linx.Sandbox.new()
      {:ok, session} = Linx.Process.spawn(argv: ["/bin/true"], sandbox: sandbox)

  A sandbox is built up by functions that take any value; whether the values are right is found
  out when a session is asked for, before anything of it exists.
  """

  alias Linx.Process.Options.Values
  alias Linx.Sandbox.Part

  @parts []

  @enforce_keys [:namespaces, :env, :parts]
  defstruct @enforce_keys

  @type t :: %__MODULE__{namespaces: [atom], env: map | nil, parts: %{module => struct}}

  @doc "A sandbox that confines nothing yet."
  @spec new() :: t
  def new, do: %__MODULE__{namespaces: [], env: nil, parts: Map.new(@parts, &{&1, &1.new()})}

  @doc "Fresh namespaces, besides those that what else is asked for needs."
  @spec namespaces(t, term) :: t
  def namespaces(%__MODULE__{} = sandbox, names), do: %{sandbox | namespaces: names}

  @doc """
  The whole environment, as a map, a list of pairs or of `"K=V"`; `nil` for the BEAM's. The option `:env`
  of a session counts more.
  """
  @spec env(t, term) :: t
  def env(%__MODULE__{} = sandbox, env), do: %{sandbox | env: env}

  @doc false
  @spec update(t, module, (struct -> struct)) :: t
  def update(%__MODULE__{} = sandbox, part, change),
    do: %{sandbox | parts: Map.update!(sandbox.parts, part, change)}

  @doc "The keys of a request that make this sandbox."
  @spec request(t, :spawn | :enter) :: {:ok, map} | Part.error()
  def request(%__MODULE__{} = sandbox, mode) do
    with {:ok, namespaces} <- all_namespaces(sandbox), {:ok, env} <- env(sandbox) do
      context = Map.merge(%{mode: mode, namespaces: namespaces}, user())
      first = put_env(%{namespaces: namespaces, fail_closed: true}, env)

      Enum.reduce_while(@parts, {:ok, first}, fn part, {:ok, request} ->
        case part.request(Map.fetch!(sandbox.parts, part), context) do
          {:ok, keys} -> {:cont, {:ok, Map.merge(request, keys)}}
          error -> {:halt, error}
        end
      end)
    end
  end

  defp env(%{env: nil}), do: {:ok, nil}

  defp env(%{env: env}) do
    with {:error, _} <- Values.env(env), do: {:error, {:bad_sandbox, {:env, env}}}
  end

  defp put_env(request, nil), do: request
  defp put_env(request, env), do: Map.put(request, :env, env)

  defp all_namespaces(%{namespaces: named, parts: parts}) do
    with true <- is_list(named) and not List.improper?(named),
         [] <- named -- Linx.Protocol.namespaces() do
      needed = for part <- @parts, name <- part.namespaces(Map.fetch!(parts, part)), do: name
      {:ok, Enum.filter(Linx.Protocol.namespaces(), &(&1 in named or &1 in needed))}
    else
      _ -> {:error, {:bad_sandbox, {:namespaces, named}}}
    end
  end

  # The agents run as the BEAM does.
  defp user do
    %File.Stat{uid: uid, gid: gid} = File.stat!("/proc/self")
    %{uid: uid, gid: gid}
  end
end
