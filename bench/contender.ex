defmodule Linx.Bench.Contender do
  @moduledoc """
  One way to do a piece of work, and how its samples are taken.

  A block of samples is taken in a process of its own, which traps exits, so that nothing of one block
  (messages, heap, ports) is left for the next.
  """

  @enforce_keys [:name, :kind, :block]
  defstruct @enforce_keys

  @typedoc "`block` does the work `count` times and answers samples: one each, or one for all."
  @type t :: %__MODULE__{
          name: String.t(),
          kind: Linx.Bench.Measure.kind(),
          block: (count :: pos_integer -> [number, ...])
        }

  @doc """
  A contender whose samples are the microseconds that one piece of work takes.

    * `:open` - function, run once a block; its result is passed to the others. Default: `nil`
    * `:prepare` - function of that, run before each piece of work, not timed. Default: passes on
    * `:run` - function of that, timed. Required
  """
  @spec latency(String.t(), Linx.Bench.Measure.kind(), keyword) :: t
  def latency(name, kind, opts) do
    {open, prepare, run} = work(opts)

    block = fn count ->
      state = open.()
      # The first piece of work of a block finds caches and heaps cold.
      run.(prepare.(state))

      for _ <- 1..count do
        input = prepare.(state)
        start = System.monotonic_time(:nanosecond)
        run.(input)
        took = System.monotonic_time(:nanosecond) - start
        flush()
        took / 1000
      end
    end

    %__MODULE__{name: name, kind: kind, block: isolated(block)}
  end

  @doc """
  A contender whose samples are pieces of work per second, done by `callers` processes at once.

  Takes the options of `latency/3`; each caller has a state of its own unless `:shared` gives a
  function whose result all callers' `:open` gets.
  """
  @spec throughput(String.t(), Linx.Bench.Measure.kind(), pos_integer, keyword) :: t
  def throughput(name, kind, callers, opts) do
    shared = Keyword.get(opts, :shared, fn -> nil end)
    open = Keyword.get(opts, :open, & &1)
    run = Keyword.fetch!(opts, :run)

    block = fn count ->
      common = shared.()
      each = max(div(count, callers), 1)
      {collector, barrier} = {self(), make_ref()}

      tasks =
        for _ <- 1..callers do
          Task.async(fn ->
            state = open.(common)
            run.(state)
            send(collector, barrier)
            receive do: (^barrier -> :ok)
            for _ <- 1..each, do: run.(state)
          end)
        end

      # The clock starts when every caller has done its first piece of work.
      for _ <- tasks, do: receive(do: (^barrier -> :ok))
      start = System.monotonic_time(:nanosecond)
      Enum.each(tasks, &send(&1.pid, barrier))
      Task.await_many(tasks, :infinity)
      [each * callers * 1_000_000_000 / (System.monotonic_time(:nanosecond) - start)]
    end

    %__MODULE__{name: name, kind: kind, block: isolated(block)}
  end

  @doc "A contender whose block is given; it runs in a process of its own like the others."
  @spec block(String.t(), Linx.Bench.Measure.kind(), (pos_integer -> [number, ...])) :: t
  def block(name, kind, block) do
    %__MODULE__{name: name, kind: kind, block: isolated(block)}
  end

  defp work(opts) do
    {Keyword.get(opts, :open, fn -> nil end), Keyword.get(opts, :prepare, & &1),
     Keyword.fetch!(opts, :run)}
  end

  defp isolated(block) do
    fn count ->
      Task.async(fn ->
        Process.flag(:trap_exit, true)
        block.(count)
      end)
      |> Task.await(:infinity)
    end
  end

  defp flush do
    receive do
      _ -> flush()
    after
      0 -> :ok
    end
  end
end
