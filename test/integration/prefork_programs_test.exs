defmodule Linx.Integration.PreforkProgramsTest do
  use Linx.Case

  alias Linx.{Prefork, Sandbox}
  alias Linx.Test.WarmSuite

  @tests Path.expand("../prefork", __DIR__)
  @python "/usr/bin/python3"
  # Which server it is, and what it has imported.
  @who "print(server, warm_part.NAME)"

  # A directory with a program that does what its first argument says, in Python.
  defp program do
    dir = tmp_dir()

    for file <- ~w(warm.py warm_part.py),
        do: File.cp!(Path.join(@tests, file), Path.join(dir, file))

    dir
  end

  defp python(options \\ []) do
    dir = program()
    {dir, start(dir, [@python, "-W", "error", "warm.py"], options)}
  end

  defp start(dir, argv, options) do
    options = Keyword.put_new(options, :env, environment())
    start_supervised!({Prefork, [argv: argv, cd: dir] ++ options})
  end

  defp environment(library \\ Application.app_dir(:linx, "priv")),
    do: [{"PYTHONPATH", library}, {"PYTHONDONTWRITEBYTECODE", "1"}, {"PYTHONUNBUFFERED", nil}]

  defp part(dir, name) do
    # By rename: no run finds half of it.
    File.write!(Path.join(dir, "new"), "NAME = #{inspect(name)}\n")
    File.rename!(Path.join(dir, "new"), Path.join(dir, "warm_part.py"))
  end

  defp who(server) do
    {output, 0} = Prefork.run(server, [@who])
    output |> String.trim() |> String.split(" ")
  end

  test "arguments, environment, input and both outputs of a run" do
    {_dir, server} = python()
    code = "print(sys.argv[2:], os.environ['A'], sys.stdin.read(), file=sys.stderr); print('out')"
    options = [env: [{"A", "here"}], input: "in", stderr: :separate]
    words = ["", "two words", "ä"]
    assert {{"out\n", errors}, 0} = Prefork.run(server, [code | words], options)
    assert errors == "['', 'two words', 'ä'] here in\n"
    assert who(server) == who(server)
  end

  test "statuses, signals and exceptions of runs" do
    {_dir, server} = python()
    assert {"", 7} = Prefork.run(server, ["sys.exit(7)"])
    assert {"", {:signal, 15}} = Prefork.run(server, ["os.kill(os.getpid(), 15)"])
    assert {text, 1} = Prefork.run(server, ["raise ValueError('so')"], stderr_to_stdout: true)
    assert text =~ ~r/\ATraceback .*\nValueError: so\n\z/s
    assert Prefork.stats(server).starts == 1
  end

  test "a run in a terminal" do
    {_dir, server} = python()
    code = "print(os.get_terminal_size(), 'heard', input())"
    options = [stdio: :pty, auto_proceed: false]
    {:ok, session} = Prefork.spawn(server, [code], options)
    :ok = Linx.Process.pty_set_winsize(session, {50, 132, 0, 0})
    :ok = Linx.Process.proceed(session)
    assert_receive {:linx_process, :running}
    :ok = Linx.Process.pty_write(session, "Linx\n")
    assert {:ok, {:exited, 0}} = Linx.Process.wait(session, 30_000)
    output = for {:linx_process, :pty_out, bytes} <- mailbox(), into: "", do: bytes
    assert output =~ "os.terminal_size(columns=132, lines=50) heard Linx"
  end

  test "the end of a run that nobody waits for is a KeyboardInterrupt" do
    {dir, server} = python()

    code = """
    import time
    try:
        print('up', flush=True)
        time.sleep(1000)
    except KeyboardInterrupt:
        open('interrupted', 'w').close()
        raise
    """

    {:ok, session} = Prefork.spawn(server, [code], stdio: :pipe, auto_proceed: true)
    assert_receive {:linx_process, :stdout, "up\n"}, 30_000
    assert {:ok, {:signaled, 2}} = Linx.Process.stop(session, 30_000)
    assert File.exists?(Path.join(dir, "interrupted"))
    assert {"fine\n", 0} = Prefork.run(server, ["print('fine')"])
  end

  test "changed modules while runs keep coming: each is of one start or the next" do
    {dir, server} = python(max_servers: 8)
    part(dir, "part 0")

    for round <- 1..5 do
      tasks = for _ <- 1..20, do: Task.async(fn -> Prefork.run(server, [@who]) end)
      part(dir, "part #{round}")

      for {output, status} <- Task.await_many(tasks, 60_000) do
        assert status == 0
        assert output =~ ~r/\A[0-9a-f]{8} (part \d|first)\n\z/
      end
    end

    assert [_, "part", "5"] = who(server)
  end

  test "a program that ends by itself is started for the next run" do
    {_dir, server} = python(env: [{"WARM_OPTIONS", ~s({"idle_timeout": 0.2})} | environment()])
    [first, "first"] = who(server)
    wait_until(fn -> Prefork.stats(server).state != :up end, "the program is idle")
    refute [first, "first"] == who(server)
  end

  @tag :user_namespaces
  test "a sandboxed program, whose runs are in its sandbox" do
    sandbox =
      Sandbox.new(:strict)
      |> Sandbox.bind(program(), "/program")
      |> Sandbox.bind(Application.app_dir(:linx, "priv"), "/linx")

    options = [env: environment("/linx"), sandbox: sandbox]
    server = start("/program", [@python, "warm.py"], options)

    code = "print(os.getuid(), os.listdir('/program') != [], os.access('/program', os.W_OK))"
    assert {"65534 True False\n", 0} = Prefork.run(server, [code])
    # Itself, its server and what these are made of: no process of the host.
    code = "print(len([n for n in os.listdir('/proc') if n.isdigit()]) < 6)"
    assert {"True\n", 0} = Prefork.run(server, [code])
    code = "import socket; socket.create_connection(('1.1.1.1', 1))"
    assert {text, 1} = Prefork.run(server, [code], stderr_to_stdout: true)
    assert text =~ "Network is unreachable"
  end

  test "a program in Perl" do
    dir = tmp_dir()

    File.write!(Path.join(dir, "warm.pl"), """
    use Proc::Prefork::Interp;
    my $started = $$;
    prefork_initialisation_complete();
    END { $SIG{INT} = 'IGNORE' }
    print "$started $ENV{A} @ARGV ", <STDIN>;
    exit 3;
    """)

    server = start(dir, ["perl", "warm.pl"], [])
    run = fn -> Prefork.run(server, ["x", "y z"], env: [{"A", "here"}], input: "in") end
    assert {output, 3} = run.()
    assert output =~ ~r/\A\d+ here x y z in\z/
    assert run.() == {output, 3}
  end

  test "a program in C++" do
    dir = tmp_dir()
    File.write!(Path.join(dir, "fruit"), "apple\npear\n")
    server = start(dir, [WarmSuite.spell(), "fruit"], [])
    assert {"plum\n", 1} = Prefork.run(server, [], input: "Apple, pear & plum.")
    assert {"", 0} = Prefork.run(server, [], input: "pear")
    File.write!(Path.join(dir, "fruit"), "apple\npear\nplum\n")
    assert {"", 0} = Prefork.run(server, [], input: "plum")
    assert Prefork.stats(server).starts == 2
  end

  @tag :user_namespaces
  test "examples/prefork.exs runs as printed" do
    env = [{"MIX_ENV", "test"}]
    {output, status} = System.cmd("mix", ["run", "examples/prefork.exs"], env: env)
    assert status == 0, output
    assert output =~ "two runs of 1 start\na run with new prices, after 2 starts\n"
  end
end
