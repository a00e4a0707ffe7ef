defmodule Linx.Bench.FairnessRow do
  @moduledoc """
  Row 13: whether sessions that write as fast as they can delay the others.
  """

  alias Linx.Bench.{Contender, LatencyRows, Measure, Race, Sessions}

  @floods 4

  @doc "Spawn to exit of a static program while four sessions flood their stdout, and while none does."
  @spec flooded(Linx.Bench.context()) :: [Measure.t()]
  def flooded(context) do
    %{static: static, writer: writer} = context.programs
    quiet = LatencyRows.linx("quiet", Sessions.options([static]))
    flood = [writer, "#{0x7FFF_FFFF_FFFF_FFFF}"]

    flooded =
      Contender.block("linx", :linx, fn count ->
        Sessions.with_flood(@floods, flood, fn -> quiet.block.(count) end)
      end)

    opts =
      if context.quick,
        do: [rounds: 2, count: 8, warm_up: 2],
        else: [rounds: 20, count: 100]

    [
      %Measure{
        row: 13,
        work: "row 1 beside #{@floods} floods",
        unit: "us",
        figures: Race.run([flooded, quiet], opts),
        targets: [%{Measure.at_most(4, "quiet") | statistic: :p99}]
      }
    ]
  end
end
