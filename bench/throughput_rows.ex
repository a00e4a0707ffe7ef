defmodule Linx.Bench.ThroughputRows do
  @moduledoc """
  Rows 5 and 9: how much is done in a time.
  """

  alias Linx.Bench.{Contender, Floor, Measure, Peers, Ports, Race, Sessions}

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

  @doc "Bytes through a PTY to a consumer in Elixir."
  @spec pty(Linx.Bench.context()) :: [Measure.t()]
  def pty(context) do
    %{pty_writer: writer, floor_pty: floor_pty} = context.programs

    erlexec =
      if Peers.available?(:erlexec) do
        [rate("erlexec", :peer, &Peers.count_pty_by_erlexec(writer, ["#{&1}"]))]
      else
        []
      end

    contenders = [
      rate("linx", :linx, &Sessions.count_pty([writer, "#{&1}"])),
      rate("floor", :floor, &Ports.count_frames(floor_pty, [writer, "#{&1}"]))
      | erlexec
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

  # One sample a block: how many megabytes a second the whole of it made.
  defp rate(name, kind, transfer) do
    Contender.block(name, kind, fn bytes ->
      start = System.monotonic_time(:nanosecond)
      ^bytes = transfer.(bytes)
      [bytes * 1000 / (System.monotonic_time(:nanosecond) - start)]
    end)
  end
end
