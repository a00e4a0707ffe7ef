defmodule Linx.Seccomp.Oci.Fields do
  @moduledoc """
  The fields of a profile: taken by their names, with errors that say where in the profile they stand.
  """

  @type error :: {:error, {:bad_profile, {path :: String.t(), value :: term}}}

  @doc "The error that names a place in a profile and what stands there."
  @spec bad(String.t(), term) :: error
  def bad(path, value), do: {:error, {:bad_profile, {path, value}}}

  @doc "The path of a key below a path."
  @spec join(String.t(), String.t()) :: String.t()
  def join("", key), do: key
  def join(path, key), do: path <> "." <> key

  @doc "Whether a term is a map of these keys: what is not understood is not passed over."
  @spec known_keys(term, String.t(), [String.t()]) :: :ok | error
  def known_keys(map, path, keys) when is_map(map) do
    case Enum.find(map, fn {key, _value} -> key not in keys end) do
      nil -> :ok
      {key, value} -> bad(if(is_binary(key), do: join(path, key), else: path), value)
    end
  end

  def known_keys(other, path, _keys), do: bad(path, other)

  @doc "A key's value, which has to fit."
  @spec required(map, String.t(), String.t(), (term -> boolean)) :: {:ok, term} | error
  def required(map, path, key, fits?) do
    value = Map.get(map, key)
    if fits?.(value), do: {:ok, value}, else: bad(join(path, key), value)
  end

  @doc "A key's value, or the default where it is not there or null."
  @spec optional(map, String.t(), String.t(), (term -> boolean), term) :: {:ok, term} | error
  def optional(map, path, key, fits?, default) do
    if Map.get(map, key) == nil, do: {:ok, default}, else: required(map, path, key, fits?)
  end

  @doc "What a function makes of each element, which it gets with its path, or its first error."
  @spec each([term], String.t(), (term, String.t() -> {:ok, term} | error)) ::
          {:ok, [term]} | error
  def each(list, path, function) do
    list
    |> Enum.with_index()
    |> Enum.reduce_while({:ok, []}, fn {element, index}, {:ok, sofar} ->
      case function.(element, "#{path}[#{index}]") do
        {:ok, made} -> {:cont, {:ok, [made | sofar]}}
        error -> {:halt, error}
      end
    end)
    |> case do
      {:ok, made} -> {:ok, Enum.reverse(made)}
      error -> error
    end
  end
end
