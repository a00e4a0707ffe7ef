defmodule Linx.Command.Lines do
  @moduledoc """
  Cuts a stream of chunks into lines.

      iex> alias Linx.Command.Lines
      iex> {lines, rest} = Lines.push(Lines.new(), "one\\ntwo\\nth")
      iex> lines
      ["one", "two"]
      iex> {lines, rest} = Lines.push(rest, "ree\\nfour")
      iex> {lines, Lines.flush(rest)}
      {["three"], ["four"]}

  With a limit, what is longer comes in pieces that say so, and no more than one piece is kept:

      iex> alias Linx.Command.Lines
      iex> {pieces, rest} = Lines.push(Lines.new(4), "a line\\nab\\n")
      iex> {pieces, Lines.flush(rest)}
      {[{:cut, "a li"}, "ne", "ab"], []}
  """

  @enforce_keys [:limit]
  defstruct [:limit, size: 0, parts: []]

  @opaque t :: %__MODULE__{
            limit: pos_integer | :infinity,
            size: non_neg_integer,
            parts: [binary]
          }

  @typedoc "A line without its newline, or a piece of one that is too long for the limit."
  @type line :: binary | {:cut, binary}

  @doc "Nothing yet. `limit` is the longest line, in bytes."
  @spec new(pos_integer | :infinity) :: t
  def new(limit \\ :infinity), do: %__MODULE__{limit: limit}

  @doc "Takes a chunk; answers the lines that are complete with it."
  @spec push(t, binary) :: {[line], t}
  def push(%__MODULE__{} = rest, chunk) do
    [first | others] = :binary.split(chunk, "\n", [:global])
    {lines, rest} = add(rest, first, [])
    next(others, lines, rest)
  end

  defp next([], lines, rest), do: {Enum.reverse(lines), rest}
  defp next(others, lines, rest), do: whole(others, [joined(rest) | lines], new(rest.limit))

  # Most lines lie in one chunk.
  defp whole([line, _ | _] = [_ | others], lines, none) when byte_size(line) <= none.limit,
    do: whole(others, [line | lines], none)

  defp whole([bytes | others], lines, none) do
    {lines, rest} = add(none, bytes, lines)
    next(others, lines, rest)
  end

  @doc "The last line, where no newline ended it."
  @spec flush(t) :: [binary]
  def flush(%__MODULE__{size: 0}), do: []
  def flush(rest), do: [joined(rest)]

  # Kept as parts: a line that comes in many chunks is copied once.
  defp add(%{limit: limit, size: size} = rest, bytes, lines)
       when size + byte_size(bytes) > limit do
    at = boundary(bytes, limit - size, size)
    <<head::binary-size(at), tail::binary>> = bytes
    add(%{rest | size: 0, parts: []}, tail, [{:cut, joined(rest, head)} | lines])
  end

  defp add(rest, "", lines), do: {lines, rest}

  defp add(rest, bytes, lines),
    do: {lines, %{rest | size: rest.size + byte_size(bytes), parts: [bytes | rest.parts]}}

  # Not within a character of UTF-8, unless that came in two chunks.
  defp boundary(bytes, at, size) do
    least = max(at - 3, if(size == 0, do: 1, else: 0))

    Enum.find(
      at..least//-1,
      at,
      &(not match?(<<_::binary-size(&1), 2::2, _::6, _::binary>>, bytes))
    )
  end

  defp joined(%{parts: parts}, last \\ ""),
    do: [last | parts] |> Enum.reverse() |> IO.iodata_to_binary()
end
