defmodule Linx.Bench.FootprintRows do
  @moduledoc """
  Rows 11 and 12: what idle sessions cost, and whether they slow the others down.
  """

  alias Linx.Bench.{LatencyRows, Measure, Proc, SandboxRow, Sessions}

  @doc "Memory per idle session: of the agents and inits, and of this node."
  @spec memory(Linx.Bench.context()) :: [Measure.t()]
  def memory(context) do
    count = if context.quick, do: 20, else: 200
    rounds = if context.quick, do: 1, else: 3

    idle = context.programs.idle

    kinds = [
      {"no init", Sessions.options([idle], init: false), 8},
      {"with init", Sessions.options([idle], init: true), 120},
      {"under :strict", SandboxRow.options(idle), 8}
    ]

    for {work, options, limit} <- kinds do
      # The agents and their tables grow once, not with each session.
      Sessions.with_idle(count, options, fn -> :ok end)
      samples = for _ <- 1..rounds, do: memory_of(count, options)

      [
        memory_measure("agent and #{work}", Enum.map(samples, &elem(&1, 0)), limit),
        memory_measure("Elixir side, #{work}", Enum.map(samples, &elem(&1, 1)), 8)
      ]
    end
    |> List.flatten()
  end

  @doc "Spawn, kill and idle CPU time beside 1,000 idle sessions, against none."
  @spec growth(Linx.Bench.context()) :: [Measure.t()]
  def growth(context) do
    count = if context.quick, do: 50, else: 1000
    rounds = if context.quick, do: 1, else: 6
    %{static: static, idle: idle} = context.programs
    options = Sessions.options([idle], init: true)
    many = "#{count} idle"

    blocks =
      for _ <- 1..rounds, {name, idle_count} <- [{"0 idle", 0}, {many, count}] do
        Sessions.with_idle(idle_count, options, fn ->
          {name, growth_block(context, static, idle)}
        end)
      end

    measure = fn work, unit, key, targets ->
      figures =
        for name <- [many, "0 idle"] do
          samples = for {^name, block} <- blocks, sample <- Map.fetch!(block, key), do: sample
          Measure.figure(name, :linx, samples)
        end

      %Measure{row: 12, work: work, unit: unit, figures: figures, targets: targets}
    end

    [
      measure.("row 1 beside idle sessions", "us", :spawn, [Measure.at_most(1.25, "0 idle", many)]),
      measure.("row 7 beside idle sessions", "us", :kill, [Measure.at_most(1.25, "0 idle", many)]),
      measure.("idle CPU, agents and inits", "ms/s", :agent_cpu, [Measure.at_most(0, nil, many)]),
      measure.("idle CPU, node", "ms/s", :node_cpu, [])
    ]
  end

  defp memory_of(count, options) do
    before = footprint()
    during = Sessions.with_idle(count, options, &footprint/0)
    {(during.agents - before.agents) / count, (during.node - before.node) / count}
  end

  # Sessions are left as they are: an idle one is not collected just because someone looks.
  defp footprint do
    :erlang.garbage_collect()
    %{agents: Proc.pss(Proc.agents_and_inits()), node: :erlang.memory(:total) / 1024}
  end

  defp memory_measure(work, samples, limit) do
    %Measure{
      row: 11,
      work: "idle session, #{work}",
      unit: "kB",
      figures: [Measure.figure("linx", :linx, samples)],
      targets: [Measure.at_most(limit, nil)]
    }
  end

  defp growth_block(context, static, idle) do
    count = if context.quick, do: 8, else: 150
    spawner = LatencyRows.linx("spawn", Sessions.options([static]))
    killer = LatencyRows.killed("kill", Sessions.options([idle]))
    {agent_cpu, node_cpu} = idle_cpu(if context.quick, do: 200, else: 1500)

    %{
      spawn: spawner.block.(count),
      kill: killer.block.(count),
      agent_cpu: [agent_cpu],
      node_cpu: [node_cpu]
    }
  end

  # Milliseconds of CPU time a second while nothing is asked of anyone. Reading the agents' time costs
  # the node some of its own, so that is done outside the node's interval.
  defp idle_cpu(milliseconds) do
    agents = Proc.agents_and_inits()
    node = [String.to_integer(System.pid())]
    # What the agents do about the sessions that ended last is over within a second.
    Process.sleep(milliseconds)
    agents_before = Proc.cpu_time(agents)
    node_before = Proc.cpu_time(node)
    Process.sleep(milliseconds)
    node_after = Proc.cpu_time(node)
    agents_after = Proc.cpu_time(agents)

    {(agents_after - agents_before) / 1000 / milliseconds,
     (node_after - node_before) / 1000 / milliseconds}
  end
end
