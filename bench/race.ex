defmodule Linx.Bench.Race do
  @moduledoc """
  Contenders in turn, so that what drifts on the machine hits all of them alike.

  Each round takes one block of samples from every contender: A B C A B C and so on. A warm-up round
  comes first and is thrown away.
  """

  alias Linx.Bench.{Contender, Measure}

  @doc """
  The figures of the contenders, in their order.

    * `:rounds` - how many blocks each contender does. Required
    * `:count` - pieces of work in a block. Required
    * `:warm_up` - pieces of work in each contender's warm-up block; 0 for none. Default: `:count`
  """
  @spec run([Contender.t()], keyword) :: [Measure.figure()]
  def run(contenders, opts) do
    rounds = Keyword.fetch!(opts, :rounds)
    count = Keyword.fetch!(opts, :count)
    warm_up = Keyword.get(opts, :warm_up, count)

    if warm_up > 0, do: Enum.each(contenders, & &1.block.(warm_up))

    blocks =
      for _ <- 1..rounds, contender <- contenders do
        {contender.name, contender.block.(count)}
      end

    for contender <- contenders do
      samples = for {name, block} <- blocks, name == contender.name, sample <- block, do: sample
      Measure.figure(contender.name, contender.kind, samples)
    end
  end
end
