Mix.Tasks.Linx.Bench.load!()

defmodule Linx.BenchTest do
  use ExUnit.Case, async: true

  import Linx.Case, only: [mailbox: 0]

  alias Linx.Bench.{Contender, Measure, Proc, Race, Statistics, Table}

  doctest Linx.Bench.Measure
  doctest Linx.Bench.Proc
  doctest Linx.Bench.Statistics
  doctest Linx.Bench.Table

  defp figure(name, kind, p50), do: %{name: name, kind: kind, p50: p50, p99: p50 * 2, count: 1}

  defp measure(figures, targets),
    do: %Measure{row: 1, work: "work", unit: "us", figures: figures, targets: targets}

  describe "statistics" do
    test "are those of the sorted samples" do
      samples = Enum.shuffle(1..100)
      assert Statistics.summary(samples) == %{count: 100, p50: 50, p99: 99}
    end

    test "of one sample are that sample" do
      assert Statistics.summary([7.5]) == %{count: 1, p50: 7.5, p99: 7.5}
    end
  end

  describe "a target" do
    test "is met at its bound and missed beyond it" do
      figures = [figure("linx", :linx, 45), figure("Port", :peer, 100)]
      targets = [Measure.at_most(0.45, "Port"), Measure.at_most(0.44, "Port")]
      assert [true, false] = figures |> measure(targets) |> Measure.verdicts() |> met()

      targets = [Measure.at_least(0.45, "Port"), Measure.at_least(0.46, "Port")]
      assert [true, false] = figures |> measure(targets) |> Measure.verdicts() |> met()
    end

    test "against who is not there has no verdict" do
      targets = [Measure.at_most(0.8, "erlexec"), Measure.at_most(8, nil, "no init")]

      assert [%{ratio: nil, met: nil}, %{ratio: nil, met: nil}] =
               [figure("linx", :linx, 45)] |> measure(targets) |> Measure.verdicts()
    end

    test "of 99th percentiles is judged by them" do
      figures = [figure("linx", :linx, 30), %{figure("quiet", :linx, 10) | p99: 10}]
      target = %{Measure.at_most(4, "quiet") | statistic: :p99}

      assert [%{target: "p99 <= 4 x quiet", ratio: 6.0, met: false}] =
               figures |> measure([target]) |> Measure.verdicts()
    end

    test "without a contender is in the unit" do
      measure = measure([figure("linx", :linx, 0)], [Measure.at_most(0, nil)])
      assert [%{target: "<= 0 us", ratio: 0.0, met: true}] = Measure.verdicts(measure)
    end
  end

  describe "the table" do
    test "has the figures and verdicts of a measure below one another" do
      figures = [
        figure("linx", :linx, 40),
        figure("Port", :peer, 100),
        figure("bwrap", :peer, 400),
        figure("floor", :floor, 20)
      ]

      targets = [Measure.at_most(0.45, "Port"), Measure.at_most(1.5, "floor")]

      assert Table.lines([measure(figures, targets)]) == [
               "row  work      linx p50 (p99)  peers p50  floor p50   ratio  target          met",
               "1    work, us  40.0 (80.0)     Port 100   floor 20.0  0.400  <= 0.45 x Port  yes",
               "                               bwrap 400              2.00   <= 1.5 x floor  NO"
             ]
    end

    test "says what could not be judged" do
      [_, line] =
        Table.lines([measure([figure("linx", :linx, 1)], [Measure.at_most(1, "bwrap")])])

      assert line =~ ~r/- +<= 1 x bwrap +not measured$/
    end
  end

  test "a race takes a block of each contender in turn, after a warm-up" do
    test = self()

    contender = fn name ->
      Contender.block(name, :linx, fn count ->
        send(test, {name, count})
        [count, count]
      end)
    end

    figures = Race.run([contender.("a"), contender.("b")], rounds: 2, count: 5, warm_up: 1)

    assert [%{name: "a", count: 4, p50: 5}, %{name: "b", count: 4, p50: 5}] = figures
    assert mailbox() == [{"a", 1}, {"b", 1}, {"a", 5}, {"b", 5}, {"a", 5}, {"b", 5}]
  end

  test "a latency contender times the work and not what prepares it" do
    test = self()

    contender =
      Contender.latency("a", :linx,
        open: fn -> :state end,
        prepare: fn :state -> Process.sleep(20) end,
        run: fn :ok -> send(test, :ran) end
      )

    samples = contender.block.(3)
    assert length(samples) == 3
    assert Enum.min(samples) < 20_000
    # The first piece of work is not among the samples.
    assert mailbox() == [:ran, :ran, :ran, :ran]
  end

  test "a throughput contender spreads the work over its callers" do
    test = self()
    run = fn :shared -> send(test, self()) end
    contender = Contender.throughput("a", :linx, 4, shared: fn -> :shared end, run: run)

    assert [rate] = contender.block.(8)
    assert rate > 0
    workers = mailbox()
    assert length(workers) == 4 + 8
    assert workers |> Enum.uniq() |> length() == 4
  end

  test "the memory and CPU time of a process are read" do
    pid = String.to_integer(System.pid())
    assert Proc.pss([pid]) > 1000
    before = Proc.cpu_time([pid])
    Enum.sum(1..1_000_000)
    assert Proc.cpu_time([pid]) > before
  end

  test "bad arguments are named" do
    for {args, text} <- [{["--rows", "1,x"], "\"x\""}, {["extra"], "extra"}] do
      assert_raise Mix.Error, ~r/#{text}/, fn -> Mix.Tasks.Linx.Bench.run(args) end
    end
  end

  defp met(verdicts), do: Enum.map(verdicts, & &1.met)
end
