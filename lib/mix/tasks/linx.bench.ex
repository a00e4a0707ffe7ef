defmodule Mix.Tasks.Linx.Bench do
  @shortdoc "Measures Linx beside other ways to run programs"

  @moduledoc """
  Measures Linx beside other ways to run programs and beside floors: C programs that do the least that
  the work takes.

      mix linx.bench
      mix linx.bench --quick --rows 1,5
      mix linx.bench --json bench.json

  Every figure is a median with its 99th percentile, taken in turn with the others' in one run; what is
  judged are the ratios. A full run takes some five minutes on two CPUs, and wants the machine for
  itself: the load averages are printed below the table.

    * `--rows LIST` - numbers of the rows to measure, separated by commas. Default: all
    * `--quick` - a smoke run of a few seconds, whose figures mean nothing
    * `--json FILE` - also write the results to this file
    * `--idle-states` - let the CPUs sleep while they wait. Default: they are kept awake, where that
      can be had, which is as root (`Linx.Bench.Awake` in `bench/` says why)

  The libraries erlexec, MuonTrap and Exile are measured where they are on the code path. To that path
  the environment variable `LINX_BENCH_PEERS` adds every `ebin` folder below the folder it names. So
  are the commands bwrap and unshare where they are on `PATH`. What is missing is named.

  The task needs Linx's own source tree, CMake and a C compiler. Memory is measured as root only.
  """

  use Mix.Task

  @switches [rows: :string, quick: :boolean, json: :string, idle_states: :boolean]

  @impl Mix.Task
  @spec run([String.t()]) :: %{measures: list, failed: list}
  def run(args) do
    opts = parse!(args)
    Mix.Task.run("app.start")
    bench = load!()
    apply(bench, :run, [opts])
  end

  @doc """
  Compiles the modules of the benchmark, which are no part of the library, and answers the one to run.
  """
  @spec load!() :: module
  def load! do
    unless Code.ensure_loaded?(Linx.Bench) do
      ebin = build_path("bench_ebin")
      File.mkdir_p!(ebin)

      case Path.wildcard(Path.join(source(), "*.ex")) do
        [] -> Mix.raise("mix linx.bench needs the source tree of Linx: no bench/*.ex here")
        files -> compile!(files, ebin)
      end

      Code.prepend_path(ebin)
    end

    Linx.Bench
  end

  defp parse!(args) do
    {opts, rest} = OptionParser.parse!(args, strict: @switches)
    if rest != [], do: Mix.raise("unexpected arguments: #{Enum.join(rest, " ")}")

    [
      source: source(),
      build: build_path("bench"),
      peers: System.get_env("LINX_BENCH_PEERS")
    ] ++ Keyword.replace_lazy(opts, :rows, &rows!/1)
  end

  defp rows!(text) do
    for number <- String.split(text, ",") do
      case Integer.parse(number) do
        {row, ""} when row > 0 -> row
        _ -> Mix.raise("invalid --rows: #{inspect(number)}, expected numbers such as 1,5")
      end
    end
  end

  defp compile!(files, ebin) do
    # Kept, because the tests run the examples in it.
    Code.put_compiler_option(:docs, true)

    case Kernel.ParallelCompiler.compile_to_path(files, ebin) do
      {:ok, _modules, _} -> :ok
      {:error, _, _} -> Mix.raise("the modules of bench/ do not compile")
    end
  end

  defp source, do: Path.expand("bench")

  defp build_path(name), do: Path.join(Mix.Project.build_path(), name)
end
