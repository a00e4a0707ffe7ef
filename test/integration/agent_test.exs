defmodule Linx.Integration.AgentTest do
  use Linx.Case

  alias Linx.Agent.{Pool, Program, Router}
  alias Linx.Process.Error

  @sleep ["/bin/sleep", "60"]

  defp pool,
    do: for({slot, agent, port} when is_integer(slot) <- :ets.tab2list(Pool), do: {agent, port})

  # The agent of a session: its process, its program, and the guard above that.
  defp agent_of(session) do
    {agent, _} = :sys.get_state(session).agent
    guard = Program.os_pid(:sys.get_state(agent).port)
    program = Enum.find(Linx.Test.Leftovers.table(), fn {_, parent, _} -> parent == guard end)
    {agent, elem(program, 0), guard}
  end

  defp kill(pid, signal), do: {_, 0} = System.cmd("kill", ["-#{signal}", "#{pid}"])

  describe "questions" do
    test "stats count the sessions" do
      {:ok, %{sessions: 0}} = Linx.Agent.stats()
      sessions = for _ <- 1..(2 * Pool.size()), do: running(argv: @sleep)
      {:ok, stats} = Linx.Agent.stats()
      assert stats.sessions == 2
      assert Enum.all?(stats.pids, &(&1 in Enum.map(sessions, fn {_, pid} -> pid end)))
      for key <- [:bytes_in, :bytes_out, :fds, :resident_bytes], do: assert(stats[key] > 0)
    end

    test "capabilities are libcap's" do
      {:ok, [:cap_chown | _] = names} = Linx.Agent.capabilities()
      assert length(names) >= 40
    end

    test "seccomp rules compile to a program, or name the call that is not known" do
      rules = fn name -> %{default: :allow, rules: [{{:errno, 1}, name, []}]} end
      assert {:ok, bpf} = Linx.Agent.compile_seccomp(rules.("mount"))
      assert rem(byte_size(bpf), 8) == 0 and bpf != ""
      assert Linx.Agent.compile_seccomp(rules.("mounnt")) == {:error, {:einval, "mounnt"}}
      assert {:error, {:einval, _}} = Linx.Agent.compile_seccomp(%{nonsense: 1})
    end

    test "many at once are each answered" do
      tasks =
        for n <- 1..50 do
          Task.async(fn ->
            if rem(n, 2) == 0, do: Linx.Agent.stats(), else: Linx.Agent.capabilities()
          end)
        end

      for {answer, n} <- Enum.with_index(Task.await_many(tasks), 1) do
        assert {:ok, value} = answer
        assert is_map(value) == (rem(n, 2) == 0)
      end
    end
  end

  describe "the pool" do
    test "has a few agents, and sessions share them" do
      assert Pool.size() in 1..4
      sessions = for _ <- 1..10, do: elem(parked(argv: @sleep), 0)
      agents = Enum.uniq(for session <- sessions, do: elem(agent_of(session), 0))
      assert length(agents) == Pool.size()
      assert length(pool()) == Pool.size()
    end

    test "gives one agent to many who ask for the first" do
      for {agent, _} <- pool(), do: :ok = DynamicSupervisor.terminate_child(Pool, agent)
      assert pool() == []
      places = Task.await_many(for _ <- 1..20, do: Task.async(&Pool.checkout/0))
      agents = Enum.uniq(for {:ok, {agent, _, _}} <- places, do: agent)
      assert length(agents) == Pool.size()
      assert length(Enum.uniq(for {:ok, {_, _, id}} <- places, do: id)) == 20
    end
  end

  describe "when linx_process dies" do
    test "its sessions are told, all is dead by then, and new ones work" do
      script = "trap '' TERM; setsid sh -c \"trap '' TERM; sleep 60\" & sleep 60"
      {session, pid} = running(argv: sh(script))
      {:ok, parked} = Linx.Process.spawn(argv: @sleep, tag: :parked)
      assert_receive {:linx_process, :parked, :ready, parked_pid}
      wait_until(fn -> length(Linx.Test.Leftovers.descendants(pid)) >= 3 end, "no tree")
      tree = [pid, parked_pid | Linx.Test.Leftovers.descendants(pid)]
      {agent, program, _} = agent_of(session)
      waiting = Task.async(fn -> Linx.Process.wait(parked) end)

      kill(program, :KILL)
      assert_receive {:linx_process, :error, 137, :agent_died}
      assert Enum.filter(tree, &File.exists?("/proc/#{&1}")) == []

      # On a larger machine the two have an agent each.
      if elem(:sys.get_state(parked).agent, 0) == agent do
        assert_receive {:linx_process, :parked, :error, 137, :agent_died}
        assert {:error, %Error{stage: :agent_died, code: 137}} = Task.await(waiting)
      end

      assert {"again", {:ok, {:exited, 0}}} = output(argv: ["/usr/bin/printf", "again"])
    end

    test "a session can be started on hearing of it" do
      for _ <- 1..5 do
        {session, _} = running(argv: @sleep)
        {_, program, _} = agent_of(session)
        kill(program, :KILL)
        assert_receive {:linx_process, :error, 137, :agent_died}
        {next, _} = running(argv: @sleep)
        assert Linx.Process.stop(next, 100) == {:ok, {:signaled, 15}}
        assert_receive {:linx_process, :signaled, 15}
      end
    end

    test "sessions started at the same moment start, or hear of it" do
      for _ <- 1..10 do
        {session, _} = running(argv: @sleep)
        {_, program, _} = agent_of(session)
        spawn(fn -> kill(program, :KILL) end)

        for _ <- 1..20 do
          {:ok, session} =
            Linx.Process.spawn(argv: ["/bin/true"], auto_proceed: true, tag: :racing)

          case Linx.Process.wait(session, 10_000) do
            {:ok, {:exited, 0}} -> :ok
            {:error, %Error{stage: :agent_died}} -> :ok
          end
        end

        assert_receive {:linx_process, :error, _, :agent_died}, 10_000
      end
    end

    test "after its guard, it winds down in order" do
      {session, pid} = running(argv: @sleep)
      {_, program, guard} = agent_of(session)
      kill(guard, :KILL)
      assert_receive {:linx_process, :signaled, 15}
      assert_gone(pid)
      assert_gone(program)
    end
  end

  test "when the agent's own process is killed its sessions are told and end by their policy" do
    {session, pid} = running(argv: @sleep)
    {agent, program, _} = agent_of(session)
    Process.exit(agent, :kill)
    assert_receive {:linx_process, :error, 1, :agent_died}
    assert_gone(pid)
    assert_gone(program)
    {_, _} = running(argv: @sleep)
  end

  describe "a session that is killed" do
    setup do
      # Its link would take the test with it.
      Process.flag(:trap_exit, true)
      :ok
    end

    test "has its running workload ended by its policy" do
      {session, pid} = running(argv: sh("trap '' TERM; sleep 60"), orphan_policy: {:kill, 100})
      {agent, _, _} = agent_of(session)
      wait_until(fn -> String.to_integer(status(pid, "SigIgn"), 16) != 0 end, "no trap")
      Process.exit(session, :kill)
      assert_gone(pid)
      wait_until(fn -> Router.size(:sys.get_state(agent).router) == 0 end, "the id is in use")
    end

    test "has its parked workload aborted, whatever its policy" do
      {session, pid} = parked(argv: @sleep, orphan_policy: :linger)
      Process.exit(session, :kill)
      assert_gone(pid)
    end

    test "leaves a running workload that may linger" do
      {session, pid} = running(argv: @sleep, orphan_policy: :linger)
      {agent, _, _} = agent_of(session)
      Process.exit(session, :kill)
      wait_until(fn -> Router.sessions(:sys.get_state(agent).router) == [] end, "not noticed")
      assert {:ok, _} = Linx.Agent.stats()
      assert status(pid, "State") =~ ~r/^[RS]/
      kill(pid, :KILL)
    end

    test "before its request is out leaves nothing" do
      for _ <- 1..50 do
        test = self()

        starter =
          spawn(fn ->
            send(test, :go)
            Linx.Process.spawn(argv: @sleep, auto_proceed: true)
            Process.sleep(:infinity)
          end)

        assert_receive :go
        Process.exit(starter, :kill)
      end

      wait_until(fn -> match?({:ok, %{sessions: 0}}, Linx.Agent.stats()) end, "sessions are left")
    end
  end

  describe "when linx_process does not read" do
    # More than a port takes.
    @wide 16 * 1024 * 1024

    # Also where the test fails: the BEAM would wait for it.
    defp stop(program) do
      on_exit(fn -> System.cmd("kill", ["-CONT", "#{program}"], stderr_to_stdout: true) end)
      kill(program, :STOP)
    end

    test "no session is suspended, and all goes on when it reads again" do
      {session, _} =
        running(
          argv: sh("stty raw -echo; echo ready; head -c 3000000 | wc -c"),
          stdio: :pty,
          window: @wide
        )

      assert_receive {:linx_process, :pty_out, "ready" <> _}
      {_, program, _} = agent_of(session)
      stop(program)

      writers =
        for _ <- 1..3,
            do:
              Task.async(fn -> Linx.Process.pty_write(session, :binary.copy("x", 1_000_000)) end)

      wait_until(
        fn -> Linx.Agent.Outbox.waiting(:sys.get_state(session).outbox) != [] end,
        "not busy"
      )

      assert {:ok, %{stage: :running}} = Linx.Process.info(session)
      assert Linx.Process.wait(session, 10) == {:error, :timeout}
      {:ok, other} = Linx.Process.spawn(argv: ["/bin/true"], auto_proceed: true, tag: :other)
      assert Linx.Process.wait(other, 10) == {:error, :timeout}

      kill(program, :CONT)
      assert Task.await_many(writers) == [:ok, :ok, :ok]
      assert_receive {:linx_process, :other, :exited, 0}
      assert_receive {:linx_process, :exited, 0}
      assert_received {:linx_process, :pty_out, "3000000" <> _}
    end

    test "its death answers who still waits" do
      {session, _} = running(argv: @sleep, stdio: :pty, window: @wide)
      {_, program, _} = agent_of(session)
      stop(program)

      writers =
        for _ <- 1..3,
            do:
              Task.async(fn -> Linx.Process.pty_write(session, :binary.copy("x", 1_000_000)) end)

      wait_until(
        fn -> length(Linx.Agent.Outbox.waiting(:sys.get_state(session).outbox)) > 2 end,
        "not busy"
      )

      kill(program, :KILL)
      answers = Task.await_many(writers)
      assert {:error, :no_process} in answers
      assert_receive {:linx_process, :error, _, :agent_died}
    end
  end

  describe "a program that is no agent" do
    setup do
      path = Path.join(tmp_dir(), "agent")
      before = Application.fetch_env(:linx, :agent_path)
      for {agent, _} <- pool(), do: :ok = DynamicSupervisor.terminate_child(Pool, agent)
      Application.put_env(:linx, :agent_path, path)

      on_exit(fn ->
        for {agent, _} <- pool(), do: :ok = DynamicSupervisor.terminate_child(Pool, agent)

        case before do
          {:ok, path} -> Application.put_env(:linx, :agent_path, path)
          :error -> Application.delete_env(:linx, :agent_path)
        end
      end)

      {:ok, path: path}
    end

    test "that is missing is named", %{path: path} do
      assert Linx.Process.spawn(argv: @sleep) == {:error, {:missing_binary, path}}
      assert Linx.Agent.stats() == {:error, {:missing_binary, path}}
      assert Linx.Agent.compile_seccomp(%{}) == {:error, {:missing_binary, path}}
    end

    test "that exits is reported to its sessions", %{path: path} do
      File.write!(path, "#!/bin/sh\nhead -c 1 <&3 >/dev/null\nexit 42\n")
      File.chmod!(path, 0o755)
      {:ok, session} = Linx.Process.spawn(argv: @sleep)
      assert {:error, %Error{stage: :agent_died}} = Linx.Process.wait(session)
      assert_receive {:linx_process, :error, _, :agent_died}
      assert Linx.Agent.stats() == {:error, :agent_died}
    end

    test "that speaks nonsense is given up", %{path: path} do
      File.write!(path, "#!/bin/sh\nprintf '\\000\\000\\000\\002no' >&4\nread x <&3\n")
      File.chmod!(path, 0o755)
      {:ok, session} = Linx.Process.spawn(argv: @sleep)
      assert {:error, %Error{stage: :agent_died, code: 1}} = Linx.Process.wait(session)
    end

    test "that speaks another version is given up", %{path: path} do
      frame = :erlang.term_to_binary({:hello, %{protocol: 2}})
      File.write!(Path.rootname(path) <> ".frame", <<byte_size(frame)::32, frame::binary>>)
      File.write!(path, "#!/bin/sh\ncat #{path}.frame >&4\nread x <&3\n")
      File.chmod!(path, 0o755)
      {:ok, session} = Linx.Process.spawn(argv: @sleep)
      assert {:error, %Error{stage: :agent_died, code: 1}} = Linx.Process.wait(session)
    end
  end
end
