defmodule Linx.Bench.WarmRow do
  @moduledoc """
  Row 14: a run of a Python program whose start is imports, warm and cold.
  """

  alias Linx.Bench.{Contender, LatencyRows, Measure}

  @doc "One run to its end and its output."
  @spec run(Linx.Bench.context()) :: [Measure.t()]
  def run(context) do
    python = python()
    script = Path.join(context.source, "warm.py")
    priv = to_string(:code.priv_dir(:linx))
    env = [{"LINX_BENCH_PREFORK", priv}]
    {:ok, server} = Linx.Prefork.start_link(argv: [python, script], env: env)
    :ok = Linx.Prefork.await(server)

    commands =
      for {name, kind, path} <- [
            {"prefork-interp", :peer, System.find_executable("prefork-interp")},
            {"linx-prefork", :linx, Path.join(priv, "linx-prefork")}
          ],
          path != nil and File.exists?(path),
          do: {name, kind, path, ["-U", python, script]}

    contenders =
      [
        Contender.latency("linx", :linx, run: fn _ -> said(Linx.Prefork.run(server, [])) end),
        Contender.latency("cold", :floor,
          run: fn _ -> said(Linx.cmd(python, [script], env: env)) end
        )
      ] ++
        for {name, kind, path, args} <- commands do
          Contender.latency(name, kind, run: fn _ -> said(System.cmd(path, args, env: env)) end)
        end

    measure = LatencyRows.race(context, 14, "run of a warm script", {8, 10}, contenders)
    for {_, _, path, args} <- commands, do: System.cmd(path, ["--kill" | args], env: env)
    Linx.Prefork.stop(server)

    [
      %{
        measure
        | targets: [Measure.at_most(0.05, "cold"), Measure.at_most(1.0, "prefork-interp")]
      }
    ]
  end

  defp said({"warm\n", 0}), do: :ok

  # Not a script that looks for it.
  defp python do
    {path, 0} = System.cmd("python3", ["-c", "import sys; print(sys.executable)"])
    String.trim(path)
  end
end
