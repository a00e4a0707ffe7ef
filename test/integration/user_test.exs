defmodule Linx.Integration.UserTest do
  use Linx.Case

  import Linx.Test.Parked

  alias Linx.User
  alias Linx.User.{Error, Pinned}

  @sleep ["/bin/sleep", "60"]

  @moduletag :user_namespaces

  test "a workload is who the maps say, inside and outside" do
    {session, pid} = park(argv: ["/usr/bin/id"], namespaces: [:user], stdio: :pty)
    assert User.read_uid_map(pid) == {:ok, []}
    assert User.setup_maps(pid, own_maps()) == :ok

    assert User.read_uid_map(pid) == {:ok, own_maps()[:uid]}
    assert User.read_gid_map(pid) == {:ok, own_maps()[:gid]}
    assert File.read!("/proc/#{pid}/setgroups") == "deny\n"

    proceed(session)
    {output, {:exited, 0}} = output_and_outcome()
    assert output =~ "uid=0(root) gid=0(root)"
  end

  test "one step after the other, as an ordinary user must" do
    {_session, pid} = park(argv: @sleep, namespaces: [:user])
    assert User.deny_setgroups(pid) == :ok
    assert User.set_gid_map(pid, own_maps()[:gid]) == :ok
    assert User.set_uid_map(pid, own_maps()[:uid]) == :ok
    assert User.read_uid_map(pid) == {:ok, own_maps()[:uid]}
  end

  test "a map can be written once" do
    {_session, pid} = park(argv: @sleep, namespaces: [:user])
    assert User.set_uid_map(pid, own_maps()[:uid]) == :ok
    path = "/proc/#{pid}/uid_map"

    assert {:error, %Error{path: ^path, operation: :write, errno: :eperm, code: 1} = error} =
             User.set_uid_map(pid, own_maps()[:uid])

    assert Exception.message(error) =~ "written once"
    assert User.read_uid_map(pid) == {:ok, own_maps()[:uid]}
  end

  test "of a wrong map nothing is written" do
    {_session, pid} = park(argv: @sleep, namespaces: [:user])
    twice = own_maps()[:uid] ++ own_maps()[:uid]
    assert {:error, {:bad_map, {:overlap, _, _}}} = User.set_uid_map(pid, twice)
    assert {:error, {:bad_map, _}} = User.setup_maps(pid, uid: own_maps()[:uid], gid: twice)
    assert User.read_uid_map(pid) == {:ok, []}
    assert File.read!("/proc/#{pid}/setgroups") == "allow\n"
  end

  test "an ordinary user may not map what is not its own" do
    if own("Uid") != 0 do
      {_session, pid} = park(argv: @sleep, namespaces: [:user])
      assert {:error, %Error{errno: :eperm} = error} = User.set_uid_map(pid, [{0, 0, 1}])
      assert Exception.message(error) =~ "only its own uid"

      assert {:error, %Error{errno: :eperm} = error} = User.set_gid_map(pid, own_maps()[:gid])
      assert Exception.message(error) =~ "deny_setgroups"
    end
  end

  describe "a process that ends before its map is written" do
    setup do
      {session, pid} = park(argv: @sleep, namespaces: [:user])
      {:ok, pinned} = Pinned.open(pid, ["uid_map"], :write)
      :ok = Linx.Process.abort(session)
      assert_receive {:linx_process, :aborted}
      %{pid: pid, pinned: pinned, map: "0 #{own("Uid")} 1\n"}
    end

    test "is esrch", %{pid: pid, pinned: pinned, map: map} do
      assert {:error, %Error{errno: :esrch, code: 3}} = Pinned.write(pinned, "uid_map", map)
      assert {:error, %Error{errno: :esrch}} = Pinned.open(pid, ["uid_map", "gid_map"], :write)
    end

    @tag :root
    test "does not pass it on to the next process with its pid", context do
      stranger = take_pid(context.pid)
      assert User.read_uid_map(context.pid) == {:ok, []}

      assert {:error, %Error{errno: :esrch}} =
               Pinned.write(context.pinned, "uid_map", context.map)

      assert User.read_uid_map(context.pid) == {:ok, []}
      Port.close(stranger)
    end

    # The kernel gives the pid after the last one; another process may be quicker, so try again. A
    # port program ends when its stdin does.
    defp take_pid(pid, attempts \\ 200) do
      File.write!("/proc/sys/kernel/ns_last_pid", Integer.to_string(pid - 1))
      port = Port.open({:spawn_executable, "/usr/bin/unshare"}, args: ["--user", "cat"])
      assert_receive_namespace(port)

      case Port.info(port, :os_pid) do
        {:os_pid, ^pid} ->
          port

        _ when attempts > 0 ->
          Port.close(port)
          take_pid(pid, attempts - 1)
      end
    end

    # `cat` answers once `unshare` has become it.
    defp assert_receive_namespace(port) do
      Port.command(port, "here")
      assert_receive {^port, {:data, ~c"here"}}
    end
  end
end
