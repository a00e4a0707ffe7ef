defmodule Linx.Integration.HostileEnterTest do
  use Linx.Case

  alias Linx.Test.{FixtureProgram, Hostile}
  alias Linx.Test.Hostile.{Stranger, Wire}

  @moduletag :user_namespaces

  @esrch 3

  describe "a target that is not there" do
    setup do
      {wire, _agent} = Wire.open_envelope()
      path = Path.join(tmp_dir(), "ran")
      on_exit(fn -> refute File.exists?(path) end)
      %{wire: wire, argv: ["/bin/touch", path]}
    end

    # As large as a pid can be written, larger than one can be.
    test "is told", %{wire: wire, argv: argv} do
      for request <- requests(argv), target <- [4_194_305, 0x7FFFFFFF] do
        enter(wire, 1, Map.put(request, :target, target))
        assert_receive {^wire, {1, {:error, @esrch, :open_target, detail}}}
        assert detail == "#{target}"
      end
    end

    test "is told where it is a zombie", %{wire: wire, argv: argv} do
      {port, pid} = target("zombie")

      for request <- requests(argv) do
        enter(wire, 1, Map.put(request, :target, pid))
        assert_receive {^wire, {1, event}}
        assert {:error, @esrch, :open_target} = event
      end

      Port.close(port)
    end

    test "is told where it dies between the look and the entering", %{wire: wire, argv: argv} do
      for request <- requests(argv), kind <- [:namespaces, :namespaces_init, :spawn] do
        {victim, pid} = Hostile.running(wire, kind, %{argv: Hostile.idle(), stdio: :devnull})
        held = hold(wire, 1, Map.put(request, :target, pid))
        kill(wire, victim)
        Hostile.make_room(held)
        assert_receive {^wire, {1, event}}
        assert {:error, @esrch, stage} = event, "#{kind}, #{inspect(request)}: #{inspect(event)}"
        assert stage in [:setns, :open_target]
      end

      # And the agent is none the worse for it.
      {_id, _pid} = Hostile.running(wire, :init, %{argv: Hostile.idle(), stdio: :devnull})
    end

    test "is told where it is a session that has ended", %{wire: wire, argv: argv} do
      {victim, _pid} = Hostile.running(wire, :init, %{argv: Hostile.idle(), stdio: :devnull})
      kill(wire, victim)

      for request <- requests(argv), target <- [victim, 999_999] do
        enter(wire, 1, Map.put(request, :target, {:session, target}))
        assert_receive {^wire, {1, {:error, @esrch, :open_target}}}
      end
    end

    test "is told where the PID 1 of its pid namespace is dead", %{wire: wire, argv: argv} do
      {port, pid} = target("orphaned")

      for request <- requests(argv),
          [:user, :pid] -- Map.get(request, :namespaces, []) == [] or
            not Map.has_key?(request, :namespaces) do
        enter(wire, 1, Map.put(request, :target, pid))
        assert_receive {^wire, {1, {:error, 12, :fork}}}
      end

      Port.close(port)
    end

    test "is told where it is none of the user's", %{argv: argv} do
      {wire, _agent} = Wire.open_envelope(start_with: ["powerless"])

      for request <- requests(argv) do
        # PID 1 is root's, with every capability.
        enter(wire, 1, Map.put(request, :target, 1))
        assert_receive {^wire, {1, {:error, 13, stage}}}
        assert stage == :open_ns_user
      end
    end
  end

  describe "a pid that is another process's now" do
    @describetag :root

    test "is not entered, and not signalled, in the place of a session" do
      {:ok, session} = Linx.Process.spawn(argv: Hostile.idle(), auto_proceed: true)
      assert_receive {:linx_process, :ready, pid}
      assert_receive {:linx_process, :running}
      :ok = Linx.Process.signal(session, :sigkill)
      assert_receive {:linx_process, :signaled, 9}
      stranger = Stranger.take(pid)

      assert Linx.Process.enter(session, argv: ["/bin/true"]) == {:error, :no_process}
      assert Linx.Process.signal(session, :sigusr1) == {:error, :no_process}
      assert Linx.Process.abort(session) == {:error, :no_process}
      assert {:ok, {:signaled, 9}} = Linx.Process.stop(session)
      assert Stranger.fate(stranger) == "untouched"
    end

    test "is not touched by an agent that has not yet seen the end of its predecessor" do
      {wire, agent} = Wire.open_envelope()
      {id, pid} = Hostile.running(wire, :init, %{argv: Hostile.idle(), stdio: :devnull})

      # What is said now is heard when the pid has changed hands.
      System.cmd("kill", ["-STOP", "#{agent}"])
      Wire.say(wire, {id, {:signal, 10}})
      Wire.say(wire, {1, {:enter, %{argv: ["/bin/true"], target: {:session, id}}}})
      Wire.say(wire, {id, :abort})
      System.cmd("kill", ["-KILL", "#{pid}"])
      stranger = Stranger.take(pid)
      System.cmd("kill", ["-CONT", "#{agent}"])

      assert_receive {^wire, {1, {:error, @esrch, :open_target}}}
      assert_receive {^wire, {^id, {:status, :signaled, 9}}}
      Wire.close(wire)
      assert Stranger.fate(stranger) == "untouched"
    end

    test "is not entered where it changes hands between the look and the entering" do
      {wire, _agent} = Wire.open_envelope()

      for request <- requests(["/bin/true"]), kind <- [:namespaces_init, :init] do
        {victim, pid} = Hostile.running(wire, kind, %{argv: Hostile.idle(), stdio: :devnull})
        held = hold(wire, 1, Map.put(request, :target, pid))
        kill(wire, victim)
        stranger = Stranger.take(pid)
        Hostile.make_room(held)
        assert_receive {^wire, {1, {:error, @esrch, stage}}} when stage in [:setns, :open_target]
        assert Stranger.fate(stranger) == "untouched"
      end
    end
  end

  # With and without a list of namespaces, with and without an init.
  defp requests(argv) do
    for more <- [
          %{},
          %{init: true},
          %{namespaces: [:user, :pid, :uts]},
          %{namespaces: [:user, :uts], init: true}
        ] do
      Map.merge(more, %{argv: argv, auto_proceed: true, stdio: :devnull})
    end
  end

  defp enter(wire, id, request), do: Wire.say(wire, {id, {:enter, request}})

  # Held between the look at the target and entering it. Answers what lets it go on.
  defp hold(wire, id, request) do
    {path, listener} = Hostile.full_socket()
    enter(wire, id, %{request | stdio: [stdin: {:connect_unix, path}]})
    # An answer to this means that the request was looked at.
    Wire.say(wire, :stats)
    assert_receive {^wire, {:stats, _}}
    refute_received {^wire, {^id, _}}
    listener
  end

  defp kill(wire, id) do
    Wire.say(wire, {id, {:signal, 9}})
    assert_receive {^wire, {^id, {:status, :signaled, 9}}}
  end

  # A process that the program of that name says it has made.
  defp target(kind) do
    options = [:binary, {:line, 64}, args: [kind]]
    port = Port.open({:spawn_executable, FixtureProgram.path("target")}, options)
    assert_receive {^port, {:data, {:eol, pid}}}
    {port, String.to_integer(pid)}
  end
end
