defmodule Linx.Integration.EndingTest do
  use Linx.Case

  alias Linx.Process.Info
  alias Linx.Test.{Chaos, FixtureProgram}
  alias Linx.Test.Chaos.Processes

  @sleep ["/bin/sleep", "60"]
  # Says when its trap is set, and again when it is sprung.
  @trapped "trap 'echo usr1; exit 4' USR1; echo set; while :; do sleep 60 & wait; done"

  # A session with a socket to what it writes.
  defp heard(options) do
    {path, listener} = listen()
    options = [argv: sh(@trapped), stdio: [stdout: {:connect_unix, path}]] ++ options
    {session, _pid} = running(options)
    {:ok, socket} = :gen_tcp.accept(listener, 5000)
    {:ok, "set\n"} = :gen_tcp.recv(socket, 4, 5000)
    :gen_tcp.close(listener)
    {session, socket}
  end

  # A tree that is whole, of which no member minds a SIGTERM.
  defp stubborn(options) do
    on_exit(&Processes.clean_up/0)
    token = Processes.token()
    program = FixtureProgram.path("tree_hostile")
    argv = [program, token, "deaf", "stubborn", "daemon", "stopped"]
    {session, pid} = running([argv: argv, stdio: :devnull] ++ options)
    Processes.await(fn -> Processes.name(pid) == "tree_whole" end, fn -> "no tree" end)
    {session, token}
  end

  describe "the first signal may be another one" do
    test "for stop, and for what handles it" do
      {session, _} = running(argv: @sleep, kill: :sigusr1)
      assert Linx.Process.stop(session) == {:ok, {:signaled, 10}}

      {session, socket} = heard(kill: :sigusr1)
      assert Linx.Process.stop(session) == {:ok, {:exited, 4}}
      assert read_all(socket, "") == "usr1\n"
    end

    test "when the owner dies" do
      {session, socket} = heard(kill: 10)
      monitor = Process.monitor(session)
      :ok = Linx.Process.set_owner(session, spawn(fn -> :ok end))
      assert read_all(socket, "") == "usr1\n"
      assert_receive {:DOWN, ^monitor, :process, ^session, :normal}
    end

    test "when the session is killed" do
      {session, socket} = heard(kill: :sigusr1)
      Process.unlink(session)
      Process.exit(session, :kill)
      assert read_all(socket, "") == "usr1\n"
    end
  end

  describe "a timeout" do
    test "stops what runs, and info says so" do
      for agent <- [:shared, :dedicated] do
        {session, _} = running(argv: @sleep, timeout: 500, agent: agent)
        assert Linx.Process.wait(session) == {:ok, {:signaled, 15}}
        assert_receive {:linx_process, :signaled, 15}
        assert {:ok, %Info{timed_out?: true}} = Linx.Process.info(session)
        assert_silence()
      end
    end

    for kind <- [[init: true], [init: false, namespaces: [:pid]]] do
      test "ends a tree that minds no SIGTERM, #{inspect(kind)}" do
        kind = Keyword.replace_lazy(unquote(kind), :namespaces, &Chaos.own/1)
        {session, token} = stubborn(kind ++ [timeout: 2000, orphan_policy: {:kill, 50}])
        assert Linx.Process.wait(session) == {:ok, {:signaled, 9}}
        assert Processes.with_token(token) == []
      end
    end

    test "ends what may linger" do
      {session, pid} = running(argv: @sleep, timeout: 500, orphan_policy: :linger)
      assert Linx.Process.wait(session) == {:ok, {:signaled, 15}}
      assert_gone(pid)
    end

    test "aborts what is parked" do
      {session, pid} = parked(argv: @sleep, timeout: 500)
      assert Linx.Process.wait(session) == {:ok, :aborted}
      assert_gone(pid)
      assert {:ok, %Info{timed_out?: true, stage: :aborted}} = Linx.Process.info(session)
    end

    test "says nothing of what ends before" do
      {session, _} = running(argv: ["/bin/true"], timeout: 2000)
      assert Linx.Process.wait(session) == {:ok, {:exited, 0}}
      assert {:ok, %Info{timed_out?: false}} = Linx.Process.info(session)
    end

    test "is the reason that its end is, under a supervisor" do
      Process.flag(:trap_exit, true)
      options = [argv: @sleep, auto_proceed: true, linger: false, timeout: 50]
      {:ok, session} = Linx.Process.spawn(options)
      assert_receive {:EXIT, ^session, {:signaled, 15}}
    end
  end
end
