defmodule Linx.Integration.HostileIntrusionTest do
  use Linx.Case

  alias Linx.Test.{FixtureProgram, Hostile, Parked}
  alias Linx.Test.Hostile.Wire

  @moduletag :user_namespaces

  @container 100
  # EPERM and EACCES.
  @denied [1, 13]

  describe "root in an entered container" do
    for {name, namespaces, look} <- [
          {"that sees the host's processes", [:user, :mount, :uts, :ipc, :net], []},
          {"with a pid namespace of its own", [:user, :mount, :pid], ["proc"]}
        ] do
      @tag namespaces: namespaces, look: look
      test "#{name} does not get into a parked newcomer", context do
        {wire, idle} = open_container(context.namespaces)
        newcomers = for init <- [false, true], do: newcomer(wire, init, context)
        own = if context.look == [], do: idle, else: 1
        pids = for pid <- [own | List.flatten(newcomers)], do: Integer.to_string(pid)
        argv = [FixtureProgram.path("intrude") | context.look] ++ pids

        request = %{argv: argv, target: {:session, @container}}
        assert {text, {:status, :exited, 0}} = Hostile.output(wire, :enter, request)
        outcomes = outcomes(text)
        assert map_size(outcomes) == 11 * length(pids)

        # It is root there: the container's own processes are open to it.
        for {{way, ^own}, outcome} <- outcomes,
            do: assert({way, outcome in @denied} == {way, false})

        for {{way, pid}, outcome} <- outcomes, pid != own do
          assert outcome in @denied, "#{way} into #{pid} answers #{outcome}"
        end
      end

      @tag namespaces: namespaces, look: look
      test "#{name} never gets into one that comes while it looks", context do
        {wire, _idle} = open_container(context.namespaces)
        {path, listener} = listen()
        argv = [FixtureProgram.path("intrude") | context.look] ++ ["poll"]
        stdio = [stdin: :devnull, stdout: {:connect_unix, path}, stderr: :devnull]
        intruder = %{argv: argv, target: {:session, @container}, stdio: stdio}
        {id, _pid} = Hostile.running(wire, :enter, intruder)
        {:ok, socket} = :gen_tcp.accept(listener, 5000)
        :inet.setopts(socket, packet: :line)
        assert {:ok, "here\n"} = :gen_tcp.recv(socket, 0, 5000)

        for _ <- 1..15, kind <- [:enter, :enter_init, :enter_auto_proceed] do
          request = %{argv: ["/bin/true"], target: {:session, @container}, stdio: :devnull}
          {newcomer, _pid} = Hostile.running(wire, kind, request)
          assert_receive {^wire, {^newcomer, {:status, :exited, 0}}}
        end

        # Until it has had its time with each.
        {_id, _pid} =
          Hostile.parked(wire, :enter_init, %{
            argv: Hostile.idle(),
            target: {:session, @container}
          })

        said = said_until(socket, MapSet.new(["met linx_child\n", "met linx_init\n"]), [])
        Wire.say(wire, {id, {:signal, 15}})
        said = said ++ (socket |> read_all("") |> String.split("\n", trim: true))
        assert_receive {^wire, {^id, {:status, :exited, 0}}}

        assert Enum.filter(said, &String.starts_with?(&1, "in ")) == []
        assert "tries " <> tries = List.last(said)
        assert String.to_integer(tries) > 22
      end
    end
  end

  test "a process of the same user without capabilities gets into no process of a session" do
    {wire, agent} = Wire.open_envelope(start_with: ["powerless"])
    # Users without capabilities make namespaces inside of one of their own.
    Hostile.open_target(wire, [:user, :uts])

    victims =
      for kind <- [:spawn, :init, :pty, :enter, :enter_init] do
        {_id, pid} = Hostile.parked(wire, kind, %{argv: Hostile.idle()})
        [pid | init_of(pid)]
      end

    port =
      Port.open({:spawn_executable, FixtureProgram.path("start_with")},
        args: ["powerless", "--" | Hostile.idle()]
      )

    {:os_pid, own} = Port.info(port, :os_pid)
    wait_until(fn -> status(own, "Name") == "idle" end, "no idle process")

    pids = for pid <- [own, agent | List.flatten(victims)], do: Integer.to_string(pid)
    outcomes = outcomes(Hostile.outside([FixtureProgram.path("intrude") | pids], ["powerless"]))
    System.cmd("kill", ["-9", "#{own}"])

    for {{way, pid}, outcome} <- outcomes do
      assert {way, pid, outcome in @denied} == {way, pid, pid != own}
    end
  end

  # A container with uid 0 inside, and a process in it.
  defp open_container(namespaces) do
    {wire, _agent} = Wire.open_envelope()
    request = %{argv: Hostile.idle(), namespaces: namespaces, stdio: :devnull}
    Wire.say(wire, {@container, {:spawn, request}})
    assert_receive {^wire, {@container, {:status, :spawned, pid}}}
    assert_receive {^wire, {@container, {:status, :ready, _}}}
    :ok = Linx.User.setup_maps(pid, Parked.own_maps())
    Wire.say(wire, {@container, :proceed})
    assert_receive {^wire, {@container, {:status, :running}}}
    {wire, pid}
  end

  # A parked one's pid, and its init's, as the intruder counts them.
  defp newcomer(wire, init, context) do
    id = System.unique_integer([:positive])
    request = %{argv: Hostile.idle(), target: {:session, @container}, init: init}
    Wire.say(wire, {id, {:enter, Map.put(request, :stdio, :devnull)}})
    assert_receive {^wire, {^id, {:status, :spawned, pid}}}
    assert_receive {^wire, {^id, {:status, :ready, _}}}
    pids = [pid | init_of(pid)]
    assert length(pids) == if(init, do: 2, else: 1)
    if context.look == [], do: pids, else: Enum.map(pids, &inner_pid/1)
  end

  defp init_of(pid) do
    parent = status(pid, "PPid")
    if status(parent, "Name") == "linx_init", do: [String.to_integer(parent)], else: []
  end

  defp inner_pid(pid),
    do: pid |> status("NSpid") |> String.split() |> List.last() |> String.to_integer()

  defp outcomes(text) do
    for line <- String.split(text, "\n", trim: true), into: %{} do
      [way, pid, outcome] = String.split(line)
      {{way, String.to_integer(pid)}, String.to_integer(outcome)}
    end
  end

  defp said_until(socket, wanted, said) do
    if MapSet.size(wanted) == 0 do
      :inet.setopts(socket, packet: :raw)
      said
    else
      assert {:ok, line} = :gen_tcp.recv(socket, 0, 10_000)
      said_until(socket, MapSet.delete(wanted, line), said ++ [String.trim(line)])
    end
  end
end
