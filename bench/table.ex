defmodule Linx.Bench.Table do
  @moduledoc """
  Measures as a table of text: one line a measure, and below it what does not fit in one line.
  """

  alias Linx.Bench.Measure

  @head [["row"], ["work"], ["linx p50 (p99)"], ["peers p50"], ["floor p50"]] ++
          [["ratio"], ["target"], ["met"]]

  @doc "The table, heading first, as lines without their newlines."
  @spec lines([Measure.t()]) :: [String.t()]
  def lines(measures) do
    rows = [@head | Enum.map(measures, &cells/1)]

    widths =
      for column <- 0..(length(@head) - 1) do
        rows |> Enum.flat_map(&Enum.at(&1, column)) |> Enum.map(&String.length/1) |> Enum.max()
      end

    Enum.flat_map(rows, &row_lines(&1, widths))
  end

  @doc """
  A number with three significant digits, without an exponent.

      iex> Enum.map([0, 0.123456, 12.345, 1234.5], &Linx.Bench.Table.number/1)
      ["0", "0.123", "12.3", "1235"]
  """
  @spec number(number) :: String.t()
  def number(value) when value == 0, do: "0"
  def number(value) when abs(value) >= 100, do: value |> round() |> Integer.to_string()
  def number(value) when abs(value) >= 10, do: :erlang.float_to_binary(value / 1, decimals: 1)
  def number(value) when abs(value) >= 1, do: :erlang.float_to_binary(value / 1, decimals: 2)
  def number(value), do: :erlang.float_to_binary(value / 1, decimals: 3)

  # A cell is the list of its lines.
  defp cells(measure) do
    verdicts = Measure.verdicts(measure)

    [
      [Integer.to_string(measure.row)],
      ["#{measure.work}, #{measure.unit}"],
      for(f <- of_kind(measure, :linx), do: own_name(f) <> "#{number(f.p50)} (#{number(f.p99)})"),
      for(f <- of_kind(measure, :peer), do: "#{f.name} #{number(f.p50)}"),
      for(f <- of_kind(measure, :floor), do: "#{f.name} #{number(f.p50)}"),
      for(v <- verdicts, do: if(v.ratio, do: number(v.ratio), else: "-")),
      for(v <- verdicts, do: subject(v) <> v.target),
      for(v <- verdicts, do: met(v.met))
    ]
  end

  defp of_kind(measure, kind), do: Enum.filter(measure.figures, &(&1.kind == kind))

  defp own_name(%{name: "linx"}), do: ""
  defp own_name(%{name: name}), do: name <> " "

  defp subject(%{subject: "linx"}), do: ""
  defp subject(%{subject: subject}), do: subject <> " "

  defp met(true), do: "yes"
  defp met(false), do: "NO"
  defp met(nil), do: "not measured"

  defp row_lines(cells, widths) do
    height = cells |> Enum.map(&length/1) |> Enum.max()

    for line <- 0..(height - 1) do
      cells
      |> Enum.zip(widths)
      |> Enum.map_join("  ", fn {cell, width} ->
        cell |> Enum.at(line, "") |> String.pad_trailing(width)
      end)
      |> String.trim_trailing()
    end
  end
end
