defmodule Linx.Bench.Statistics do
  @moduledoc """
  Medians and percentiles of samples.

      iex> Linx.Bench.Statistics.summary([3, 1, 2])
      %{count: 3, p50: 2, p99: 3}

  Percentiles are nearest-rank: each is a sample that was taken, never a value between two.
  """

  @type summary :: %{count: pos_integer, p50: number, p99: number}

  @doc "The count, median and 99th percentile of a non-empty list of samples."
  @spec summary([number, ...]) :: summary
  def summary([_ | _] = samples) do
    sorted = samples |> Enum.sort() |> List.to_tuple()
    %{count: tuple_size(sorted), p50: percentile(sorted, 50), p99: percentile(sorted, 99)}
  end

  @doc """
  The nearest-rank percentile of a sorted tuple of samples.

      iex> Linx.Bench.Statistics.percentile({10, 20, 30, 40}, 50)
      20
      iex> Linx.Bench.Statistics.percentile({10, 20, 30, 40}, 99)
      40
  """
  @spec percentile(tuple, 1..100) :: number
  def percentile(sorted, percent) do
    rank = div(tuple_size(sorted) * percent + 99, 100)
    elem(sorted, max(rank, 1) - 1)
  end
end
