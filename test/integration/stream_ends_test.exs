defmodule Linx.Integration.StreamEndsTest do
  use Linx.Case

  alias Linx.Process
  alias Linx.Process.Error
  alias Linx.Test.Leftovers

  defp read(session, stream, sofar \\ "") do
    case Process.recv(session, stream, 10_000) do
      {:ok, bytes} -> read(session, stream, sofar <> bytes)
      {:error, :closed} -> sofar
    end
  end

  defp started(script, options) do
    options = Keyword.merge([stdio: :pipe, active: false, auto_proceed: true], options)
    {:ok, session} = Process.spawn([argv: sh(script)] ++ options)
    session
  end

  describe "output that nobody has read at the end" do
    test "is still there in a session that lingers" do
      session = started("echo out; echo err >&2; exit 3", [])
      assert Process.wait(session) == {:ok, {:exited, 3}}
      assert {:linx_process, :exited, 3} = List.last(messages())
      assert read(session, :stdout) == "out\n"
      assert read(session, :stderr) == "err\n"
      assert Process.recv(session, :all) == {:error, :closed}
      assert Process.set_active(session, true) == {:error, :no_process}
      assert {:ok, %{stage: :exited}} = Process.info(session)
    end

    test "keeps a session that does not linger until it is read" do
      Elixir.Process.flag(:trap_exit, true)
      session = started("echo out; exit 3", linger: false)
      assert {:linx_process, :exited, 3} = List.last(messages())
      ended = Elixir.Process.monitor(session)
      assert read(session, :stdout) == "out\n"
      assert_receive {:DOWN, ^ended, :process, _, {:exited, 3}}
      assert Process.recv(session, :stdout) == {:error, :no_process}
    end

    test "keeps it no longer than its owner lives" do
      test = self()

      owner =
        spawn(fn ->
          session = started("echo out", linger: false, owner: self())
          send(test, {:session, session, Process.wait(session)})
          Elixir.Process.sleep(:infinity)
        end)

      assert_receive {:session, session, {:ok, {:exited, 0}}}
      ended = Elixir.Process.monitor(session)
      Elixir.Process.exit(owner, :kill)
      assert_receive {:DOWN, ^ended, :process, _, _}
    end

    test "is none where it was all told, also without linger" do
      {:ok, session} =
        Process.spawn(argv: sh("echo out"), stdio: :pipe, auto_proceed: true, linger: false)

      ended = Elixir.Process.monitor(session)
      told = messages()
      assert {:linx_process, :stdout, "out\n"} in told
      assert {:linx_process, :stdout, :eof} in told
      assert List.last(told) == {:linx_process, :exited, 0}
      assert_receive {:DOWN, ^ended, :process, _, :normal}
    end
  end

  test "all of it arrives before the end, however late it is written" do
    for _ <- 1..20 do
      {:ok, _} = Process.spawn(argv: ["/usr/bin/seq", "2000"], stdio: :pipe, auto_proceed: true)
      told = messages()
      output = for {:linx_process, :stdout, bytes} when is_binary(bytes) <- told, do: bytes
      assert IO.iodata_to_binary(output) == Enum.map_join(1..2000, &"#{&1}\n")
      assert List.last(told) == {:linx_process, :exited, 0}
    end
  end

  test "a descendant that holds the pipe is waited for as long as was asked" do
    for {drain, heard} <- [{10_000, "first\nlate\n"}, {0, "first\n"}] do
      # Outlives its parent only without an init.
      script = "(sleep 0.3; echo late) & echo first"
      session = started(script, drain: drain, init: false)
      assert Process.wait(session, 20_000) == {:ok, {:exited, 0}}
      assert read(session, :stdout) == heard
    end
  end

  describe "who waits" do
    setup do
      {session, pid} = running(argv: ["/bin/sleep", "60"], stdio: :pipe, active: false)
      writer = Task.async(fn -> Process.write(session, :binary.copy("x", 1_000_000)) end)
      reader = Task.async(fn -> Process.recv(session, :all) end)
      wait_until(fn -> map_size(:sys.get_state(session).waits) == 2 end, "nobody waits")
      %{session: session, pid: pid, tasks: [writer, reader]}
    end

    test "hears of the workload's end", %{session: session, tasks: tasks} do
      assert Process.stop(session) == {:ok, {:signaled, 15}}
      assert Task.await_many(tasks) == [{:error, :closed}, {:error, :closed}]
    end

    test "hears of the agent's death", %{session: session, tasks: tasks} do
      %{agent: {agent, _}} = :sys.get_state(session)
      {:os_pid, guard} = Port.info(:sys.get_state(agent).port, :os_pid)
      [program | _] = Leftovers.descendants(guard)
      System.cmd("kill", ["-KILL", "#{program}"])
      assert Task.await_many(tasks) == [{:error, :closed}, {:error, :closed}]
      assert {:error, %Error{stage: :agent_died}} = Process.wait(session)
      assert Process.recv(session, :stdout) == {:error, :closed}
    end

    test "hears of the session's end", %{session: session, tasks: tasks} do
      GenServer.stop(session)
      assert Task.await_many(tasks) == [{:error, :closed}, {:error, :closed}]
      assert Process.recv(session, :stdout) == {:error, :no_process}
    end
  end

  test "the owner's death ends a workload whose output waits" do
    test = self()

    owner =
      spawn(fn ->
        {:ok, session} =
          Process.spawn(argv: ["/usr/bin/yes"], stdio: :pipe, active: 1, auto_proceed: true)

        receive do: ({:linx_process, :ready, pid} -> send(test, {:yes, session, pid}))
        receive do: ({:linx_process, :passive} -> send(test, :passive))
        Elixir.Process.sleep(:infinity)
      end)

    assert_receive {:yes, session, pid}
    assert_receive :passive
    ended = Elixir.Process.monitor(session)
    Elixir.Process.exit(owner, :kill)
    assert_receive {:DOWN, ^ended, :process, _, _}
    assert_gone(pid)
  end

  describe "stream!" do
    test "has all output, one piece after another" do
      session = started("seq 100000; echo err >&2", [])
      pieces = Enum.to_list(Process.stream!(session))
      out = for {:stdout, bytes} <- pieces, into: "", do: bytes
      assert out == Enum.map_join(1..100_000, &"#{&1}\n")
      assert for({:stderr, bytes} <- pieces, into: "", do: bytes) == "err\n"
      assert Process.wait(session) == {:ok, {:exited, 0}}
    end

    test "has lines, those of each stream put together" do
      session = started("printf 'one\\ntw'; sleep 0.05; printf 'o\\n\\nrest'", [])
      lines = Enum.to_list(Process.stream!(session, from: :stdout, lines: true))
      assert lines == ["one", "two", "", "rest"]

      session = started("printf 'a\\nb'; printf 'c\\nd' >&2", [])
      lines = Enum.sort(Process.stream!(session, lines: true))
      assert lines == [stderr: "c", stderr: "d", stdout: "a", stdout: "b"]
    end

    test "has one stream, and leaves the other" do
      session = started("echo out; echo err >&2; exit 3", [])
      assert Enum.join(Process.stream!(session, from: :stdout)) == "out\n"
      assert Enum.join(Process.stream!(session, from: :stderr)) == "err\n"
      assert Enum.join(Process.stream!(session, from: :stderr)) == ""
      assert Process.wait(session) == {:ok, {:exited, 3}}
    end

    test "kills the workload of who stops early, or fails" do
      session = started("exec yes", [])
      assert [<<"y\n", _::binary>>] = session |> Process.stream!(from: :stdout) |> Enum.take(1)
      assert Process.wait(session) == {:ok, {:signaled, 15}}

      session = started("exec yes", [])

      assert_raise RuntimeError, fn ->
        Enum.each(Process.stream!(session), fn _ -> raise "!" end)
      end

      assert Process.wait(session) == {:ok, {:signaled, 15}}
    end

    test "reads nothing before it is asked to" do
      session = started("cat", [])
      stream = Process.stream!(session, from: :stdout)
      :ok = Process.write(session, "one")
      assert Process.recv(session, :stdout, 10_000) == {:ok, "one"}
      :ok = Process.write(session, "two")
      :ok = Process.close_stdin(session)
      assert Enum.join(stream) == "two"
    end

    test "raises where there is nothing to run, to read or to ask" do
      {:ok, session} =
        Process.spawn(argv: ["/no/program"], stdio: :pipe, active: false, auto_proceed: true)

      assert_raise Error, ~r/execve failed: enoent/, fn ->
        Enum.to_list(Process.stream!(session))
      end

      session = started("exit 0", stdio: :devnull)
      assert_raise ArgumentError, ~r/no_pipe/, fn -> Enum.to_list(Process.stream!(session)) end

      for options <- [[from: :stdin], [form: :stdout], [lines: :all]],
          do: assert_raise(ArgumentError, fn -> Process.stream!(session, options) end)

      GenServer.stop(session)
      assert_raise Error, ~r/gone/, fn -> Enum.to_list(Process.stream!(session)) end
    end
  end
end
