defmodule Linx.Log do
  @moduledoc """
  The output of a program as messages of `Logger`, one a line.

  It is what the option `:log` of `Linx.Process.spawn/1`, `Linx.cmd/3` and `Linx.pipeline/2` asks for:

      children = [
        {Linx.Process,
         argv: ["/usr/sbin/daemon"], auto_proceed: true, log: [level: :debug, prefix: "daemon: "]}
      ]

  The option is a level, or a keyword list:

    * `:level` - level of `Logger`, default `:info`
    * `:stderr` - level of the lines of stderr, default that of `:level`
    * `:prefix` - string before each line, default `""`
    * `:metadata` - keyword list for each message, default `[]`; `:stream` is added, which is `:stdout`,
      `:stderr` or `:pty_out`
    * `:max_line` - bytes, 16 or more, default 4096. Of a line that is longer no more than that is
      kept: it becomes several messages, all but the last ending in `…`

  A program may write anything: bytes that are no UTF-8, and control characters, which could play
  tricks on a terminal, are logged as `\\xHH`.

  Lines are taken from the program only as fast as `Logger` takes them: where a handler keeps up only
  by slowing down who logs, that slows the program down in the end.
  """

  require Logger

  alias Linx.Command.Lines

  @opaque t :: %__MODULE__{
            level: Logger.level(),
            stderr: Logger.level(),
            prefix: String.t(),
            metadata: keyword,
            max_line: pos_integer,
            lines: %{term => Lines.t()}
          }

  @type stream :: :stdout | :stderr | :pty_out

  defstruct [:stderr, level: :info, prefix: "", metadata: [], max_line: 4096, lines: %{}]

  @levels [:emergency, :alert, :critical, :error, :warning, :warn, :notice, :info, :debug]
  @least_line 16

  @doc """
  A log with these options; `:error` where they are none.

      iex> {:ok, _log} = Linx.Log.new(:debug)
      iex> {:ok, _log} = Linx.Log.new(prefix: "daemon: ")
      iex> Linx.Log.new(level: :loud)
      :error
  """
  @spec new(term) :: {:ok, t} | :error
  def new(level) when is_atom(level), do: new(level: level)

  def new(options) do
    if Keyword.keyword?(options) and Enum.all?(options, &valid?/1) do
      log = struct!(%__MODULE__{}, options)
      {:ok, %{log | stderr: log.stderr || log.level}}
    else
      :error
    end
  end

  defp valid?({key, level}) when key in [:level, :stderr], do: level in @levels
  defp valid?({:prefix, prefix}), do: is_binary(prefix) and String.valid?(prefix)
  defp valid?({:metadata, metadata}), do: Keyword.keyword?(metadata)
  defp valid?({:max_line, bytes}), do: is_integer(bytes) and bytes >= @least_line
  defp valid?(_other), do: false

  @doc """
  Logs the lines that are complete with these bytes. Lines of different sources do not mix.
  """
  @spec put(t, stream | {source :: term, stream}, binary) :: t
  def put(%__MODULE__{} = log, source, bytes) do
    rest = Map.get_lazy(log.lines, source, fn -> Lines.new(log.max_line) end)
    {lines, rest} = Lines.push(rest, bytes)
    Enum.each(lines, &write(log, stream(source), &1))
    %{log | lines: Map.put(log.lines, source, rest)}
  end

  @doc "Logs what is left of each source: a last line that nothing ended."
  @spec flush(t) :: :ok
  def flush(%__MODULE__{} = log) do
    for {source, rest} <- log.lines,
        line <- Lines.flush(rest),
        do: write(log, stream(source), line)

    :ok
  end

  defp stream({_source, stream}), do: stream
  defp stream(stream), do: stream

  defp write(log, stream, {:cut, piece}), do: write(log, stream, piece, "…")
  defp write(log, stream, line), do: write(log, stream, String.trim_trailing(line, "\r"), "")

  defp write(log, stream, line, mark) do
    level = if stream == :stderr, do: log.stderr, else: log.level
    metadata = Keyword.put(log.metadata, :stream, stream)
    Logger.bare_log(level, log.prefix <> clean(line, "") <> mark, metadata)
  end

  defguardp is_harmless(char) when char == ?\t or (char >= 0x20 and char not in 0x7F..0x9F)

  defp clean(<<char::utf8, rest::binary>>, done) when is_harmless(char),
    do: clean(rest, <<done::binary, char::utf8>>)

  defp clean(<<byte, rest::binary>>, done),
    do: clean(rest, <<done::binary, "\\x", Base.encode16(<<byte>>)::binary>>)

  defp clean("", done), do: done
end
