defmodule Linx.Integration.SupervisionTest do
  use Linx.Case

  alias Linx.Process.Error

  @sleep ["/bin/sleep", "60"]
  # Says on fd 1 that its trap is set, so that a test can wait for it.
  @deaf "trap '' TERM; echo deaf; sleep 60 & wait; wait"

  # A workload that ignores SIGTERM for certain, below a supervisor that the test may lose.
  defp deaf(options) do
    {path, listener} = listen()
    options = [argv: sh(@deaf), stdio: [stdout: {:connect_unix, path}], tag: :deaf] ++ options
    {:ok, session} = Linx.Process.spawn([auto_proceed: true] ++ options)
    {:ok, socket} = :gen_tcp.accept(listener, 5000)
    {:ok, "deaf\n"} = :gen_tcp.recv(socket, 5)
    assert_receive {:linx_process, :deaf, :ready, pid}
    assert_receive {:linx_process, :deaf, :running}
    :gen_tcp.close(socket)
    :gen_tcp.close(listener)
    {session, pid}
  end

  defp supervise(options) do
    child = {Linx.Process, [auto_proceed: true, owner: self()] ++ options}
    {:ok, supervisor} = Supervisor.start_link([child], strategy: :one_for_one, max_restarts: 3)
    assert_receive {:linx_process, :running}
    [{_, session, :worker, _}] = Supervisor.which_children(supervisor)
    {:ok, pid} = Linx.Process.host_pid(session)
    {supervisor, session, pid}
  end

  # A process that starts a session and ends when it is told to.
  defp starter(options) do
    test = self()

    spawn(fn ->
      send(test, {:started, Linx.Process.spawn([auto_proceed: true, owner: test] ++ options)})
      receive do: ({:exit, reason} -> exit(reason))
    end)
  end

  test "a child spec" do
    options = [argv: @sleep, id: :daemon, restart: :transient, shutdown: 100, tag: 1]

    assert Linx.Process.child_spec(options) == %{
             id: :daemon,
             start: {Linx.Process, :spawn, [[linger: false, argv: @sleep, tag: 1]]},
             restart: :transient,
             shutdown: 100,
             type: :worker
           }

    assert %{id: Linx.Process, restart: :permanent, shutdown: 5000, start: {_, _, [options]}} =
             Linx.Process.child_spec(argv: @sleep, linger: true)

    assert options == [argv: @sleep, linger: true]
  end

  describe "without linger a session stops with a reason that tells the outcome" do
    setup do
      Process.flag(:trap_exit, true)
      :ok
    end

    defp reason(argv, act \\ fn _ -> :ok end, options \\ [auto_proceed: true]) do
      {:ok, session} = Linx.Process.spawn([argv: argv, linger: false] ++ options)
      assert_receive {:linx_process, :ready, _}
      act.(session)
      assert_receive {:EXIT, ^session, reason}
      reason
    end

    test "exit codes" do
      assert reason(["/bin/true"]) == :normal
      assert reason(sh("exit 3")) == {:exited, 3}
    end

    test "signals, aborts, errors" do
      assert reason(@sleep, &Linx.Process.signal(&1, 9)) == {:signaled, 9}
      assert reason(@sleep, &Linx.Process.abort/1, []) == {:shutdown, :aborted}
      assert {:error, %Error{stage: :execve, errno: :enoent}} = reason(["/no/such"])
    end

    test "who waits is answered first" do
      {session, _} = running(argv: @sleep, linger: false)
      task = Task.async(fn -> Linx.Process.wait(session) end)
      wait_until(fn -> :sys.get_state(session).machine.waiters != [] end, "nobody waits")
      Linx.Process.signal(session, 9)
      assert Task.await(task) == {:ok, {:signaled, 9}}
    end
  end

  describe "a supervisor" do
    test "restarts a workload that ends" do
      {supervisor, session, pid} = supervise(argv: @sleep)
      :ok = Linx.Process.signal(session, 9)
      assert_receive {:linx_process, :signaled, 9}
      assert_receive {:linx_process, :running}
      [{_, next, :worker, _}] = Supervisor.which_children(supervisor)
      assert next != session
      assert {:ok, next_pid} = Linx.Process.host_pid(next)
      assert next_pid != pid
      Supervisor.stop(supervisor)
      refute File.exists?("/proc/#{next_pid}")
    end

    test "ends the workload with its shutdown" do
      {supervisor, session, pid} = supervise(argv: @sleep)
      :ok = Supervisor.terminate_child(supervisor, Linx.Process)
      refute Process.alive?(session)
      refute File.exists?("/proc/#{pid}")
      assert_received {:linx_process, :signaled, 15}
      Supervisor.stop(supervisor)
    end

    test "by default waits long enough for a workload that ignores SIGTERM" do
      {session, pid} = deaf([])
      monitor = Process.monitor(session)
      Process.unlink(session)
      # As a supervisor does it, with the default :shutdown.
      Process.exit(session, :shutdown)
      assert_receive {:DOWN, ^monitor, :process, _, :shutdown}, 5000
      refute File.exists?("/proc/#{pid}")
      assert_received {:linx_process, :deaf, :signaled, 9}
    end

    test "that kills the session leaves the end to the agent" do
      {supervisor, session, pid} = supervise(argv: @sleep, shutdown: :brutal_kill)
      Supervisor.stop(supervisor)
      refute Process.alive?(session)
      assert_gone(pid)
    end
  end

  describe "the workload is ended before the session is gone" do
    test "by GenServer.stop" do
      {session, pid} = running(argv: @sleep)
      GenServer.stop(session)
      refute File.exists?("/proc/#{pid}")
      assert_receive {:linx_process, :signaled, 15}

      {session, pid} = parked(argv: @sleep)
      GenServer.stop(session)
      refute File.exists?("/proc/#{pid}")
      assert_receive {:linx_process, :aborted}
    end

    test "by GenServer.stop with an init, a tree, and a short grace" do
      {session, pid} = deaf(orphan_policy: {:kill, 50})
      tree = [pid | Linx.Test.Leftovers.descendants(pid)]
      GenServer.stop(session)
      assert Enum.filter(tree, &File.exists?("/proc/#{&1}")) == []
    end

    test "when who started it crashes" do
      starter = starter(argv: @sleep)
      assert_receive {:started, {:ok, session}}
      assert_receive {:linx_process, :ready, pid}
      assert_receive {:linx_process, :running}
      send(starter, {:exit, :crash})
      assert reason_of_end(session) == :crash
      refute File.exists?("/proc/#{pid}")
      assert_received {:linx_process, :signaled, 15}
    end

    test "but not when who started it ends well and is not its owner" do
      starter = starter(argv: @sleep)
      assert_receive {:started, {:ok, session}}
      assert_receive {:linx_process, :running}
      monitor = Process.monitor(starter)
      send(starter, {:exit, :normal})
      assert_receive {:DOWN, ^monitor, _, _, _}
      assert {:ok, %{stage: :running}} = Linx.Process.info(session)
      assert Linx.Process.stop(session) == {:ok, {:signaled, 15}}
    end

    test "a dedicated agent's, too" do
      {session, pid} = running(argv: @sleep, agent: :dedicated)
      GenServer.stop(session)
      refute File.exists?("/proc/#{pid}")
      assert_receive {:linx_process, :signaled, 15}
    end
  end

  describe "the owner's death" do
    for {stage, options} <- [ready: [], running: [auto_proceed: true]] do
      test "ends a #{stage} session, with and without linger" do
        for linger <- [true, false] do
          owner = spawn(fn -> Process.sleep(:infinity) end)
          options = [argv: @sleep, owner: owner, linger: linger] ++ unquote(options)
          {:ok, session} = Linx.Process.spawn(options)
          Process.unlink(session)
          stage? = fn -> match?({:ok, %{stage: unquote(stage)}}, Linx.Process.info(session)) end
          wait_until(stage?, "not #{unquote(stage)}")
          {:ok, pid} = Linx.Process.host_pid(session)
          Process.exit(owner, :kill)
          reason = reason_of_end(session)
          refute File.exists?("/proc/#{pid}")

          expected = if unquote(stage) == :ready, do: {:shutdown, :aborted}, else: {:signaled, 15}
          assert reason == if(linger, do: :normal, else: expected)
        end
      end
    end

    test "ends a session that is starting" do
      owner = spawn(fn -> :ok end)
      {:ok, session} = Linx.Process.spawn(argv: @sleep, owner: owner)
      assert reason_of_end(session) == :normal
    end

    test "lets a session stop that lingered for it" do
      owner = spawn(fn -> Process.sleep(:infinity) end)
      {:ok, session} = Linx.Process.spawn(argv: ["/bin/true"], auto_proceed: true, owner: owner)
      assert Linx.Process.wait(session) == {:ok, {:exited, 0}}
      assert {:ok, %{stage: :exited}} = Linx.Process.info(session)
      Process.exit(owner, :kill)
      assert reason_of_end(session) == :normal
    end
  end

  describe "a workload that may linger" do
    setup do
      Process.flag(:trap_exit, true)
      {session, pid} = running(argv: @sleep, orphan_policy: :linger)
      on_exit(fn -> System.cmd("kill", ["-KILL", "#{pid}"], stderr_to_stdout: true) end)
      {:ok, session: session, pid: pid}
    end

    test "is left alone by a shutdown", %{session: session, pid: pid} do
      GenServer.stop(session)
      assert status(pid, "State") =~ ~r/^[RSD]/
      assert_silence()
    end

    test "is left alone when its owner dies", %{session: session, pid: pid} do
      owner = spawn(fn -> :ok end)
      :ok = Linx.Process.set_owner(session, owner)
      assert reason_of_end(session) == :normal
      assert status(pid, "State") =~ ~r/^[RSD]/
    end

    test "ends by stop", %{session: session, pid: pid} do
      assert Linx.Process.stop(session) == {:ok, {:signaled, 15}}
      refute File.exists?("/proc/#{pid}")
    end
  end

  test "a parked workload is aborted even if it may linger" do
    {session, pid} = parked(argv: @sleep, orphan_policy: :linger)
    GenServer.stop(session)
    refute File.exists?("/proc/#{pid}")
    assert_receive {:linx_process, :aborted}
  end
end
