defmodule Linx.Integration.IsolationTest do
  use Linx.Case

  alias Linx.Process.Isolation

  @sleep ["/bin/sleep", "60"]

  test "what was asked for is read back" do
    rlimits = [nofile: {100, 200}, core: 0]

    {session, pid} =
      running(argv: @sleep, rlimits: rlimits, umask: 0o27, nice: 5, cpus: [0], no_new_privs: true)

    assert {:ok, %Isolation{pid: ^pid} = isolation} = Linx.Process.isolation(session)
    assert isolation.rlimits.nofile == {100, 200}
    assert isolation.rlimits.core == {0, 0}
    assert isolation.umask == 0o27
    assert isolation.nice == 5
    assert isolation.cpus == [0]
    assert isolation.no_new_privs
    assert isolation.seccomp == {:disabled, 0}
    assert Enum.all?(isolation.namespaces, fn {_name, state} -> state == :shared end)
    %File.Stat{uid: uid} = File.stat!("/proc/self")
    assert isolation.uid == {uid, uid, uid, uid}
    assert Enum.any?(isolation.mounts, &(&1.target == "/" and &1.type != ""))
    assert is_binary(isolation.cgroups |> Map.values() |> hd())
    assert inspect(isolation) =~ "pid #{pid}"
  end

  @tag :user_namespaces
  test "fresh namespaces, maps and filters are told" do
    {session, pid} =
      parked(argv: @sleep, namespaces: [:user, :uts, :pid], orphan_policy: {:kill, 0})

    %File.Stat{uid: uid, gid: gid} = File.stat!("/proc/self")
    :ok = Linx.User.setup_maps(pid, uid: [{0, uid, 1}], gid: [{0, gid, 1}], setgroups: :deny)
    {:ok, filter} = Linx.Seccomp.deny_list([:ptrace])
    :ok = Linx.Seccomp.install(session, filter)
    :ok = Linx.Process.proceed(session)
    assert_receive {:linx_process, :running}
    assert {:ok, isolation} = Linx.Process.isolation(session)
    fresh = for {name, :fresh} <- isolation.namespaces, do: name
    assert Enum.sort(fresh) == [:pid, :user, :uts]
    assert isolation.uid_map == [{0, uid, 1}]
    assert isolation.gid_map == [{0, gid, 1}]
    assert isolation.no_new_privs
    assert {:filter, filters} = isolation.seccomp
    assert filters in [1, nil]
  end

  test "of one that has not begun or has ended there is nothing to tell" do
    {session, _pid} = running(argv: @sleep)
    assert {:ok, {:signaled, 15}} = Linx.Process.stop(session)
    assert Linx.Process.isolation(session) == {:error, :no_process}
    {session, _pid} = parked(argv: @sleep)
    assert {:ok, _} = Linx.Process.isolation(session)
    assert Linx.Process.abort(session) == :ok
    assert_receive {:linx_process, :aborted}
    assert Linx.Process.isolation(session) == {:error, :no_process}
  end
end
