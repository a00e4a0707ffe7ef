defmodule Linx.User.IdMap do
  @moduledoc """
  The text of `/proc/PID/uid_map` and `gid_map`, and the rules the kernel has for it.

      iex> Linx.User.IdMap.encode([{0, 100_000, 65_536}])
      {:ok, "0 100000 65536\\n"}

  A map is a list of ranges `{inside, outside, length}`: the ids `inside..inside+length-1` of the
  user namespace are the ids `outside..outside+length-1` of its parent. Ids lie in 0..4294967294
  (4294967295 means "no change" to the kernel and is never an id). Ranges must not overlap on
  either side, there may be 340 of them, and the text must be shorter than a page of 4096 bytes.
  """

  @type range :: {inside :: id, outside :: id, length :: pos_integer}
  @type t :: [range]
  @type id :: 0..4_294_967_294

  @id_count 4_294_967_295
  @max_ranges 340
  @page_size 4096

  @doc """
  The text of a map, as the kernel wants it written.

      iex> Linx.User.IdMap.encode([{0, -1, 1}])
      {:error, {:bad_map, {:bad_range, {0, -1, 1}}}}
      iex> Linx.User.IdMap.encode([{0, 1000, 10}, {5, 2000, 1}])
      {:error, {:bad_map, {:overlap, {0, 1000, 10}, {5, 2000, 1}}}}

  The reasons are `:empty`, `{:not_a_list, x}`, `{:bad_range, x}`, `{:overlap, range, range}`,
  `{:too_many, n}` and `:too_long`.
  """
  @spec encode(t) :: {:ok, String.t()} | {:error, {:bad_map, term}}
  def encode(map) do
    with :ok <- check_ranges(map, map, 0),
         :ok <- check_overlap(map, 0),
         :ok <- check_overlap(map, 1) do
      check_length(Enum.map_join(map, fn {i, o, n} -> "#{i} #{o} #{n}\n" end))
    end
  end

  defp check_ranges([], _map, 0), do: bad(:empty)
  defp check_ranges([], _map, n) when n > @max_ranges, do: bad({:too_many, n})
  defp check_ranges([], _map, _n), do: :ok

  defp check_ranges([{inside, outside, length} | rest], map, n)
       when is_integer(inside) and inside >= 0 and is_integer(outside) and outside >= 0 and
              is_integer(length) and length > 0 and inside + length <= @id_count and
              outside + length <= @id_count,
       do: check_ranges(rest, map, n + 1)

  defp check_ranges([range | _], _map, _n), do: bad({:bad_range, range})
  defp check_ranges(_other, map, _n), do: bad({:not_a_list, map})

  # Sorted by their first id, ranges overlap where one begins before its neighbour's end.
  defp check_overlap(map, side) do
    sorted = Enum.sort_by(map, &elem(&1, side))

    sorted
    |> Enum.zip(tl(sorted))
    |> Enum.find(fn {a, b} -> elem(a, side) + elem(a, 2) > elem(b, side) end)
    |> case do
      nil -> :ok
      {a, b} -> bad({:overlap, a, b})
    end
  end

  defp check_length(text) when byte_size(text) < @page_size, do: {:ok, text}
  defp check_length(_text), do: bad(:too_long)

  defp bad(reason), do: {:error, {:bad_map, reason}}

  @doc """
  The map that a text from the kernel says; an empty one where none has been written yet.

      iex> Linx.User.IdMap.decode("         0       1000          1\\n")
      {:ok, [{0, 1000, 1}]}
      iex> Linx.User.IdMap.decode("0 1000\\n")
      {:error, {:bad_map, {:bad_line, "0 1000"}}}
  """
  @spec decode(String.t()) :: {:ok, t} | {:error, {:bad_map, term}}
  def decode(text), do: text |> String.split("\n", trim: true) |> decode_lines([])

  defp decode_lines([], ranges), do: {:ok, Enum.reverse(ranges)}

  defp decode_lines([line | lines], ranges) do
    case line |> String.split() |> Enum.map(&Integer.parse/1) do
      [{i, ""}, {o, ""}, {n, ""}] -> decode_lines(lines, [{i, o, n} | ranges])
      _ -> bad({:bad_line, line})
    end
  end
end
