defmodule Linx.Integration.PreforkTest do
  use Linx.Case

  alias Linx.{Prefork, Sandbox}
  alias Linx.Prefork.Error

  @deadline 60_000
  @python System.find_executable("python3")

  # Ready after `before`; `body` is what each run does.
  defp script(body, before \\ "", options \\ "") do
    path = Path.join(tmp_dir(), "script.py")
    write(path, body, before, options)
    path
  end

  defp write(path, body, before \\ "", options \\ "") do
    File.write!(path, """
    import os, sys, time
    sys.path.insert(0, #{inspect(Path.expand("priv"))})
    import linx_prefork
    #{before}
    linx_prefork.initialisation_complete(#{options})
    #{body}
    """)
  end

  defp start(path, options \\ []) do
    {:ok, server} = Prefork.start_link([argv: [@python, path]] ++ options)
    server
  end

  defp warm(path, options \\ []) do
    server = start(path, options)
    assert Prefork.await(server, @deadline) == :ok
    server
  end

  test "a run has its arguments, environment, stdio and status" do
    body = """
    print(sys.argv[1:], os.environ.get("A"), os.environ.get("PREFORK_INTERP"), sys.stdin.read())
    print("oops", file=sys.stderr)
    sys.exit(3)
    """

    server = warm(script(body))
    options = [env: [{"A", "1"}], input: "in", stderr: :separate]
    assert {{out, "oops\n"}, 3} = Prefork.run(server, ["x", "", "z"], options)
    assert out == "['x', '', 'z'] 1 None in\n"
    options = [into: [], lines: 1, input: ["a", "b"], stderr: :separate]
    assert {{["[] None None ab"], "oops\n"}, 3} = Prefork.run(server, [], options)
    assert %{state: :up, starts: 1, runs: 2, running: 0} = Prefork.stats(server)
    assert Prefork.stop(server) == :ok
  end

  test "what came before the call is done once" do
    server = warm(script("print(token)", "token = os.urandom(8).hex()"))
    assert {token, 0} = Prefork.run(server, [])

    runs = for _ <- 1..8, do: Task.async(fn -> Prefork.run(server, []) end)
    assert Enum.uniq(Task.await_many(runs, @deadline)) == [{token, 0}]
    Prefork.stop(server)
  end

  test "a signal's end, a timeout and too much output are those of a command" do
    body = """
    if sys.argv[1] == "kill": os.kill(os.getpid(), 15)
    if sys.argv[1] == "sleep": print("begun", flush=True); time.sleep(1000)
    while True: print("x" * 1000)
    """

    server = warm(script(body))
    assert Prefork.run(server, ["kill"]) == {"", {:signal, 15}}
    # What Python says when it is interrupted.
    quiet = [stderr: :separate]

    assert %Linx.Command.Error{reason: :timeout} =
             catch_error(Prefork.run(server, ["sleep"], [timeout: 500] ++ quiet))

    assert %Linx.Command.Error{reason: :max_output} =
             catch_error(Prefork.run(server, ["flood"], [max_output: 10_000] ++ quiet))

    assert %{running: 0} = Prefork.stats(server)
    Prefork.stop(server)
  end

  test "a run as a session, at its checkpoint and with a terminal" do
    server = warm(script("print(os.isatty(0), input(), flush=True)"))
    {:ok, session} = Prefork.spawn(server, [], stdio: :pty, tag: :run)
    assert_receive {:linx_process, :run, :ready, pid}, @deadline
    assert File.exists?("/proc/#{pid}")
    refute_received {:linx_process, :run, :running}
    assert Linx.Process.proceed(session) == :ok
    assert_receive {:linx_process, :run, :running}, @deadline
    assert Linx.Process.pty_write(session, "hello\n") == :ok
    assert Linx.Process.wait(session, @deadline) == {:ok, {:exited, 0}}
    assert terminal("") =~ "True hello"

    {:ok, session} = Prefork.spawn(server, [], stdio: :devnull)
    assert_receive {:linx_process, :ready, _pid}, @deadline
    assert Linx.Process.abort(session) == :ok
    assert_receive {:linx_process, :aborted}, @deadline
    assert {:error, {:not_with_prefork, :uid}} = Prefork.spawn(server, [], uid: 0)
    Prefork.stop(server)
  end

  defp terminal(text) do
    receive do
      {:linx_process, :run, :pty_out, bytes} -> terminal(text <> bytes)
    after
      0 -> text
    end
  end

  test "a run that is stopped is interrupted, and killed where it does not mind" do
    body = """
    import signal
    if sys.argv[1] == "deaf": signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        print("begun", flush=True)
        while True: time.sleep(1000)
    except KeyboardInterrupt:
        sys.exit(7)
    """

    server = warm(script(body))

    for {how, grace, outcome} <- [{"", @deadline, {:exited, 7}}, {"deaf", 10, {:signaled, 9}}] do
      options = [stdio: [stdout: :pipe], auto_proceed: true, tag: how]
      {:ok, session} = Prefork.spawn(server, [how], options)
      assert_receive {:linx_process, ^how, :stdout, "begun" <> _}, @deadline
      assert Linx.Process.stop(session, grace) == {:ok, outcome}
    end

    Prefork.stop(server)
  end

  test "a script whose file has changed is started anew, and its run is none the wiser" do
    path = script("print('old')")
    server = warm(path)
    assert Prefork.run(server, []) == {"old\n", 0}
    write(path, "print('new', sys.stdin.read())")
    runs = for _ <- 1..4, do: Task.async(fn -> Prefork.run(server, [], input: "in") end)
    assert Enum.uniq(Task.await_many(runs, @deadline)) == [{"new in\n", 0}]
    assert %{starts: 2} = Prefork.stats(server)
    Prefork.stop(server)
  end

  test "a script that was killed is started again by the next run" do
    server = warm(script("print(1)"))

    [{_generation, %{sessions: %{session: session}}}] =
      Map.to_list(:sys.get_state(server).scripts)

    assert Linx.Process.signal(session, :sigterm) == :ok
    wait_until(fn -> Prefork.stats(server).state != :up end, "it is not missed")
    assert Prefork.run(server, []) == {"1\n", 0}
    assert Prefork.stats(server).starts == 2
    Prefork.stop(server)
  end

  test "a script that does not start tells why, to all who wait" do
    server = start(script("", "print('no table', file=sys.stderr); sys.exit(4)"))
    assert {:error, %Error{reason: {:exited, 4}} = error} = Prefork.await(server, @deadline)
    assert error.output == "no table\n"
    assert Exception.message(error) =~ "script.py exited with 4 before"

    runs = for _ <- 1..3, do: Task.async(fn -> catch_error(Prefork.run(server, [])) end)
    assert [%Error{}, %Error{}, %Error{}] = Task.await_many(runs, @deadline)
    assert {:error, %Error{}} = Prefork.spawn(server, [])
    Prefork.stop(server)

    server = start(script("", "time.sleep(1000)"), start_timeout: 200)
    assert {:error, %Error{reason: :start_timeout}} = Prefork.await(server, @deadline)
    Prefork.stop(server)

    {:ok, server} = Prefork.start_link(argv: ["/bin/true"], ident: "nothing")

    assert {:error, %Error{reason: {:exited, 0}, ident: "nothing"}} =
             Prefork.await(server, @deadline)

    Prefork.stop(server)
  end

  test "nothing is left when its owner dies, also of a run" do
    path = script("print(os.getpid(), flush=True); time.sleep(1000)")
    test = self()

    owner =
      spawn(fn ->
        server = warm(path)
        stdio = [stdout: :pipe, stderr: :devnull]
        options = [stdio: stdio, auto_proceed: true, owner: test]
        {:ok, _session} = Prefork.spawn(server, [], options)
        receive do: (:end -> :ok)
      end)

    assert_receive {:linx_process, :stdout, pid}, @deadline
    Process.exit(owner, :kill)
    wait_until(fn -> not File.exists?("/proc/#{String.trim(pid)}") end, "a run is left")
  end

  test "no more runs than max_servers are let go at a time" do
    server = warm(script("print('begun', flush=True); sys.stdin.read()"), max_servers: 1)
    options = [stdio: [stdin: :pipe, stdout: :pipe], auto_proceed: true]
    {:ok, first} = Prefork.spawn(server, [], options)
    assert_receive {:linx_process, :stdout, "begun" <> _}, @deadline
    second = Task.async(fn -> Prefork.run(server, [], input: "") end)
    wait_until(fn -> Prefork.stats(server).waiting == 1 end, "nobody waits")
    assert Linx.Process.close_stdin(first) == :ok
    assert Task.await(second, @deadline) == {"begun\n", 0}
    Prefork.stop(server)
  end

  test "an idle script ends, and starts again when it is needed" do
    server = warm(script("print(1)"), idle_timeout: 50)
    wait_until(fn -> Prefork.stats(server).state == :down end, "it stays")
    wait_until(fn -> :sys.get_state(server).scripts == %{} end, "the script goes on")
    assert Prefork.run(server, []) == {"1\n", 0}
    Prefork.stop(server)
  end

  test "every run is in the sandbox of its script" do
    path = script("print(os.uname().nodename, os.listdir('/proc')[0] != '')")
    sandbox = Sandbox.new() |> Sandbox.hostname("warm")
    server = warm(path, sandbox: sandbox)
    assert Prefork.run(server, []) == {"warm True\n", 0}
    assert %ArgumentError{} = catch_error(Prefork.run(server, [], sandbox: sandbox))
    Prefork.stop(server)
  end

  test "Debian's library for Perl serves as well" do
    path = Path.join(tmp_dir(), "script.pl")

    File.write!(path, """
    use strict;
    use Proc::Prefork::Interp;
    my $token = rand();
    prefork_initialisation_complete();
    END { $SIG{INT} = 'IGNORE' }
    print "$token $ENV{A} $ARGV[0]\\n";
    exit 3;
    """)

    {:ok, server} = Prefork.start_link(argv: ["perl", path])
    assert Prefork.await(server, @deadline) == :ok
    assert {first, 3} = Prefork.run(server, ["x"], env: [{"A", "1"}])
    assert [token, "1", "x"] = String.split(first)
    assert {second, 3} = Prefork.run(server, ["y"], env: [{"A", "2"}])
    assert String.split(second) == [token, "2", "y"]
    Prefork.stop(server)
  end

  test "a hundred callers at once start one script, and none is refused" do
    server = start(script("print(sys.argv[1], end='')", "time.sleep(0.1)"))
    runs = for n <- 1..100, do: Task.async(fn -> Prefork.run(server, ["#{n}"]) end)
    assert Task.await_many(runs, @deadline) == for(n <- 1..100, do: {"#{n}", 0})
    assert %{starts: 1, runs: 100} = Prefork.stats(server)
    Prefork.stop(server)
  end

  test "a run whose monitor is killed is told as unknown, and not tried again" do
    server = warm(script("print(os.getppid(), flush=True); time.sleep(1000)"))
    # What Python says when it is interrupted is nobody's business.
    options = [stdio: [stdout: :pipe, stderr: :devnull], auto_proceed: true]
    {:ok, session} = Prefork.spawn(server, [], options)
    assert_receive {:linx_process, :ready, monitor}, @deadline
    assert_receive {:linx_process, :stdout, _pid}, @deadline
    {_, 0} = System.cmd("kill", ["-9", "#{monitor}"])
    assert {:error, %{stage: :prefork_status}} = Linx.Process.wait(session, @deadline)
    assert %{starts: 1} = Prefork.stats(server)
    Prefork.stop(server)
  end

  test "bad options are told by their names" do
    for bad <- [[argv: []], [argv: ["true"], max_servers: 0], [argv: ["true"], input: ""]],
        do: assert(%ArgumentError{} = catch_error(Prefork.start_link(bad)))

    assert_raise ErlangError, fn -> Prefork.start_link(argv: ["no-such-program"]) end
  end
end
