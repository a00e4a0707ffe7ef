defmodule Linx.Integration.PreforkCommandEndsTest do
  use Linx.Case

  alias Linx.Test.WarmScript

  @moduletag timeout: 600_000

  setup do
    %{script: WarmScript.new(tmp_dir())}
  end

  defp kill(script, role) do
    [pid] = WarmScript.await_pids(script, role, 1)
    assert WarmScript.signal(pid, "KILL") == 0
  end

  # The next run is as any other, whatever has happened before.
  defp assert_serves(script),
    do: assert(WarmScript.run(script, ["do-exit", "7"]) == {"", {:exited, 7}})

  test "a client that is killed takes its run along, and the server stays", %{script: script} do
    held = WarmScript.hold(script)
    kill(script, :client)
    assert WarmScript.status(held) == 128 + 9
    WarmScript.await_pids(script, :executor, 0)
    WarmScript.await_pids(script, :monitor, 0)
    assert_serves(script)
    assert WarmScript.starts(script) == 1
  end

  test "every signal to a client does", %{script: script} do
    for {name, number} <- [INT: 2, TERM: 15, HUP: 1] do
      held = WarmScript.hold(script)
      [client] = WarmScript.pids(script, :client)
      WarmScript.signal(client, "#{name}")
      assert WarmScript.status(held) == 128 + number
      WarmScript.await_pids(script, :executor, 0)
    end

    assert WarmScript.starts(script) == 1
  end

  test "a client that is stopped holds up nobody, and goes on", %{script: script} do
    held = WarmScript.hold(script)
    [client] = WarmScript.pids(script, :client)
    WarmScript.signal(client, "STOP")
    assert_serves(script)
    kill(script, :executor)
    WarmScript.await_pids(script, :executor, 0)
    WarmScript.signal(client, "CONT")
    assert WarmScript.status(held) == 128 + 9
  end

  test "an executor that is killed ends its client by the same signal", %{script: script} do
    held = WarmScript.hold(script)
    kill(script, :executor)
    assert WarmScript.status(held) == 128 + 9
    assert_serves(script)
    assert WarmScript.starts(script) == 1
  end

  test "a monitor that is killed leaves no executor, and its client says so", %{script: script} do
    held = WarmScript.hold(script)
    kill(script, :monitor)
    assert WarmScript.status(held) == 127
    WarmScript.await_pids(script, :executor, 0)
    # Without its parent it is known by its command line alone.
    WarmScript.await_pids(script, nil, 0)
    assert_serves(script)
  end

  test "a server that is killed leaves its runs, and the next client starts another", context do
    script = context.script
    held = WarmScript.hold(script)
    kill(script, :server)
    assert_serves(script)
    assert WarmScript.starts(script) == 2
    [executor] = WarmScript.pids(script, :executor)
    WarmScript.signal(executor, "TERM")
    assert WarmScript.status(held) == 128 + 15
    WarmScript.await_pids(script, :watcher, 1)
  end

  test "a watcher that is killed takes its server along, not the runs", %{script: script} do
    held = WarmScript.hold(script)
    [server] = WarmScript.pids(script, :server)
    kill(script, :watcher)
    WarmScript.await_pids(script, :server, 0)
    assert_serves(script)
    refute WarmScript.await_pids(script, :server, 1) == [server]
    [executor] = WarmScript.pids(script, :executor)
    WarmScript.signal(executor, "TERM")
    assert WarmScript.status(held) == 128 + 15
  end

  test "a client that is killed while it starts a server leaves it to others", context do
    script = context.script
    gate = script.path <> ".gate"
    {"", 0} = System.cmd("mkfifo", [gate])
    port = WarmScript.open(script, ["do-exit", "0"])
    WarmScript.await_starts(script, 1)
    [client] = WarmScript.pids(script, :client)
    others = for _ <- 1..3, do: Task.async(fn -> assert_serves(script) end)
    WarmScript.await_pids(script, :client, 4)
    assert WarmScript.signal(client, "KILL") == 0
    # Waits until it is opened for reading, too.
    {"", 0} = System.cmd("sh", ["-c", ": >$0", gate])
    Task.await_many(others, 60_000)
    assert WarmScript.status(port) == 128 + 9
    assert WarmScript.starts(script) == 1
  end

  # At a point that chance chooses, so that in time each is met.
  test "killing anything at any point hangs no client and leaves nothing", %{script: script} do
    seed = :rand.uniform(1_000_000)
    :rand.seed(:exsss, seed)

    for round <- 1..long(40, 600) do
      what = "seed #{seed}, round #{round}"
      if :rand.uniform(3) == 1, do: WarmScript.end_all(script)
      port = WarmScript.open(script, Enum.random([["do-exit", "0"], ["do-kill", "TERM"]]))
      role = Enum.random([:client, :watcher, :server, :monitor, :executor, nil])
      Process.sleep(:rand.uniform(60))
      for pid <- WarmScript.pids(script, role), do: WarmScript.signal(pid, "KILL")
      # 2: perl's when it is interrupted as it starts.
      assert WarmScript.status(port) in [0, 1, 2, 4, 127, 128 + 9, 128 + 15, 128 + 2], what
      assert WarmScript.run(script, ["do-exit", "7"]) == {"", {:exited, 7}}, what
    end

    for role <- [:client, :monitor, :executor], do: WarmScript.await_pids(script, role, 0)
  end
end
