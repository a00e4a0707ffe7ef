defmodule Linx.Integration.DoorbellTaskTest do
  use Linx.Case

  alias Linx.Sandbox

  # Each test starts a BEAM of its own.
  @moduletag timeout: 120_000
  @moduletag :user_namespaces

  @ms 60_000
  @title "linx-task-bell"

  defp container do
    sandbox =
      Sandbox.new()
      |> Sandbox.namespaces([:user, :pid])
      |> Sandbox.user(0)
      |> Sandbox.group(0)
      |> Sandbox.proc()

    own = [argv: ["/bin/sleep", "1000"], sandbox: sandbox, stdio: :devnull]
    running([orphan_policy: {:kill, 0}] ++ own)
  end

  # The task as a session whose stdout and stderr are one pipe.
  defp task(words) do
    script = ~s(exec mix linx.doorbell "$@" 2>&1)
    env = Map.merge(System.get_env(), %{"MIX_ENV" => "test", "LC_ALL" => "C.UTF-8"})
    argv = ["/bin/sh", "-c", script, "sh" | words]
    own = [argv: argv, env: env, stdio: [stdin: :devnull, stdout: :pipe], active: false]
    {:ok, task} = Linx.Process.spawn([auto_proceed: true, tag: make_ref()] ++ own)
    task
  end

  defp ended(task) do
    said = for {:stdout, bytes} <- Linx.Process.stream!(task), into: "", do: bytes
    {said, Linx.Process.wait(task, @ms)}
  end

  # Nobody announces that the probe waits, but its title does.
  defp ring(container) do
    script = "while ! pkill -HUP -f '^#{@title}$'; do sleep 0.1; done"
    own = [argv: sh(script), stdio: :devnull, auto_proceed: true, tag: make_ref()]
    {:ok, session} = Linx.Process.enter(container, own)
    assert Linx.Process.wait(session, @ms) == {:ok, {:exited, 0}}
  end

  test "runs the command at each ring, until the target ends" do
    {container, pid} = container()
    words = ["--target", "#{pid}", "--title", @title, "--debounce", "0"]
    task = task(words ++ ["--", "sh", "-c", "echo rung with $#; exit 4"])

    for _ <- 1..2 do
      ring(container)
      assert hear(task) == "rung with 0\nmix linx.doorbell: the command exited with 4\n"
    end

    Linx.Process.stop(container, 0)
    assert {_said, {:ok, {:exited, 0}}} = ended(task)
  end

  # The command's line, and what is said of its end.
  defp hear(task, said \\ "") do
    if byte_size(said) < 57 do
      assert {:ok, bytes} = Linx.Process.recv(task, :stdout, @ms)
      hear(task, said <> bytes)
    else
      said
    end
  end

  test "with --once ends as the command did" do
    {container, pid} = container()
    task = task(["--target", "#{pid}", "--title", @title, "--once", "sh", "-c", "exit 3"])
    ring(container)
    assert {_, {:ok, {:exited, 3}}} = ended(task)

    task = task(["--target", "#{pid}", "--title", @title, "--once", "linx-none"])
    ring(container)
    assert {said, {:ok, {:exited, 127}}} = ended(task)
    assert said == "mix linx.doorbell: linx-none: no such command on PATH\n"
  end

  test "takes its probe along at SIGTERM" do
    {container, pid} = container()
    task = task(["--target", "#{pid}", "--title", @title, "--", "echo", "rung"])
    ring(container)
    assert {:ok, "rung\n"} = Linx.Process.recv(task, :stdout, @ms)
    :ok = Linx.Process.signal(task, :sigterm)
    assert {_, {:ok, {:exited, 143}}} = ended(task)
    own = [argv: ["/usr/bin/pgrep", "-f", "^#{@title}$"], stdio: :devnull, auto_proceed: true]
    {:ok, session} = Linx.Process.enter(container, own ++ [tag: make_ref()])
    assert Linx.Process.wait(session, @ms) == {:ok, {:exited, 1}}
  end

  test "says what is wrong, and ends with 125" do
    for {words, said} <- [
          {["--target", "4194305", "--title", "t", "true"], "open_target failed: esrch"},
          {["--target", "0", "--title", "t", "true"], "invalid option --target: 0"},
          {["--target", "1", "true"], "invalid option :title"},
          {["--target", "x", "true"], "invalid option --target"},
          {["--target", "1", "--title", "t"], "no command"}
        ] do
      assert {"mix linx.doorbell: " <> text, {:ok, {:exited, 125}}} = ended(task(words))
      assert text =~ said
    end
  end
end
