defmodule Linx.Integration.BenchTest do
  use ExUnit.Case, async: false

  import ExUnit.CaptureIO

  alias Mix.Tasks.Linx.Bench

  @moduletag :root
  @moduletag timeout: 120_000

  @rows Enum.to_list(1..14)

  setup do
    shell = Mix.shell()
    Mix.shell(Mix.Shell.IO)
    on_exit(fn -> Mix.shell(shell) end)
  end

  @tag timeout: 180_000
  test "a quick run measures, prints and writes every row" do
    path = Path.join(System.tmp_dir!(), "linx_bench_#{System.unique_integer([:positive])}.json")
    on_exit(fn -> File.rm(path) end)

    output = capture_io(fn -> send(self(), Bench.run(["--quick", "--json", path])) end)

    assert_received %{failed: [], measures: measures}
    assert measures |> Enum.map(& &1.row) |> Enum.uniq() == @rows

    for measure <- measures do
      assert output =~ ~r/^#{measure.row} +#{Regex.escape(measure.work)}, #{measure.unit} +/m

      for figure <- measure.figures do
        assert figure.p50 <= figure.p99
        assert figure.count > 0
      end
    end

    json = path |> File.read!() |> decode()
    assert json["quick"] == true
    assert json["failed"] == []
    assert json["cpus"] =~ "idle states"
    assert length(json["measures"]) == length(measures)
    assert %{"row" => 1.0, "contenders" => [%{"name" => "linx"} | _]} = hd(json["measures"])
    assert Enum.all?(json["missing"], &(output =~ &1))
  end

  test "a run of some rows has no others" do
    output = capture_io(fn -> send(self(), Bench.run(["--quick", "--rows", "2,3"])) end)
    assert_received %{failed: [], measures: [%{row: 2}, %{row: 3}]}
    refute output =~ "row 1 "
  end

  test "a peer below LINX_BENCH_PEERS is measured" do
    ebin = peer(MuonTrap, "def cmd(path, args), do: System.cmd(path, args)")
    System.put_env("LINX_BENCH_PEERS", Path.dirname(ebin))
    on_exit(fn -> System.delete_env("LINX_BENCH_PEERS") end)

    output = capture_io(fn -> send(self(), Bench.run(["--quick", "--rows", "1"])) end)
    assert_received %{failed: [], measures: [%{figures: figures}]}
    assert %{kind: :peer, p50: p50} = Enum.find(figures, &(&1.name == "MuonTrap"))
    assert p50 > 0
    assert [missing] = Regex.run(~r/^not installed: .*$/m, output)
    refute missing =~ "MuonTrap"
  end

  # A folder with a compiled module that is on nobody's code path yet.
  defp peer(module, body) do
    ebin =
      Path.join([System.tmp_dir!(), "linx_peer_#{System.unique_integer([:positive])}", "ebin"])

    File.mkdir_p!(ebin)
    [{^module, beam}] = Code.compile_string("defmodule #{inspect(module)} do #{body} end")
    forget(module)
    File.write!(Path.join(ebin, "#{module}.beam"), beam)

    on_exit(fn ->
      Code.delete_path(ebin)
      forget(module)
      File.rm_rf!(Path.dirname(ebin))
    end)

    ebin
  end

  defp forget(module) do
    :code.purge(module)
    :code.delete(module)
    :code.purge(module)
  end

  # Strict enough to refuse what is not JSON: every construct has one form that is accepted.
  defp decode(text) do
    {value, "\n"} = value(text)
    value
  end

  defp value("{}" <> rest), do: {%{}, rest}
  defp value("{" <> rest), do: members(rest, %{})
  defp value("[]" <> rest), do: {[], rest}
  defp value("[" <> rest), do: items(rest, [])
  defp value("true" <> rest), do: {true, rest}
  defp value("false" <> rest), do: {false, rest}
  defp value("null" <> rest), do: {nil, rest}

  defp value("\"" <> _ = text) do
    [all, inside] = Regex.run(~r/^"((?:[^"\\\x00-\x1f]|\\["\\]|\\u[0-9a-f]{4})*)"/u, text)
    {inside, binary_part(text, byte_size(all), byte_size(text) - byte_size(all))}
  end

  defp value(text) do
    [number] = Regex.run(~r/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?/, text)
    rest = binary_part(text, byte_size(number), byte_size(text) - byte_size(number))
    {float, ""} = Float.parse(number)
    {float, rest}
  end

  defp members(text, map) do
    {key, ":" <> rest} = value(text)

    case value(rest) do
      {member, "," <> rest} -> members(rest, Map.put(map, key, member))
      {member, "}" <> rest} -> {Map.put(map, key, member), rest}
    end
  end

  defp items(text, list) do
    case value(text) do
      {item, "," <> rest} -> items(rest, [item | list])
      {item, "]" <> rest} -> {Enum.reverse([item | list]), rest}
    end
  end
end
