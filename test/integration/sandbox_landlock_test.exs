defmodule Linx.Integration.SandboxLandlockTest do
  use Linx.Case

  alias Linx.Process.Error
  alias Linx.Sandbox
  alias Linx.Test.FixtureProgram

  @moduletag landlock: true, user_namespaces: true

  @eacces 13

  # What a shell and its tools need.
  defp host_programs do
    programs = Enum.filter(~w(/bin /usr /lib /lib64), &File.exists?/1)
    Sandbox.new() |> Sandbox.executable(programs) |> Sandbox.readable(["/etc", "/proc"])
  end

  # Whoever the workload is, the modes do not stand in its way.
  defp open_dir do
    dir = tmp_dir()
    File.chmod!(dir, 0o777)
    dir
  end

  defp shell(script, sandbox),
    do: Linx.cmd("sh", ["-c", script], sandbox: sandbox, stderr: :merge)

  test "nothing is written outside of the writable tree, nor read outside of the readable ones" do
    [inside, outside] = [open_dir(), open_dir()]
    File.write!(Path.join(outside, "secret"), "x")
    File.chmod!(Path.join(outside, "secret"), 0o666)

    script = """
    echo x > #{inside}/made && mkdir #{inside}/dir && mv #{inside}/made #{inside}/dir/moved || exit 1
    echo x > #{outside}/made && exit 2
    echo x >> #{outside}/secret && exit 3
    cat #{outside}/secret && exit 4
    ls #{outside} && exit 5
    rm #{outside}/secret && exit 6
    ln #{outside}/secret #{inside}/link && exit 7
    mv #{inside}/dir/moved #{outside}/moved && exit 8
    mknod #{inside}/fifo p || exit 9
    exit 0
    """

    assert {_said, 0} = shell(script, Sandbox.writable(host_programs(), inside))
    assert File.ls!(outside) == ["secret"]
    assert File.read!(Path.join(outside, "secret")) == "x"
    assert File.read!(Path.join(inside, "dir/moved")) == "x\n"
  end

  test "what may only be read is not executed" do
    dir = open_dir()
    program = Path.join(dir, "true")
    File.cp!("/bin/true", program)
    File.chmod!(program, 0o755)

    assert {_, 0} = shell("cat #{program} > /dev/null; #{program}", Sandbox.new())

    readable = host_programs() |> Sandbox.readable(dir) |> Sandbox.writable("/dev/null")
    assert {_, 126} = shell("cat #{program} > /dev/null || exit 1; #{program}", readable)
    assert {_, 0} = shell(program, Sandbox.executable(host_programs(), program))

    {:ok, session} = Linx.Process.spawn(argv: [program], auto_proceed: true, sandbox: readable)

    assert {:error, %Error{stage: :execve, errno: :eacces}} = Linx.Process.wait(session)
  end

  test "ports that were not named are neither bound nor connected to" do
    program = FixtureProgram.path("tcp")
    [one, another] = for _ <- 1..2, do: listener()
    tcp = fn way, port, sandbox -> Linx.cmd(program, [way, "#{port}"], sandbox: sandbox) end

    connects = Sandbox.tcp_connect(Sandbox.new(), port(one))
    assert tcp.("connect", port(one), connects) == {"", 0}
    assert tcp.("connect", port(another), connects) == {"", @eacces}
    # Only what was restricted is.
    {:ok, in_use} = Linx.Errno.to_code(:eaddrinuse)
    assert tcp.("bind", port(one), connects) == {"", in_use}

    binds = Sandbox.tcp_bind(Sandbox.new(), [])
    assert tcp.("bind", port(one), binds) == {"", @eacces}
    assert tcp.("connect", port(one), binds) == {"", 0}
    for socket <- [one, another], do: :ok = :gen_tcp.close(socket)
  end

  defp listener do
    {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1}, active: false)
    socket
  end

  defp port(socket) do
    {:ok, port} = :inet.port(socket)
    port
  end

  test "no signal leaves the scope" do
    {session, pid} = running(argv: ["/bin/sleep", "60"], stdio: :devnull)
    # The same user on both sides, so that nothing else stands in the way.
    sandbox = Sandbox.capabilities(Sandbox.new(), [])
    script = "kill -0 #{pid} && kill -0 $$"
    assert {_, 0} = shell(script, sandbox)
    assert {said, 1} = shell(script, Sandbox.scope(sandbox, :signal))
    assert said =~ "not permitted"
    assert {_, 0} = shell("sleep 60 & kill $!", Sandbox.scope(sandbox, [:signal]))
    assert {_, 1} = shell("kill -KILL #{pid}", Sandbox.scope(sandbox, [:signal]))
    assert {:ok, %{stage: :running}} = Linx.Process.info(session)
  end

  test "paths are those of the workload's own root" do
    # A rule for the host's /mnt would be one for another directory.
    dir = open_dir()
    File.write!(Path.join(dir, "note"), "inside")

    sandbox =
      host_programs()
      |> Sandbox.namespaces([:mount])
      |> Sandbox.bind(dir, "/mnt")
      |> Sandbox.readable("/mnt")

    assert {"inside", 0} = shell("cat /mnt/note", sandbox)
  end

  test "a path that is not there ends the session and is named" do
    missing = Path.join(tmp_dir(), "missing")
    sandbox = host_programs() |> Sandbox.readable(missing)

    {:ok, session} = Linx.Process.spawn(argv: ["/bin/true"], auto_proceed: true, sandbox: sandbox)

    assert {:error, %Error{stage: :landlock, errno: :enoent, detail: ^missing} = error} =
             Linx.Process.wait(session)

    assert Exception.message(error) =~ "leave out what is not there"
  end

  test "rules turn no_new_privs on, and reach those who come below" do
    sandbox = host_programs() |> Sandbox.no_new_privs(false)
    {_session, pid} = running(argv: ["/bin/sleep", "60"], stdio: :devnull, sandbox: sandbox)
    assert status(pid, "NoNewPrivs") == "1"
    assert {_, 0} = shell("sh -c 'sh -c \"! cat #{__ENV__.file}\"'", sandbox)
  end

  test "best effort changes nothing where all can be enforced, and what lacks is told" do
    dir = open_dir()
    sandbox = host_programs() |> Sandbox.best_effort(true)
    {session, _pid} = running(argv: ["/bin/sleep", "60"], stdio: :devnull, sandbox: sandbox)
    assert {:ok, %{landlock: %{lacking: []} = enforced}} = Linx.Process.isolation(session)
    assert enforced.handled_fs == Linx.Landlock.file_rights()
    assert {_, code} = shell("echo x > #{dir}/made", sandbox)
    assert code != 0
    assert File.ls!(dir) == []
  end
end
