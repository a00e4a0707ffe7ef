defmodule Linx.Json.Decoder do
  @moduledoc """
  JSON text as plain terms, strictly by RFC 8259; see `Linx.Json.decode/1`.

  A text is refused that two readers might understand differently: with a name twice in one object,
  or with half of a pair of surrogates.
  """

  # What nests deeper was not written by anybody who wanted it read.
  @max_depth 100
  # So many digits are exact; longer ones would only cost time.
  @max_number 400

  @doc false
  @spec decode(binary) :: {:ok, term} | {:error, {:bad_json, offset :: non_neg_integer}}
  def decode(text) do
    with {:ok, term, rest} <- text |> skip() |> value(0),
         "" <- skip(rest) do
      {:ok, term}
    else
      {:error, rest} -> {:error, {:bad_json, byte_size(text) - byte_size(rest)}}
      rest -> {:error, {:bad_json, byte_size(text) - byte_size(rest)}}
    end
  end

  defp skip(<<c, rest::binary>>) when c in [?\s, ?\t, ?\n, ?\r], do: skip(rest)
  defp skip(rest), do: rest

  defp value(rest, depth) when depth > @max_depth, do: {:error, rest}
  defp value("null" <> rest, _depth), do: {:ok, nil, rest}
  defp value("true" <> rest, _depth), do: {:ok, true, rest}
  defp value("false" <> rest, _depth), do: {:ok, false, rest}
  defp value("\"" <> rest, _depth), do: string(rest, [])

  defp value("[" <> rest, depth) do
    case skip(rest) do
      "]" <> rest -> {:ok, [], rest}
      rest -> elements(rest, depth + 1, [])
    end
  end

  defp value("{" <> rest, depth) do
    case skip(rest) do
      "}" <> rest -> {:ok, %{}, rest}
      rest -> members(rest, depth + 1, %{})
    end
  end

  defp value(rest, _depth), do: number(rest)

  defp elements(rest, depth, sofar) do
    with {:ok, element, rest} <- value(rest, depth) do
      case skip(rest) do
        "," <> rest -> rest |> skip() |> elements(depth, [element | sofar])
        "]" <> rest -> {:ok, Enum.reverse([element | sofar]), rest}
        rest -> {:error, rest}
      end
    end
  end

  defp members("\"" <> name = start, depth, sofar) do
    with {:ok, name, rest} <- string(name, []),
         {:new, false} <- {:new, is_map_key(sofar, name)},
         ":" <> rest <- skip(rest),
         {:ok, member, rest} <- rest |> skip() |> value(depth) do
      sofar = Map.put(sofar, name, member)

      case skip(rest) do
        "," <> rest -> rest |> skip() |> members(depth, sofar)
        "}" <> rest -> {:ok, sofar, rest}
        rest -> {:error, rest}
      end
    else
      {:new, true} -> {:error, start}
      {:error, rest} -> {:error, rest}
      rest -> {:error, rest}
    end
  end

  defp members(rest, _depth, _sofar), do: {:error, rest}

  defp string("\"" <> rest, sofar), do: {:ok, sofar |> Enum.reverse() |> List.to_string(), rest}

  defp string("\\" <> rest, sofar) do
    case escaped(rest) do
      {:ok, character, rest} -> string(rest, [character | sofar])
      :error -> {:error, rest}
    end
  end

  defp string(<<c::utf8, rest::binary>>, sofar) when c >= 0x20, do: string(rest, [c | sofar])
  defp string(rest, _sofar), do: {:error, rest}

  @escapes [{?", ?"}, {?\\, ?\\}, {?/, ?/}, {?b, ?\b}, {?f, ?\f}, {?n, ?\n}, {?r, ?\r}, {?t, ?\t}]

  for {letter, character} <- @escapes do
    defp escaped(<<unquote(letter), rest::binary>>), do: {:ok, unquote(character), rest}
  end

  defp escaped(<<"u", digits::binary-size(4), rest::binary>>) do
    case {unit(digits), rest} do
      {high, <<"\\u", digits::binary-size(4), rest::binary>>} when high in 0xD800..0xDBFF ->
        pair(high, unit(digits), rest)

      {unit, rest} when is_integer(unit) and unit not in 0xD800..0xDFFF ->
        {:ok, unit, rest}

      _ ->
        :error
    end
  end

  defp escaped(_rest), do: :error

  defp pair(high, low, rest) when low in 0xDC00..0xDFFF,
    do: {:ok, 0x10000 + (high - 0xD800) * 0x400 + low - 0xDC00, rest}

  defp pair(_high, _low, _rest), do: :error

  defp unit(digits) do
    case Base.decode16(digits, case: :mixed) do
      {:ok, <<unit::16>>} -> unit
      :error -> nil
    end
  end

  @number ~r/\A-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/

  defp number(rest) do
    case Regex.run(@number, rest) do
      [digits | _] when byte_size(digits) > @max_number -> {:error, rest}
      [digits] -> {:ok, String.to_integer(digits), after_digits(rest, digits)}
      [digits | _] -> float(rest, digits)
      nil -> {:error, rest}
    end
  end

  # A number that is larger than a float can be is an error of Float.parse/1, or raises there.
  defp float(rest, digits) do
    case Float.parse(digits) do
      {number, ""} -> {:ok, number, after_digits(rest, digits)}
      _ -> {:error, rest}
    end
  rescue
    ArgumentError -> {:error, rest}
  end

  defp after_digits(rest, digits),
    do: binary_part(rest, byte_size(digits), byte_size(rest) - byte_size(digits))
end
