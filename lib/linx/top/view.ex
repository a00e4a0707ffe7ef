defmodule Linx.Top.View do
  @moduledoc """
  A sample of `Linx.Top` as text.

      iex> sample = %{node: :nonode@nohost, at: 0, silent: 0, sessions: []}
      iex> sample |> Linx.Top.View.lines(nil) |> hd()
      "nonode@nohost: no sessions"

  The busiest session comes first. The share of a CPU is that of the time between two samples; in a
  first one it is that of a session's whole life.
  """

  alias Linx.Top

  @columns [
    {"SESSION", :left},
    {"PID", :right},
    {"STATE", :left},
    {"AGE", :right},
    {"CPU%", :right},
    {"CPU", :right},
    {"MEM", :right},
    {"PROCS", :right},
    {"FDS", :right},
    {"IN", :right},
    {"OUT", :right},
    {"COMMAND", :left}
  ]

  @doc "The lines of a table; `previous` is the sample before, if there was one."
  @spec lines(Top.sample(), Top.sample() | nil) :: [String.t()]
  def lines(sample, previous) do
    shares = shares(sample, previous)

    cells =
      sample.sessions
      |> Enum.sort_by(&{-shares[&1.name], &1.name})
      |> Enum.map(&cells(&1, shares[&1.name]))

    [heading(sample, shares) | if(cells == [], do: [], else: table(cells))]
  end

  @doc "The same as one text."
  @spec text(Top.sample(), Top.sample() | nil) :: iodata
  def text(sample, previous), do: for(line <- lines(sample, previous), do: [line, "\n"])

  @doc """
  The same for a terminal of this size, over what was there before.
  """
  @spec screen(Top.sample(), Top.sample() | nil, {pos_integer, pos_integer}) :: iodata
  def screen(sample, previous, {rows, columns}) do
    shown = sample |> lines(previous) |> Enum.take(rows - 1)
    ["\e[H", for(line <- shown, do: [String.slice(line, 0, columns), "\e[K\r\n"]), "\e[J"]
  end

  defp heading(%{sessions: []} = sample, _shares),
    do: "#{sample.node}: no sessions#{silent(sample)}"

  defp heading(sample, shares) do
    stats = for %{stats: stats} when stats != nil <- sample.sessions, do: stats
    running = Enum.count(sample.sessions, &(&1.stage == :running))
    share = shares |> Map.values() |> Enum.sum()

    "#{sample.node}: #{count(length(sample.sessions), "session")}, #{running} running, " <>
      "#{count(sum(stats, :processes), "process")}, CPU #{percent(share)} %, " <>
      "memory #{bytes(sum(stats, :resident_bytes))}#{silent(sample)}"
  end

  defp count(1, word), do: "1 #{word}"
  defp count(count, "process"), do: "#{count} processes"
  defp count(count, word), do: "#{count} #{word}s"

  defp silent(%{silent: 0}), do: ""
  defp silent(%{silent: count}), do: ", without an answer: #{count}"

  defp sum(stats, field), do: stats |> Enum.map(&Map.fetch!(&1, field)) |> Enum.sum()

  defp shares(sample, previous) do
    before = for row <- (previous || %{sessions: []}).sessions, into: %{}, do: {row.name, row}
    elapsed = if previous, do: sample.at - previous.at
    for row <- sample.sessions, into: %{}, do: {row.name, share(row, before[row.name], elapsed)}
  end

  defp share(%{stats: nil}, _before, _elapsed), do: 0.0

  defp share(row, %{stats: %{cpu_us: cpu_us}}, elapsed) when elapsed > 0,
    do: max(row.stats.cpu_us - cpu_us, 0) / (10 * elapsed)

  defp share(row, _before, _elapsed), do: row.stats.cpu_us / (10 * max(row.age_ms, 1))

  defp cells(row, share) do
    state = if row.paused?, do: "paused", else: to_string(row.stage)

    [row.name, to_string(row.host_pid || "-"), state, age(row.age_ms)] ++
      numbers(row.stats, share) ++
      [printable(row.command || "-")]
  end

  defp numbers(nil, _share), do: List.duplicate("-", 7)

  defp numbers(stats, share) do
    [
      percent(share),
      age(div(stats.cpu_us, 1000)),
      bytes(stats.resident_bytes),
      to_string(stats.processes),
      to_string(stats.fds),
      bytes(stats.stdin_bytes + stats.pty_in_bytes),
      bytes(stats.stdout_bytes + stats.stderr_bytes + stats.pty_out_bytes)
    ]
  end

  defp percent(share), do: :erlang.float_to_binary(share / 1, decimals: 1)

  # A command line is what the workload says it is: it is not to move the cursor.
  defp printable(text) do
    text =
      if String.valid?(text), do: text, else: for(<<b <- text>>, b < 128, into: "", do: <<b>>)

    String.replace(text, ~r/[\p{C}\p{Zl}\p{Zp}]/u, "?")
  end

  @doc """
  A duration in milliseconds, for people.

      iex> Enum.map([0, 59_400, 61_000, 3_600_000, 90_000_000], &Linx.Top.View.age/1)
      ["0.0s", "59.4s", "1m01s", "1h00m", "1d01h"]
  """
  @spec age(non_neg_integer) :: String.t()
  def age(ms) when ms < 60_000, do: "#{:erlang.float_to_binary(ms / 1000, decimals: 1)}s"
  def age(ms) when ms < 3_600_000, do: pair(div(ms, 1000), 60, "m", "s")
  def age(ms) when ms < 86_400_000, do: pair(div(ms, 60_000), 60, "h", "m")
  def age(ms), do: pair(div(ms, 3_600_000), 24, "d", "h")

  defp pair(count, base, large, small) do
    rest = count |> rem(base) |> to_string() |> String.pad_leading(2, "0")
    "#{div(count, base)}#{large}#{rest}#{small}"
  end

  @doc """
  A number of bytes, for people.

      iex> Enum.map([0, 1023, 1024, 150_000, 5_000_000], &Linx.Top.View.bytes/1)
      ["0", "1023", "1.0K", "146K", "4.8M"]
  """
  @spec bytes(non_neg_integer) :: String.t()
  def bytes(count) when count < 1024, do: to_string(count)
  def bytes(count), do: scaled(count / 1024, ["K", "M", "G", "T"])

  defp scaled(count, [_unit | larger]) when count >= 1000 and larger != [],
    do: scaled(count / 1024, larger)

  defp scaled(count, [unit | _]) when count < 10,
    do: :erlang.float_to_binary(count, decimals: 1) <> unit

  defp scaled(count, [unit | _]), do: "#{round(count)}#{unit}"

  defp table(rows) do
    titles = for {title, _side} <- @columns, do: title
    rows = [titles | rows]

    widths =
      rows
      |> Enum.zip_with(& &1)
      |> Enum.map(fn cells -> cells |> Enum.map(&String.length/1) |> Enum.max() end)

    for row <- rows, do: row |> Enum.zip(Enum.zip(@columns, widths)) |> line()
  end

  defp line(cells) do
    cells
    |> Enum.map_join("  ", fn
      {text, {{_, :left}, width}} -> String.pad_trailing(text, width)
      {text, {{_, :right}, width}} -> String.pad_leading(text, width)
    end)
    |> String.trim_trailing()
  end
end
