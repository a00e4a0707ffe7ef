defmodule Linx.Integration.EnterTest do
  use Linx.Case

  alias Linx.Process.{Error, Info}

  @sleep ["/bin/sleep", "60"]

  # Runs the program in the target's namespaces; answers what it wrote.
  defp output_in(target, argv, options \\ []) do
    {path, listener} = listen()
    stdio = [stdout: {:connect_unix, path}]
    options = [argv: argv, auto_proceed: true, stdio: stdio, tag: :entered] ++ options
    {:ok, session} = Linx.Process.enter(target, options)
    {:ok, socket} = :gen_tcp.accept(listener, 5000)
    written = read_all(socket, "")
    assert Linx.Process.wait(session, 5000) == {:ok, {:exited, 0}}
    :gen_tcp.close(listener)
    written
  end

  defp links(names),
    do: [
      "/bin/readlink"
      | for(name <- names, do: "/proc/self/ns/#{if name == :mount, do: "mnt", else: name}")
    ]

  defp namespaces(pid, names), do: Enum.map_join(names, &(namespace(pid, &1) <> "\n"))

  @tag :root
  test "a host pid, all of its namespaces" do
    names = [:uts, :ipc, :net, :cgroup, :mount]
    {_, pid} = running(argv: @sleep, namespaces: names)
    assert output_in(pid, links(names)) == namespaces(pid, names)
  end

  @tag :root
  test "some of its namespaces, and none" do
    {_, pid} = running(argv: @sleep, namespaces: [:uts, :ipc, :net])
    assert output_in(pid, links([:uts]), namespaces: [:uts]) == namespaces(pid, [:uts])
    assert output_in(pid, links([:net]), namespaces: [:uts]) == namespaces("self", [:net])
    assert output_in(pid, links([:uts]), namespaces: []) == namespaces("self", [:uts])
  end

  @tag :user_namespaces
  test "a session, by its agent" do
    names = [:user, :uts, :ipc, :net]
    {session, pid} = running(argv: @sleep, namespaces: names)
    assert output_in(session, links(names)) == namespaces(pid, names)

    {:ok, entered} = Linx.Process.enter(session, argv: @sleep)
    assert_receive {:linx_process, :ready, _}
    assert {:ok, %Info{mode: :enter}} = Linx.Process.info(entered)
    assert elem(:sys.get_state(entered).agent, 0) == elem(:sys.get_state(session).agent, 0)
    assert Linx.Process.stop(entered) == {:ok, :aborted}
  end

  @tag :user_namespaces
  test "a pid namespace: the newcomer is numbered by it, and dies with its PID 1" do
    {session, _} = running(argv: @sleep, namespaces: [:user, :pid])

    [with_init, without] =
      for init <- [true, false] do
        options = [argv: @sleep, auto_proceed: true, tag: :entered, init: init]
        {:ok, entered} = Linx.Process.enter(session, options)
        assert_receive {:linx_process, :entered, :running}
        {:ok, %Info{host_pid: host_pid, child_pid: child_pid}} = Linx.Process.info(entered)
        assert host_pid != child_pid
        assert List.last(String.split(status(host_pid, "NSpid"))) == "#{child_pid}"
        entered
      end

    assert Linx.Process.stop(session, 0) == {:ok, {:signaled, 9}}
    assert Linx.Process.wait(without, 5000) == {:ok, {:signaled, 9}}
    # The kernel killed the init as well, and with it who could have told how the workload ended.
    assert {:error, %Error{stage: :init}} = Linx.Process.wait(with_init, 5000)
  end

  @tag :user_namespaces
  test "a parked session" do
    {session, pid} = parked(argv: @sleep, namespaces: [:user, :uts])
    assert output_in(session, links([:uts])) == namespaces(pid, [:uts])
  end

  @tag :user_namespaces
  test "a session with a dedicated agent, by its pid, and from a dedicated agent" do
    {session, pid} = running(argv: @sleep, namespaces: [:user, :uts], agent: :dedicated)
    assert output_in(session, links([:uts])) == namespaces(pid, [:uts])
    {shared, pid} = running(argv: @sleep, namespaces: [:user, :uts])
    assert output_in(shared, links([:uts]), agent: :dedicated) == namespaces(pid, [:uts])
  end

  test "a target that is not there yet, or no more" do
    {:ok, session} = Linx.Process.spawn(argv: @sleep)
    :sys.replace_state(session, &put_in(&1.machine.host_pid, nil))
    assert Linx.Process.enter(session, argv: @sleep) == {:error, :not_ready}
    assert Linx.Process.abort(session) == :ok
    assert Linx.Process.wait(session) == {:ok, :aborted}
    assert Linx.Process.enter(session, argv: @sleep) == {:error, :no_process}
    GenServer.stop(session)
    assert Linx.Process.enter(session, argv: @sleep) == {:error, :no_process}
  end

  test "a host pid that no process has" do
    {:ok, session} = Linx.Process.enter(ended_pid(), argv: @sleep)
    assert {:error, %Error{stage: :open_target, errno: :esrch}} = Linx.Process.wait(session)
  end

  test "a target that ends at the same moment gives an error or a session, never the host's" do
    for _ <- 1..20 do
      {target, _} = running(argv: @sleep)
      killer = Task.async(fn -> Linx.Process.signal(target, 9) end)

      case Linx.Process.enter(target, argv: ["/bin/true"], auto_proceed: true, tag: :entered) do
        {:error, reason} -> assert reason == :no_process
        {:ok, session} -> assert {_, _} = Linx.Process.wait(session, 5000)
      end

      Task.await(killer)
      assert_receive {:linx_process, :signaled, 9}
    end
  end

  test "what is no pid is not taken" do
    for target <- [0, -1, 0x80000000, "1", nil] do
      assert_raise FunctionClauseError, fn -> Linx.Process.enter(target, argv: @sleep) end
    end
  end

  # A number that a process had until now.
  defp ended_pid do
    {:ok, session} = Linx.Process.spawn(argv: ["/bin/true"], auto_proceed: true, tag: :ended)
    {:ok, {:exited, 0}} = Linx.Process.wait(session)
    {:ok, pid} = Linx.Process.host_pid(session)
    pid
  end
end
