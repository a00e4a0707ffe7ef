defmodule Linx.TopTest do
  use ExUnit.Case, async: true

  doctest Linx.Top.View

  alias Linx.Process.Stats
  alias Linx.Top.View

  defp row(name, fields) do
    Map.merge(
      %{
        name: name,
        stage: :running,
        paused?: false,
        host_pid: 41,
        age_ms: 10_000,
        command: "/bin/sleep 60",
        stats: %Stats{cpu_us: 0, processes: 1, resident_bytes: 2048}
      },
      Map.new(fields)
    )
  end

  defp sample(rows, at \\ 0), do: %{node: :app@host, at: at, silent: 0, sessions: rows}

  defp cells(line), do: String.split(line, ~r/\s+/)

  test "a row tells what the session is and uses" do
    stats = %Stats{
      cpu_us: 2_500_000,
      processes: 3,
      fds: 4,
      resident_bytes: 10_485_760,
      stdin_bytes: 1,
      pty_in_bytes: 2,
      stdout_bytes: 4096,
      stderr_bytes: 1024
    }

    [heading, titles, line] = View.lines(sample([row("<0.9.0>", stats: stats)]), nil)
    assert heading == "app@host: 1 session, 1 running, 3 processes, CPU 25.0 %, memory 10M"

    assert cells(titles) == ~w(SESSION PID STATE AGE CPU% CPU MEM PROCS FDS IN OUT COMMAND)
    assert cells(line) == ~w(<0.9.0> 41 running 10.0s 25.0 2.5s 10M 3 4 3 5.0K /bin/sleep 60)
  end

  test "what is not known yet is a dash" do
    starting = row("<0.9.0>", stage: :starting, host_pid: nil, command: nil, stats: nil)
    [_, _, line] = View.lines(sample([starting]), nil)
    assert cells(line) == ~w(<0.9.0> - starting 10.0s - - - - - - - -)
  end

  test "a paused session is called so, and silent ones are counted" do
    sample = %{sample([row("<0.9.0>", paused?: true)]) | silent: 2}
    [heading, _, line] = View.lines(sample, nil)
    assert heading =~ ", without an answer: 2"
    assert line =~ " paused "
  end

  test "the share of a CPU is that since the sample before, the busiest first" do
    busy = &row("<0.8.0>", stats: %Stats{cpu_us: &1})
    idle = row("<0.7.0>", stats: %Stats{cpu_us: 9_000_000})
    before = sample([idle, busy.(100_000)], 1000)
    [_, _, first, second] = View.lines(sample([idle, busy.(600_000)], 2000), before)
    assert ["<0.8.0>", _, _, _, "50.0" | _] = cells(first)
    assert ["<0.7.0>", _, _, _, "0.0" | _] = cells(second)
  end

  test "a command line cannot write to the terminal" do
    [_, _, line] = View.lines(sample([row("<0.9.0>", command: "a\e[2Jb\nc\u202Ed")]), nil)
    assert line =~ "a?[2Jb?c?d"
    [_, _, line] = View.lines(sample([row("<0.9.0>", command: <<"a", 255, 27, "b">>)]), nil)
    assert line =~ "a?b"
  end

  test "a screen holds no more than it has room for, and nothing from before" do
    rows = for n <- 1..9, do: row("<0.#{n}.0>", [])
    screen = IO.iodata_to_binary(View.screen(sample(rows), nil, {4, 20}))
    assert "\e[H" <> lines = screen
    assert ["app@host: 9 sessions", titles, _row, "\e[J"] = String.split(lines, "\e[K\r\n")
    assert String.length(titles) == 20
  end
end
