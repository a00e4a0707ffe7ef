defmodule Linx.Integration.CapabilitiesTest do
  use Linx.Case

  import Linx.Test.Parked

  alias Linx.Capabilities
  alias Linx.Capabilities.Constants

  @none "0000000000000000"
  @sleep ["/bin/sleep", "60"]

  test "the names are libcap's, in the order of their bits" do
    {:ok, names} = Linx.Agent.capabilities()
    named = Constants.all()
    # The libcap of an older system knows fewer, that of a newer one more.
    assert Enum.zip(names, named) |> Enum.all?(fn {libcap, ours} -> libcap == ours end)
    assert length(names) >= length(named) or hd(named -- names) == Enum.at(named, length(names))
  end

  describe "in a fresh user namespace" do
    @describetag :user_namespaces

    test "the bounding set holds what was left, at once and after exec" do
      {session, pid} = park(argv: @sleep, namespaces: [:user])
      {:ok, before} = Capabilities.read(pid)
      assert :cap_net_raw in before.bounding

      assert Capabilities.drop_bounding(session, [:cap_net_raw, :cap_sys_admin]) == :ok
      proceed(session)

      {:ok, now} = Capabilities.read(pid)

      assert MapSet.difference(before.bounding, now.bounding) ==
               MapSet.new([:cap_net_raw, :cap_sys_admin])
    end

    test "a workload without capabilities has none, and cannot do what needs one" do
      argv = [
        "/bin/sh",
        "-c",
        "hostname linx-test 2>/dev/null || echo refused; grep Cap /proc/self/status"
      ]

      {session, pid} = park(argv: argv, namespaces: [:user, :uts], stdio: :pty)
      :ok = Linx.User.setup_maps(pid, own_maps())
      {:ok, state} = Capabilities.read(pid)

      assert Capabilities.drop_bounding(session, state.bounding) == :ok

      assert Capabilities.set_thread_sets(session, effective: [], permitted: [], inheritable: []) ==
               :ok

      proceed(session)
      {output, {:exited, 0}} = output_and_outcome()

      assert output =~ "refused"
      for set <- ~w(CapInh CapPrm CapEff CapBnd CapAmb), do: assert(output =~ "#{set}:\t#{@none}")
    end

    test "an ambient capability is what a workload that is not uid 0 keeps" do
      {session, pid} = park(argv: @sleep, namespaces: [:user])
      keep = [:cap_net_bind_service]
      {:ok, mask} = Constants.to_bits(keep)
      hex = mask |> Integer.to_string(16) |> String.downcase() |> String.pad_leading(16, "0")

      assert Capabilities.set_thread_sets(session,
               effective: keep,
               permitted: keep,
               inheritable: keep
             ) == :ok

      assert Capabilities.set_ambient(session, keep) == :ok
      proceed(session)

      for set <- ~w(CapInh CapPrm CapEff CapAmb), do: assert(status(pid, set) == hex)
    end

    test "no capability is inheritable or ambient unless it was asked for" do
      {session, pid} = park(argv: @sleep, namespaces: [:user])
      proceed(session)
      assert status(pid, "CapInh") == @none
      assert status(pid, "CapAmb") == @none
    end

    test "what the kernel refuses ends the session before the program runs" do
      {session, _pid} = park(argv: ["/bin/touch", "/proc/self/never"], namespaces: [:user])

      assert Capabilities.set_thread_sets(session, effective: [], permitted: [], inheritable: []) ==
               :ok

      assert Capabilities.set_ambient(session, [:cap_chown]) == :ok
      assert_receive {:linx_process, :error, 1, :cap_set_ambient}

      assert {:error, %Linx.Process.Error{stage: :cap_set_ambient, errno: :eperm}} =
               Linx.Process.wait(session)

      refute_received {:linx_process, :running}
    end
  end

  describe "the checkpoint" do
    test "commands are taken while the session waits there, not later, not afterwards" do
      {session, _pid} = park(argv: @sleep)
      assert Capabilities.set_ambient(session, []) == :ok
      proceed(session)

      assert Capabilities.set_ambient(session, []) == {:error, :running}
      assert Capabilities.drop_bounding(session, []) == {:error, :running}

      assert Capabilities.set_thread_sets(session, effective: [], permitted: [], inheritable: []) ==
               {:error, :running}

      {:ok, {:signaled, _}} = Linx.Process.stop(session)
      assert Capabilities.set_ambient(session, []) == {:error, :no_process}

      :ok = GenServer.stop(session)
      assert Capabilities.set_ambient(session, []) == {:error, :no_process}
    end

    test "is not there before the session is ready" do
      # The agent has to wait for a listener that does not accept and whose queue, of one, is full.
      path = Path.join(tmp_dir(), "socket")
      {:ok, listener} = :gen_tcp.listen(0, ifaddr: {:local, path}, backlog: 0, active: false)
      {:ok, queued} = :gen_tcp.connect({:local, path}, 0, [:local])
      {:ok, session} = Linx.Process.spawn(argv: @sleep, stdio: [stdin: {:connect_unix, path}])

      assert Capabilities.drop_bounding(session, []) == {:error, :not_ready}
      assert Capabilities.set_ambient(session, []) == {:error, :not_ready}

      assert Capabilities.set_thread_sets(session, effective: [], permitted: [], inheritable: []) ==
               {:error, :not_ready}

      {:ok, filter} = Linx.Seccomp.deny_list([:ptrace])
      assert Linx.Seccomp.install(session, filter) == {:error, :not_ready}

      assert Linx.Process.abort(session) == :ok
      assert Linx.Process.wait(session) == {:ok, :aborted}
      for socket <- [queued, listener], do: :ok = :gen_tcp.close(socket)
    end

    test "read/1 of a process that is gone" do
      {session, pid} = park(argv: @sleep)
      assert {:ok, _} = Capabilities.read(pid)
      :ok = Linx.Process.abort(session)
      assert_receive {:linx_process, :aborted}
      assert Capabilities.read(pid) == {:error, :no_process}
    end
  end
end
