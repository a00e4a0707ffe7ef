# A program in Python that is prepared once and forked for each run: examples/prefork/prices.py, in a
# sandbox, started afresh when its prices change.
#
#     mix run examples/prefork.exs

defmodule Prices do
  @program Path.expand("prefork/prices.py", __DIR__)

  def main do
    directory = Path.join(System.tmp_dir!(), "prices-#{System.unique_integer([:positive])}")
    File.mkdir!(directory)
    File.chmod!(directory, 0o755)

    try do
      File.cp!(@program, Path.join(directory, "prices.py"))
      set_prices(directory, ~s({"apple": 3, "pear": 4}))
      {:ok, prices} = start(directory)
      ask(prices, directory)
      :ok = Linx.Prefork.stop(prices)
    after
      File.rm_rf!(directory)
    end
  end

  # Its runs are in the same sandbox: they see the directory, cannot write to it, and have no
  # network.
  defp start(directory) do
    sandbox = Linx.Sandbox.new(:strict) |> Linx.Sandbox.bind(directory, "/prices")
    sandbox = Linx.Sandbox.bind(sandbox, Application.app_dir(:linx, "priv"), "/linx")

    Linx.Prefork.start_link(
      argv: ["/usr/bin/python3", "prices.py"],
      cd: "/prices",
      env: [{"PYTHONPATH", "/linx"}, {"PYTHONDONTWRITEBYTECODE", "1"}],
      sandbox: sandbox
    )
  end

  defp ask(prices, directory) do
    {"pear 4\n", 0} = Linx.Prefork.run(prices, ["pear"])
    {"apple 3\npear 4\n", 0} = Linx.Prefork.run(prices, ["apple", "pear"])
    IO.puts("two runs of #{starts(prices)} start")

    set_prices(directory, ~s({"pear": 5}))
    {"pear 5\n", 0} = Linx.Prefork.run(prices, ["pear"])
    IO.puts("a run with new prices, after #{starts(prices)} starts")

    {traceback, 1} = Linx.Prefork.run(prices, ["plum"], stderr_to_stdout: true)

    IO.puts(
      "a run that failed: #{traceback |> String.trim() |> String.split("\n") |> List.last()}"
    )
  end

  defp starts(prices), do: Linx.Prefork.stats(prices).starts

  defp set_prices(directory, json), do: File.write!(Path.join(directory, "prices.json"), json)
end

Prices.main()
