defmodule Linx.Integration.ForkingTest do
  use Linx.Case

  @deadline 30_000

  # Leaves a daemon in a session of its own, which says its pid when it is ready.
  defp forked(daemon) do
    # In the background a shell's stdin would be the null device.
    argv = sh("exec 3<&0; setsid sh -c '#{daemon}' <&3 3<&- & exit 0")
    tag = make_ref()
    options = [forking: true, auto_proceed: true, stdio: :pipe, tag: tag]
    {:ok, session} = Linx.Process.spawn([argv: argv] ++ options)
    assert_receive {:linx_process, ^tag, :forked}, @deadline
    assert_receive {:linx_process, ^tag, :stdout, pid}, @deadline
    {session, String.to_integer(String.trim(pid))}
  end

  test "a session goes on with what its first process left, and ends as that does" do
    {session, pid} = forked("echo $$; read line; exit 5")
    assert {:ok, %{stage: :running}} = Linx.Process.info(session)
    assert File.exists?("/proc/#{pid}")
    assert Linx.Process.close_stdin(session) == :ok
    assert Linx.Process.wait(session, @deadline) == {:ok, {:exited, 5}}
  end

  test "it is stopped, also where it does not mind SIGTERM" do
    {session, pid} = forked("trap \"\" TERM; echo $$; exec sleep 1000")
    assert Linx.Process.stop(session, 10) == {:ok, {:signaled, 9}}
    refute File.exists?("/proc/#{pid}")

    {session, _pid} = forked("trap \"exit 7\" TERM; echo $$; while :; do sleep 0.01; done")
    assert Linx.Process.stop(session, @deadline) == {:ok, {:exited, 7}}
  end

  test "it ends with its owner" do
    test = self()

    owner =
      spawn(fn ->
        {_session, pid} = forked("echo $$; exec sleep 1000")
        send(test, {:daemon, pid})
        receive do: (:end -> :ok)
      end)

    assert_receive {:daemon, pid}, @deadline
    send(owner, :end)
    wait_until(fn -> not File.exists?("/proc/#{pid}") end, "the daemon is left")
  end

  test "nobody would hear of the end without an init" do
    assert Linx.Process.spawn(argv: ["/bin/true"], forking: true, init: false) ==
             {:error, {:bad_forking, true}}
  end
end
