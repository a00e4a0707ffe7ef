defmodule Linx.Bench.Measure do
  @moduledoc """
  What one line of the table says: a piece of work, how each contender did it, and what is wanted.

      iex> alias Linx.Bench.Measure
      iex> measure = %Measure{row: 1, work: "spawn", unit: "µs",
      ...>   figures: [%{name: "linx", kind: :linx, p50: 40, p99: 50, count: 9},
      ...>             %{name: "Port", kind: :peer, p50: 100, p99: 120, count: 9}],
      ...>   targets: [Measure.at_most(0.45, "Port")]}
      iex> Measure.verdicts(measure)
      [%{subject: "linx", target: "<= 0.45 x Port", ratio: 0.4, met: true}]

  Targets are ratios taken in one run, because machines differ and drift: of medians, or of 99th
  percentiles where the target's `:statistic` says so. A target
  against a contender that was not there has neither a ratio nor a verdict.
  """

  alias Linx.Bench.Statistics

  @enforce_keys [:row, :work, :unit, :figures, :targets]
  defstruct @enforce_keys

  @type kind :: :linx | :peer | :floor
  @type figure :: %{
          name: String.t(),
          kind: kind,
          p50: number,
          p99: number,
          count: pos_integer
        }
  @type target :: %{
          subject: String.t(),
          statistic: :p50 | :p99,
          bound: :at_most | :at_least,
          value: number,
          against: String.t() | nil
        }
  @type verdict :: %{
          subject: String.t(),
          target: String.t(),
          ratio: float | nil,
          met: boolean | nil
        }
  @type t :: %__MODULE__{
          row: pos_integer,
          work: String.t(),
          unit: String.t(),
          figures: [figure],
          targets: [target]
        }

  @doc "The figure of a contender from its samples."
  @spec figure(String.t(), kind, [number, ...]) :: figure
  def figure(name, kind, samples) do
    samples |> Statistics.summary() |> Map.merge(%{name: name, kind: kind})
  end

  @doc "A target: the subject's median is at most `value` times that of `against`."
  @spec at_most(number, String.t() | nil, String.t()) :: target
  def at_most(value, against, subject \\ "linx") do
    %{subject: subject, statistic: :p50, bound: :at_most, value: value, against: against}
  end

  @doc "A target: the subject's median is at least `value` times that of `against`."
  @spec at_least(number, String.t() | nil, String.t()) :: target
  def at_least(value, against, subject \\ "linx") do
    %{subject: subject, statistic: :p50, bound: :at_least, value: value, against: against}
  end

  @doc "How each target of a measure came out. Without `against` the bound is in the unit."
  @spec verdicts(t) :: [verdict]
  def verdicts(%__MODULE__{} = measure) do
    Enum.map(measure.targets, fn target ->
      ratio =
        ratio(
          value(measure, target.subject, target.statistic),
          base(measure, target.against, target.statistic)
        )

      %{
        subject: target.subject,
        target: describe(target, measure.unit),
        ratio: ratio && Float.round(ratio, 3),
        met: ratio && met?(target.bound, ratio, target.value)
      }
    end)
  end

  @doc "A measure as plain maps and lists."
  @spec to_map(t) :: map
  def to_map(%__MODULE__{} = measure) do
    %{
      row: measure.row,
      work: measure.work,
      unit: measure.unit,
      contenders: measure.figures,
      targets: verdicts(measure)
    }
  end

  defp value(measure, name, statistic) do
    Enum.find_value(measure.figures, fn figure ->
      figure.name == name && Map.fetch!(figure, statistic)
    end)
  end

  defp base(_measure, nil, _statistic), do: 1
  defp base(measure, name, statistic), do: value(measure, name, statistic)

  defp ratio(nil, _), do: nil
  defp ratio(_, nil), do: nil
  defp ratio(_, base) when base == 0, do: nil
  defp ratio(value, base), do: value / base

  defp met?(:at_most, ratio, value), do: ratio <= value
  defp met?(:at_least, ratio, value), do: ratio >= value

  defp describe(%{against: nil} = target, unit), do: "#{sign(target)} #{target.value} #{unit}"

  defp describe(%{statistic: :p99} = target, _unit),
    do: "p99 #{sign(target)} #{target.value} x #{target.against}"

  defp describe(target, _unit), do: "#{sign(target)} #{target.value} x #{target.against}"

  defp sign(%{bound: :at_most}), do: "<="
  defp sign(%{bound: :at_least}), do: ">="
end
