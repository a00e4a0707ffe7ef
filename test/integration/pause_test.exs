defmodule Linx.Integration.PauseTest do
  use Linx.Case

  alias Linx.Process.Info
  alias Linx.Test.{Chaos, FixtureProgram}
  alias Linx.Test.Chaos.Processes

  # Each of them minds no SIGTERM, and one has left.
  @tree ["deaf", "stubborn", "daemon"]

  setup do
    on_exit(&Processes.clean_up/0)
  end

  defp tree(options, members \\ @tree) do
    token = Processes.token()
    argv = [FixtureProgram.path("tree_hostile"), token | members]
    {session, pid} = running([argv: argv, stdio: :devnull] ++ options)
    Processes.await(fn -> Processes.name(pid) == "tree_whole" end, fn -> "no tree" end)
    {session, token}
  end

  defp states(token),
    do: for(p <- Processes.with_token(token), p.name =~ "tree", uniq: true, do: p.state)

  # Frozen by a cgroup, a process is in S or D; stopped, in T.
  defp assert_still(session) do
    {:ok, %{cpu_us: cpu_us}} = Linx.Process.stats(session)
    for _ <- 1..20, do: assert({:ok, %{cpu_us: ^cpu_us}} = Linx.Process.stats(session))
  end

  defp await_work(session) do
    {:ok, %{cpu_us: before}} = Linx.Process.stats(session)

    works? = fn ->
      {:ok, %{cpu_us: cpu_us}} = Linx.Process.stats(session)
      cpu_us > before + 20_000
    end

    wait_until(works?, "it does not work")
  end

  kinds = [[init: true], [init: false, namespaces: [:pid]], [init: true, namespaces: [:pid]]]

  for kind <- kinds, agent <- [:shared, :dedicated] do
    test "holds the whole tree and lets it go on, #{agent}, #{inspect(kind)}" do
      kind = Keyword.replace_lazy(unquote(kind), :namespaces, &Chaos.own/1)
      {session, token} = tree(kind ++ [agent: unquote(agent)])
      assert Linx.Process.pause(session) == :ok
      assert {:ok, %Info{stage: :running, paused?: true}} = Linx.Process.info(session)
      assert states(token) == ["T"]
      assert Linx.Process.pause(session) == :ok

      assert Linx.Process.resume(session) == :ok
      assert {:ok, %Info{paused?: false}} = Linx.Process.info(session)
      wait_until(fn -> states(token) == ["S"] end, "still paused")
      assert Linx.Process.resume(session) == :ok
      assert_silence()
      assert Linx.Process.stop(session, 0) |> elem(0) == :ok
      assert Processes.with_token(token) == []
    end
  end

  test "holds what works without pause, and what forks without pause" do
    {session, _} = running(argv: sh("while :; do :; done"))
    await_work(session)
    assert Linx.Process.pause(session) == :ok
    assert_still(session)
    assert Linx.Process.resume(session) == :ok
    await_work(session)

    {session, token} = tree([], ["forker"])
    assert Linx.Process.pause(session) == :ok
    assert states(token) == ["T"]
    still = Processes.with_token(token)
    assert Processes.with_token(token) == still
    assert Linx.Process.resume(session) == :ok
    Processes.await(fn -> Processes.with_token(token) != still end, fn -> "it forks no more" end)
  end

  test "is for what runs" do
    {session, _} = parked(argv: ["/bin/sleep", "60"])
    for verb <- [:pause, :resume], do: assert(ask(verb, session) == {:error, :not_running})
    assert Linx.Process.stop(session) == {:ok, :aborted}
    for verb <- [:pause, :resume], do: assert(ask(verb, session) == {:error, :no_process})
  end

  defp ask(verb, session), do: apply(Linx.Process, verb, [session])

  describe "a paused session" do
    test "that can end by itself is woken for it" do
      {session, _} = running(argv: sh("trap 'exit 4' TERM; while :; do sleep 60 & wait; done"))
      assert Linx.Process.pause(session) == :ok
      # The trap may not be set yet.
      assert Linx.Process.stop(session) in [{:ok, {:exited, 4}}, {:ok, {:signaled, 15}}]
    end

    test "is woken for another first signal, too" do
      {session, _} = running(argv: ["/bin/sleep", "60"], kill: :sigusr1)
      assert Linx.Process.pause(session) == :ok
      assert Linx.Process.stop(session) == {:ok, {:signaled, 10}}
    end

    for kind <- kinds do
      test "that minds no SIGTERM is killed with its tree, #{inspect(kind)}" do
        kind = Keyword.replace_lazy(unquote(kind), :namespaces, &Chaos.own/1)
        {session, token} = tree(kind)
        assert Linx.Process.pause(session) == :ok
        assert Linx.Process.stop(session, 100) == {:ok, {:signaled, 9}}
        assert Processes.with_token(token) == []
      end
    end

    for kind <- kinds do
      @tag :cgroup2
      test "in a cgroup is killed with its tree, #{inspect(kind)}" do
        kind = Keyword.replace_lazy(unquote(kind), :namespaces, &Chaos.own/1)

        for end_it <- [
              &Linx.Process.stop(&1, 50),
              &Linx.Process.signal(&1, :sigkill),
              &Linx.Process.set_owner(&1, spawn(fn -> :ok end)),
              &Process.exit(&1, :kill)
            ] do
          {session, token} = tree(kind ++ [cgroup: true, orphan_policy: {:kill, 50}])
          Process.unlink(session)
          assert Linx.Process.pause(session) == :ok
          end_it.(session)
          Processes.assert_none("paused", [token])
        end
      end
    end

    test "ends with its owner, and with its own process" do
      for end_it <- [
            fn session -> Linx.Process.set_owner(session, spawn(fn -> :ok end)) end,
            fn session ->
              Process.unlink(session)
              Process.exit(session, :kill)
            end
          ] do
        {session, token} = tree(orphan_policy: {:kill, 50})
        assert Linx.Process.pause(session) == :ok
        end_it.(session)
        Processes.assert_none("paused", [token])
      end
    end

    test "can be killed by a signal, and ends when its time is over" do
      {session, token} = tree([])
      assert Linx.Process.pause(session) == :ok
      assert Linx.Process.signal(session, :sigkill) == :ok
      assert Linx.Process.wait(session) == {:ok, {:signaled, 9}}
      assert Processes.with_token(token) == []

      {session, _} = running(argv: ["/bin/sleep", "60"], timeout: 500)
      assert Linx.Process.pause(session) == :ok
      assert Linx.Process.wait(session) == {:ok, {:signaled, 15}}
    end
  end
end
