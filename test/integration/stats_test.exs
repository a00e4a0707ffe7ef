defmodule Linx.Integration.StatsTest do
  use Linx.Case

  alias Linx.Process.Stats
  alias Linx.Test.{Chaos, FixtureProgram}
  alias Linx.Test.Chaos.{Hold, Processes}

  @busy "while :; do :; done"

  defp stats(session) do
    {:ok, stats} = Linx.Process.stats(session)
    stats
  end

  for agent <- [:shared, :dedicated] do
    test "CPU time grows while the workload works, #{agent}" do
      {session, _pid} = running(argv: sh(@busy), agent: unquote(agent))
      %Stats{cpu_us: before} = stats(session)
      wait_until(fn -> stats(session).cpu_us > before + 50_000 end, "no CPU time")
      assert %Stats{processes: 1, resident_bytes: bytes} = stats(session)
      assert bytes > 100_000
    end
  end

  for kind <- [[init: true], [init: false, namespaces: [:pid]], [namespaces: [:pid], init: true]] do
    test "the whole tree counts, #{inspect(kind)}" do
      kind = Keyword.replace_lazy(unquote(kind), :namespaces, &Chaos.own/1)
      on_exit(&Processes.clean_up/0)
      argv = [FixtureProgram.path("tree_hostile"), Processes.token(), "stubborn", "daemon"]
      {session, pid} = running([argv: argv, stdio: :devnull] ++ kind)
      Processes.await(fn -> Processes.name(pid) == "tree_whole" end, fn -> "no tree" end)
      assert %Stats{processes: 3} = stats(session)
    end
  end

  test "the workload's own file descriptors" do
    {session, pid} =
      running(argv: sh("exec 7</dev/null 8</dev/null; echo; sleep 60"), stdio: :pty)

    assert_receive {:linx_process, :pty_out, _}
    assert stats(session).fds == length(File.ls!("/proc/#{pid}/fd"))
  end

  test "the bytes of each stream" do
    script = "head -c 5 >/dev/null; printf abc; printf defghij >&2; exec sleep 60"
    {session, _} = running(argv: sh(script), stdio: :pipe)
    :ok = Linx.Process.write(session, "12345")
    assert_receive {:linx_process, :stdout, "abc"}
    assert_receive {:linx_process, :stderr, "defghij"}
    assert %Stats{stdin_bytes: 5, stdout_bytes: 3, stderr_bytes: 7} = stats(session)

    {session, _} = running(argv: sh("stty -echo; printf ready; read a; printf $a"), stdio: :pty)
    assert_receive {:linx_process, :pty_out, "ready"}
    assert %Stats{pty_in_bytes: 0, pty_out_bytes: 5} = stats(session)
    :ok = Linx.Process.pty_write(session, "four\n")
    assert_receive {:linx_process, :pty_out, "four"}
    assert {:error, :no_process} = wait_and_ask(session)
  end

  defp wait_and_ask(session) do
    {:ok, {:exited, 0}} = Linx.Process.wait(session)
    Linx.Process.stats(session)
  end

  test "a parked workload has some, one that is not there yet has none" do
    {session, _} = parked(argv: ["/bin/sleep", "60"])
    assert %Stats{processes: 1} = stats(session)

    stdio = [stdin: {:connect_unix, Hold.full_backlog(tmp_dir())}]
    {:ok, session} = Linx.Process.spawn(argv: ["/bin/true"], stdio: stdio)
    assert Linx.Process.stats(session) == {:error, :not_ready}
    assert Linx.Process.stop(session) == {:ok, :aborted}
    assert Linx.Process.stats(session) == {:error, :no_process}
  end

  test "who asks when the workload ends is answered" do
    for _ <- 1..20 do
      {session, _} = running(argv: ["/bin/sleep", "60"])
      asking = for _ <- 1..5, do: Task.async(fn -> Linx.Process.stats(session) end)
      :ok = Linx.Process.signal(session, :sigkill)
      asking = asking ++ for _ <- 1..5, do: Task.async(fn -> Linx.Process.stats(session) end)

      for answer <- Task.await_many(asking),
          do: assert(answer == {:error, :no_process} or match?({:ok, %Stats{}}, answer))
    end
  end
end
