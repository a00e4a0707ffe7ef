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
  The BEAM's environment as it is now, byte for byte.

  `System.get_env/0` does not do: it answers strings, and not every environment is made of those.
  """
  @spec current() :: %{binary => binary}
  def current do
    encoding = :file.native_name_encoding()

    for {name, value} <- :os.env(), into: %{} do
      name = bytes(name, encoding)
      {name, inherited(name, value, encoding)}
    end
  end

  @doc """
  The bytes that the BEAM reads as these characters, in names of files and in the environment.

      iex> Linx.Command.Environment.bytes(~c"gr\u00fcn", :utf8)
      <<"gr", 0xC3, 0xBC, "n">>
      iex> Linx.Command.Environment.bytes(~c"gr\u00fcn", :latin1)
      <<"gr", 0xFC, "n">>
  """
  @spec bytes(charlist, :latin1 | :utf8) :: binary
  def bytes(chars, :latin1), do: :erlang.list_to_binary(chars)
  def bytes(chars, :utf8), do: :unicode.characters_to_binary(chars)

  # What is not UTF-8 the BEAM shows as one character a byte, and so it does some of what is.
  defp inherited(name, chars, encoding) do
    bytes = bytes(chars, encoding)

    if encoding == :latin1 or byte_size(bytes) == length(chars) or Enum.any?(chars, &(&1 > 255)),
      do: bytes,
      else: as_at_start(name, :erlang.list_to_binary(chars)) || bytes
  end

  # Those bytes, if the BEAM was started with them.
  defp as_at_start(name, bytes) do
    with {:ok, environ} <- File.read("/proc/self/environ"),
         true <- (name <> "=" <> bytes) in :binary.split(environ, <<0>>, [:global]) do
      bytes
    else
      _ -> nil
    end
  end

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
