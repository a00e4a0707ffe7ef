defmodule Linx.Bench.ThroughputRows do
  @moduledoc """
  Rows 5 and 8 to 10: how much is done in a time.
  """

  alias Linx.Bench.{Contender, Floor, Measure, Peers, Ports, Race, Sessions}

  @mebibyte 1024 * 1024

  @doc "Spawns a second with 8 and with 64 callers, of a static and of a dynamic program."
  @spec spawns(Linx.Bench.context()) :: [Measure.t()]
  def spawns(context) do
    %{programs: %{static: static}, true_path: true_path} = context
    static_targets = [Measure.at_least(1.8, "Port")]
    true_targets = [Measure.at_least(1.0, "erlexec"), Measure.at_least(0.95, "floor")]

    for {path, count, targets} <- [{static, 1600, static_targets}, {true_path, 640, true_targets}],
        callers <- [8, 64] do
      opts =
        if context.quick,
          do: [rounds: 1, count: 64, warm_up: 0],
          else: [rounds: 10, count: count]

      %Measure{
        row: 5,
        work: "#{Path.basename(path)}, #{callers} callers",
        unit: "spawns/s",
        figures: Race.run(spawners(context, path, callers), opts),
        targets: targets
      }
    end
  end

  @doc "Bytes through a pipe from stdout to a consumer in Elixir."
  @spec output(Linx.Bench.context()) :: [Measure.t()]
  def output(context) do
    %{writer: writer, floor_output: floor_output} = context.programs

    targets = [Measure.at_least(1.0, "Port"), Measure.at_least(1.4, "erlexec")]

    transfer(context, 8, "from stdout", targets, [
      rate("linx", :linx, &Sessions.count_output([writer, "#{&1}"])),
      rate("Port", :peer, &Ports.count_output(writer, ["#{&1}"])),
      rate("floor", :floor, &Ports.count_frames(floor_output, [writer, "#{&1}"]))
      | by_erlexec(&Peers.count_output_by_erlexec(writer, ["#{&1}"]))
    ])
  end

  @doc "Bytes from Elixir through a pipe to stdin."
  @spec input(Linx.Bench.context()) :: [Measure.t()]
  def input(context) do
    %{reader: reader, floor_input: floor_input} = context.programs

    transfer(context, 10, "into stdin", [Measure.at_least(1.0, "Port")], [
      rate("linx", :linx, &Sessions.feed([reader, "#{&1}"], &1)),
      rate("Port", :peer, &Ports.feed(reader, ["#{&1}"], &1)),
      rate("floor", :floor, &Ports.feed_frames(floor_input, [reader, "#{&1}"], &1))
    ])
  end

  @doc "Bytes through a PTY to a consumer in Elixir."
  @spec pty(Linx.Bench.context()) :: [Measure.t()]
  def pty(context) do
    %{writer: writer, floor_pty: floor_pty} = context.programs

    contenders = [
      rate("linx", :linx, &Sessions.count_pty([writer, "#{&1}"])),
      rate("floor", :floor, &Ports.count_frames(floor_pty, [writer, "#{&1}"]))
      | by_erlexec(&Peers.count_pty_by_erlexec(writer, ["#{&1}"]))
    ]

    bytes = if context.quick, do: 2_000_000, else: 100_000_000
    rounds = if context.quick, do: 1, else: 7

    [
      %Measure{
        row: 9,
        work: "#{div(bytes, 1_000_000)} MB through a PTY",
        unit: "MB/s",
        figures: Race.run(contenders, rounds: rounds, count: bytes, warm_up: 1_000_000),
        targets: [Measure.at_least(0.95, "floor")]
      }
    ]
  end

  defp spawners(context, path, callers) do
    floor_port = context.programs.floor_port
    options = Sessions.options([path])

    libraries =
      for {name, run} <- Peers.runners() do
        Contender.throughput(name, :peer, callers, run: fn _ -> run.(path) end)
      end

    [
      Contender.throughput("linx", :linx, callers, run: fn _ -> Sessions.run(options) end),
      Contender.throughput("Port", :peer, callers, run: fn _ -> Ports.run(path) end),
      Contender.throughput("floor", :floor, callers,
        shared: fn -> Floor.serve(floor_port, path) end,
        run: &Floor.run_by/1
      )
      | libraries
    ]
  end

  defp transfer(context, row, way, targets, contenders) do
    bytes = if context.quick, do: 4 * @mebibyte, else: 1024 * @mebibyte
    rounds = if context.quick, do: 1, else: 5

    [
      %Measure{
        row: row,
        work: "#{div(bytes, @mebibyte)} MiB #{way}",
        unit: "MB/s",
        figures: Race.run(contenders, rounds: rounds, count: bytes, warm_up: @mebibyte),
        targets: targets
      }
    ]
  end

  defp by_erlexec(transfer) do
    if Peers.available?(:erlexec), do: [rate("erlexec", :peer, transfer)], else: []
  end

  # One sample a block: how many megabytes a second the whole of it made.
  defp rate(name, kind, transfer) do
    Contender.block(name, kind, fn bytes ->
      start = System.monotonic_time(:nanosecond)
      ^bytes = transfer.(bytes)
      [bytes * 1000 / (System.monotonic_time(:nanosecond) - start)]
    end)
  end
end
