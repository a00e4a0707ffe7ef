defmodule Linx.Json do
  @moduledoc """
  Plain terms as JSON text, for what the Mix tasks print, and such text as terms.

      iex> Linx.Json.encode(%{b: [1, 2.5, nil], a: "x\\n"})
      ~S({"a":"x\\u000a","b":[1,2.5,null]})

  A byte that is not UTF-8 becomes U+FFFD, since JSON has no other way to say it.
  """

  @doc "Maps (keys sorted), lists, strings, numbers, booleans, `nil` and atoms as JSON."
  @spec encode(term) :: String.t()
  def encode(term), do: term |> value() |> IO.iodata_to_binary()

  @doc """
  JSON text as maps with strings for keys, lists, strings, numbers, booleans and `nil`.

      iex> Linx.Json.decode(~S({"names": ["read"], "value": 4294967295}))
      {:ok, %{"names" => ["read"], "value" => 4294967295}}
      iex> Linx.Json.decode("[1,]")
      {:error, {:bad_json, 3}}

  The error has the offset of the byte that cannot be there.
  """
  @spec decode(binary) :: {:ok, term} | {:error, {:bad_json, offset :: non_neg_integer}}
  defdelegate decode(text), to: Linx.Json.Decoder

  defp value(nil), do: "null"
  defp value(atom) when is_boolean(atom), do: Atom.to_string(atom)
  defp value(atom) when is_atom(atom), do: atom |> Atom.to_string() |> value()
  defp value(number) when is_integer(number), do: Integer.to_string(number)
  defp value(number) when is_float(number), do: :erlang.float_to_binary(number, [:short])
  defp value(text) when is_binary(text), do: [?", characters(text), ?"]
  defp value(list) when is_list(list), do: [?[, list |> Enum.map(&value/1) |> commas(), ?]]

  defp value(map) when is_map(map) do
    members = for {key, member} <- map, do: {to_string(key), member}
    pairs = for {key, member} <- Enum.sort(members), do: [value(key), ?:, value(member)]
    [?{, commas(pairs), ?}]
  end

  defp commas(items), do: Enum.intersperse(items, ?,)

  defp characters(<<c::utf8, rest::binary>>), do: [character(c) | characters(rest)]
  defp characters(<<_byte, rest::binary>>), do: ["\uFFFD" | characters(rest)]
  defp characters(<<>>), do: []

  defp character(?"), do: "\\\""
  defp character(?\\), do: "\\\\"

  defp character(c) when c < 0x20 do
    ["\\u", c |> Integer.to_string(16) |> String.downcase() |> String.pad_leading(4, "0")]
  end

  defp character(c), do: <<c::utf8>>
end
