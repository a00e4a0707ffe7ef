defmodule Linx.Bench.LatencyRows do
  @moduledoc """
  Rows 1 to 4, 6 and 7: how long one piece of work takes, one at a time.
  """

  alias Linx.Bench.{Contender, Floor, Measure, Peers, Ports, Race, Sessions}

  @doc "Spawn to exit of a static program; the caller sees the exit."
  @spec spawn_static(Linx.Bench.context()) :: [Measure.t()]
  def spawn_static(context) do
    static = context.programs.static

    race(context, 1, "spawn to exit, static", {20, 100}, [
      linx("linx", Sessions.options([static])),
      port(static),
      floor(context, static)
      | libraries(static)
    ])
    |> targets([Measure.at_most(0.45, "Port"), Measure.at_most(3, "floor")])
  end

  @doc "The same with the checkpoint driven from Elixir."
  @spec spawn_by_checkpoint(Linx.Bench.context()) :: [Measure.t()]
  def spawn_by_checkpoint(context) do
    static = context.programs.static
    options = Sessions.options([static])

    race(context, 2, "checkpoint driven, static", {20, 100}, [
      Contender.latency("linx", :linx, run: fn _ -> Sessions.run_by_checkpoint(options) end),
      port(static)
    ])
    |> targets([Measure.at_most(0.6, "Port")])
  end

  @doc "Spawn to exit with the init that is the default, against none."
  @spec spawn_with_init(Linx.Bench.context()) :: [Measure.t()]
  def spawn_with_init(context) do
    static = context.programs.static

    race(context, 3, "spawn to exit with init, static", {20, 100}, [
      linx("linx", Sessions.options([static], init: true)),
      linx("no init", Sessions.options([static]))
    ])
    |> targets([Measure.at_most(1.4, "no init")])
  end

  @doc "Spawn to exit of a dynamic program."
  @spec spawn_true(Linx.Bench.context()) :: [Measure.t()]
  def spawn_true(context) do
    path = context.true_path

    race(context, 4, "spawn to exit, #{path}", {20, 40}, [
      linx("linx", Sessions.options([path])),
      linx("with init", Sessions.options([path], init: true)),
      port(path),
      Contender.latency("System.cmd", :peer, run: fn _ -> Ports.cmd(path) end),
      floor(context, path)
      | libraries(path)
    ])
    |> targets([Measure.at_most(0.85, "erlexec"), Measure.at_most(1.15, "floor")])
  end

  @doc "Spawn to exit in eight fresh namespaces; the floor has no BEAM, the port floor has."
  @spec spawn_isolated(Linx.Bench.context()) :: [Measure.t()]
  def spawn_isolated(context) do
    %{static: static, floor_port: floor_port} = context.programs

    isolators =
      for {name, path, args} <- Peers.isolators(static) do
        Contender.latency(name, :peer, run: fn _ -> Ports.run(path, args) end)
      end

    race(context, 6, "eight fresh namespaces, static", {10, 40}, [
      linx("linx", Sessions.isolated_options([static])),
      Contender.block("floor", :floor, &isolated_floor(context.programs, &1)),
      Contender.latency("port floor", :floor,
        open: fn -> Floor.open(floor_port, :namespaces, static) end,
        run: &Floor.run/1
      )
      | isolators
    ])
    |> targets([Measure.at_most(1.3, "floor"), Measure.at_most(0.4, "bwrap")])
  end

  @doc "Signal 9 to the end being seen."
  @spec kill(Linx.Bench.context()) :: [Measure.t()]
  def kill(context) do
    idle = context.programs.idle

    erlexec =
      if Peers.available?(:erlexec) do
        [
          Contender.latency("erlexec", :peer,
            prepare: fn _ -> Peers.start_by_erlexec(idle) end,
            run: &Peers.kill_by_erlexec/1
          )
        ]
      else
        []
      end

    race(context, 7, "signal 9 to its end seen", {20, 50}, [
      killed("linx", Sessions.options([idle], init: true)),
      killed("no init", Sessions.options([idle])),
      Contender.latency("floor", :floor,
        open: fn -> Floor.open(context.programs.floor_port, :vfork, idle) end,
        prepare: &Floor.start/1,
        run: &Floor.kill/1
      )
      | erlexec
    ])
    |> targets([Measure.at_most(0.8, "erlexec"), Measure.at_most(0.8, "erlexec", "no init")])
  end

  @doc "A contender that spawns by Linx and waits for the exit."
  @spec linx(String.t(), keyword) :: Contender.t()
  def linx(name, options) do
    Contender.latency(name, :linx, run: fn _ -> Sessions.run(options) end)
  end

  @doc "A contender that kills what Linx runs."
  @spec killed(String.t(), keyword) :: Contender.t()
  def killed(name, options) do
    Contender.latency(name, :linx,
      prepare: fn _ -> Sessions.start(options) end,
      run: &Sessions.kill/1
    )
  end

  @doc "A row of contenders, of so many rounds and pieces of work in each."
  @spec race(Linx.Bench.context(), pos_integer, String.t(), {pos_integer, pos_integer}, [
          Contender.t()
        ]) :: Measure.t()
  def race(context, row, work, {rounds, count}, contenders) do
    opts =
      if context.quick,
        do: [rounds: 2, count: 8, warm_up: 2],
        else: [rounds: rounds, count: count]

    figures = Race.run(contenders, opts)
    %Measure{row: row, work: work, unit: "us", figures: figures, targets: []}
  end

  defp targets(measure, targets), do: [%{measure | targets: targets}]

  defp port(path), do: Contender.latency("Port", :peer, run: fn _ -> Ports.run(path) end)

  defp floor(context, path) do
    Contender.latency("floor", :floor,
      open: fn -> Floor.open(context.programs.floor_port, :vfork, path) end,
      run: &Floor.run/1
    )
  end

  defp libraries(path) do
    for {name, run} <- Peers.runners() do
      Contender.latency(name, :peer, run: fn _ -> run.(path) end)
    end
  end

  defp isolated_floor(programs, count) do
    {output, 0} = System.cmd(programs.floor_namespaces, ["#{count}", programs.static])
    output |> String.split() |> Enum.map(&(String.to_integer(&1) / 1000))
  end
end
