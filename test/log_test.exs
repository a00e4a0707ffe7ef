defmodule Linx.LogTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureLog

  alias Linx.Log

  doctest Linx.Log
  doctest Linx.Command.Sink

  defp logged(options, chunks) do
    {:ok, log} = Log.new(options)

    [format: "$level|$message|$metadata\n", metadata: [:stream, :job], colors: [enabled: false]]
    |> capture_log(fn ->
      chunks
      |> Enum.reduce(log, fn {source, bytes}, log -> Log.put(log, source, bytes) end)
      |> Log.flush()
    end)
    |> String.split("\n", trim: true)
  end

  test "each line is a message, and so is a last one without an end" do
    assert logged(:info, stdout: "one\ntw", stdout: "o\r\n\nthree") == [
             "info|one|stream=stdout ",
             "info|two|stream=stdout ",
             "info||stream=stdout ",
             "info|three|stream=stdout "
           ]
  end

  test "level, prefix and metadata are those that were asked for" do
    options = [level: :warning, stderr: :error, prefix: "p: ", metadata: [job: 7]]

    assert logged(options, stdout: "out\n", stderr: "err\n") == [
             "warning|p: out|stream=stdout job=7 ",
             "error|p: err|stream=stderr job=7 "
           ]
  end

  test "sources do not mix" do
    chunks = [{{0, :stderr}, "a"}, {{1, :stderr}, "b"}, {{0, :stderr}, "a\n"}]
    assert logged(:info, chunks) == ["info|aa|stream=stderr ", "info|b|stream=stderr "]
  end

  test "a long line comes in marked pieces" do
    line = String.duplicate("x", 40)

    assert logged([max_line: 16], stdout: line <> "\nshort\n") == [
             "info|#{String.duplicate("x", 16)}…|stream=stdout ",
             "info|#{String.duplicate("x", 16)}…|stream=stdout ",
             "info|#{String.duplicate("x", 8)}|stream=stdout ",
             "info|short|stream=stdout "
           ]
  end

  test "a character is not cut in two" do
    assert [first, second] =
             logged([max_line: 16], stdout: "x" <> String.duplicate("ä", 9) <> "\n")

    refute first <> second =~ "\\x"

    assert [first, second] =
             logged([max_line: 16], stdout: "xy" <> String.duplicate("€", 6) <> "\n")

    refute first <> second =~ "\\x"
  end

  test "what is no text is escaped" do
    assert logged(:info, stdout: <<"a", 27, "[2J", 0, 255, 0xC2, 0x9B, 7, "\tb", "ü">> <> "\n") ==
             [
               "info|a\\x1B[2J\\x00\\xFF\\xC2\\x9B\\x07\tbü|stream=stdout "
             ]
  end

  test "options that are none are refused" do
    for options <- [
          "info",
          :loud,
          nil,
          [level: :loud],
          [stderr: "x"],
          [prefix: 1],
          [prefix: <<255>>],
          [metadata: 1],
          [max_line: 0],
          [max_line: 15],
          [other: 1],
          [1]
        ],
        do: assert(Log.new(options) == :error)
  end
end
