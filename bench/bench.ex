defmodule Linx.Bench do
  @moduledoc """
  The rows of `mix linx.bench`, and a run of some of them.
  """

  alias Linx.Bench.{
    Awake,
    FairnessRow,
    FootprintRows,
    LatencyRows,
    Measure,
    Peers,
    Proc,
    Programs,
    SandboxRow,
    Table,
    WarmRow
  }

  alias Linx.Bench.ThroughputRows

  @type context :: %{
          source: Path.t(),
          programs: %{atom => Path.t()},
          true_path: Path.t(),
          quick: boolean
        }

  # A row is a function of the context that answers measures; its number names it to `--rows`.
  @rows [
    {1, &LatencyRows.spawn_static/1},
    {2, &LatencyRows.spawn_by_checkpoint/1},
    {3, &LatencyRows.spawn_with_init/1},
    {4, &LatencyRows.spawn_true/1},
    {5, &ThroughputRows.spawns/1},
    {6, &LatencyRows.spawn_isolated/1},
    {6, &SandboxRow.strict/1},
    {7, &LatencyRows.kill/1},
    {8, &ThroughputRows.output/1},
    {9, &ThroughputRows.pty/1},
    {10, &ThroughputRows.input/1},
    {11, &FootprintRows.memory/1},
    {12, &FootprintRows.growth/1},
    {13, &FairnessRow.flooded/1},
    {14, &WarmRow.run/1}
  ]

  @doc "The numbers of all rows."
  @spec rows() :: [pos_integer]
  def rows, do: @rows |> Enum.map(&elem(&1, 0)) |> Enum.uniq()

  @doc """
  Builds the programs, measures, prints the table, and writes the JSON where one is wanted.

    * `:source` - the folder with the C programs. Required
    * `:build` - the folder to build them in. Required
    * `:rows` - numbers of rows. Default: all
    * `:quick` - whether a smoke run is enough. Default: `false`
    * `:idle_states` - whether the CPUs may sleep while they wait. Default: `false`
    * `:json` - path of a file for the results. Default: none
    * `:peers` - folder of ebin folders. Default: none

  Answers the measures and, for each row that could not be measured, why.
  """
  @spec run(keyword) :: %{measures: [Measure.t()], failed: [{pos_integer, String.t()}]}
  def run(opts) do
    :ok = Peers.load(opts[:peers])
    :ok = Peers.start()

    context = %{
      source: opts[:source],
      programs: Programs.build(opts[:source], opts[:build]),
      true_path: System.find_executable("true"),
      quick: Keyword.get(opts, :quick, false)
    }

    load = Proc.load()
    wanted = Keyword.get(opts, :rows) || rows()

    {cpus, outcomes} =
      Awake.during(not Keyword.get(opts, :idle_states, false), fn ->
        in_silence(fn ->
          for {number, row} <- @rows, number in wanted, do: measure(number, row, context)
        end)
      end)

    measures = for {:ok, measures} <- outcomes, measure <- measures, do: measure
    failed = for {:failed, number, why} <- outcomes, do: {number, why}

    run = %{
      measures: measures,
      failed: failed,
      cpus: Awake.describe(cpus),
      load: %{before: load, after: Proc.load()},
      quick: context.quick
    }

    Enum.each(report(run), &Mix.shell().info/1)
    if path = opts[:json], do: write_json(path, run)
    %{measures: measures, failed: failed}
  end

  defp measure(number, row, context) do
    Mix.shell().info("row #{number} ...")

    # In a process of its own: what a row leaves behind or breaks stays there.
    task = Task.Supervisor.async_nolink(supervisor(), fn -> row.(context) end)

    case Task.yield(task, :infinity) do
      {:ok, measures} -> {:ok, measures}
      {:exit, reason} -> {:failed, number, Exception.format_exit(reason)}
    end
  end

  # A session whose workload was killed stops with a reason that is logged, a thousand times here.
  defp in_silence(fun) do
    %{level: level} = :logger.get_primary_config()
    :logger.set_primary_config(:level, :none)

    try do
      fun.()
    after
      :logger.set_primary_config(:level, level)
    end
  end

  defp supervisor do
    {:ok, supervisor} = Task.Supervisor.start_link()
    supervisor
  end

  defp report(run) do
    missing = Peers.missing()

    [""] ++
      Table.lines(run.measures) ++
      [""] ++
      for({number, why} <- run.failed, do: "row #{number} was not measured: #{why}") ++
      ["#{machine()}, load #{run.load.before} before, #{run.load.after} after", run.cpus] ++
      if(missing == [], do: [], else: ["not installed: #{Enum.join(missing, ", ")}"])
  end

  defp machine do
    kernel = "/proc/sys/kernel/osrelease" |> File.read!() |> String.trim()

    "#{System.schedulers_online()} CPUs, kernel #{kernel}, OTP #{System.otp_release()}, " <>
      "Elixir #{System.version()}"
  end

  defp write_json(path, run) do
    json =
      Linx.Json.encode(%{
        machine: machine(),
        cpus: run.cpus,
        load: run.load,
        quick: run.quick,
        missing: Peers.missing(),
        failed: for({number, why} <- run.failed, do: %{row: number, reason: why}),
        measures: Enum.map(run.measures, &Measure.to_map/1)
      })

    File.write!(path, [json, ?\n])
  end
end
