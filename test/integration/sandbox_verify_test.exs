defmodule Linx.Integration.SandboxVerifyTest do
  use Linx.Case

  alias Linx.Sandbox

  @sleep ["/bin/sleep", "60"]

  @tag :user_namespaces
  test "what holds is what was asked for" do
    sandbox =
      Sandbox.new()
      |> Sandbox.namespaces([:user, :uts, :pid, :ipc])
      |> Sandbox.user(0)
      |> Sandbox.hostname("verified")

    {session, _pid} =
      running(argv: @sleep, sandbox: sandbox, umask: 0o77, rlimits: [core: 0], no_new_privs: true)

    assert Sandbox.verify(session) == {:ok, [:hostname]}
  end

  test "what was changed behind its back is told" do
    {session, pid} = running(argv: @sleep, rlimits: [nofile: 100], nice: 3)
    assert Sandbox.verify(session) == {:ok, []}
    {_, 0} = System.cmd("prlimit", ["--pid", "#{pid}", "--nofile=50"])
    {_, 0} = System.cmd("renice", ["-n", "7", "-p", "#{pid}"])

    assert {:error, {:differs, differences}} = Sandbox.verify(session)
    assert {:nice, 3, 7} in differences
    assert {{:rlimit, :nofile}, {100, 100}, {50, 50}} in differences
  end

  test "of one that has ended there is nothing to verify" do
    {session, _pid} = running(argv: @sleep)
    assert {:ok, _} = Linx.Process.stop(session)
    assert Sandbox.verify(session) == {:error, :no_process}
  end
end
