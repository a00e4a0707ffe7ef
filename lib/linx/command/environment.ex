defmodule Linx.Command.Environment do
  @moduledoc """
  The environment of a command: the BEAM's as it is now, with changes.

      iex> current = %{"HOME" => "/root", "LANG" => "C", "TOKEN" => "secret"}
      iex> Linx.Command.Environment.merge(current, [{"LANG", "de_DE"}, {"TOKEN", nil}])
      ["HOME=/root", "LANG=de_DE"]

  An agent's own environment is what the BEAM's was when the agent started, so a command is always
  told all of it.
  """

  @doc """
  The variables as `"NAME=VALUE"`.

  `changes` is an enumerable of `{name, value}`. A value of `nil` takes the variable away, and so does
  `""`, because that is what it does in `System.cmd/3`. The last change of a name counts.
  """
  @spec merge(%{String.t() => String.t()}, Enumerable.t()) :: [String.t()]
  def merge(current, changes) do
    changed = Enum.reduce(changes, current, &change/2)
    # What a BEAM was given may be no variable; a program could not read it.
    for {name, value} <- changed, name != "", do: name <> "=" <> value
  end

  defp change({name, none}, env) when is_binary(name) and none in [nil, ""],
    do: Map.delete(env, checked(name, ""))

  defp change({name, value}, env) when is_binary(name) and is_binary(value),
    do: Map.put(env, checked(name, value), value)

  defp change(other, _env), do: invalid(other)

  defp checked(name, value) do
    if name?(name) and not String.contains?(value, "\0"), do: name, else: invalid({name, value})
  end

  defp name?(name), do: name != "" and not String.contains?(name, ["=", "\0"])

  defp invalid(entry),
    do: raise(ArgumentError, "invalid environment key-value #{inspect(entry)}")
end
