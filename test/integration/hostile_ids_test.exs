defmodule Linx.Integration.HostileIdsTest do
  use Linx.Case

  import Bitwise

  alias Linx.Test.{Hostile, Parked}
  alias Linx.Test.Hostile.{Stranger, Wire}
  alias Linx.User
  alias Linx.User.{Error, Pinned}

  # One that every user may run, wherever the project lies.
  @sleep ["/bin/sleep", "60"]
  @none "0000000000000000"
  @net_raw 1 <<< 13

  # setresuid(2) takes the first for "leave it", and so the second, were it cut to 32 bits.
  @no_ids [4_294_967_295, 4_294_967_296, -1, -4_294_967_296, 1 <<< 63, 1 <<< 64, 1 <<< 200] ++
            ["1x", "0", '0', 0.0, :root, nil, true, {0}, [], %{}]

  describe "what is no id" do
    test "is refused by the library" do
      for id <- @no_ids -- [nil, []], key <- [:uid, :gid] do
        assert {:error, {reason, ^id}} = Linx.Process.spawn([{:argv, @sleep}, {key, id}])
        assert reason == :"bad_#{key}"
      end

      for id <- @no_ids, groups <- [[id], [0, id]] do
        assert {:error, {:bad_groups, ^groups}} = Linx.Process.spawn(argv: @sleep, groups: groups)
      end
    end

    test "is refused by the agent, before there is a process" do
      {wire, agent} = Wire.open_envelope()

      for id <- @no_ids, {key, value} <- [uid: id, gid: id, groups: [id], groups: [0, id]] do
        Wire.say(wire, {1, {:spawn, %{key => value, argv: @sleep, auto_proceed: true}}})
        assert_receive {^wire, {1, event}}
        assert {:error, 22, :malformed_request, detail} = event
        assert detail =~ ~r/^#{key}: expected /
      end

      Wire.say(wire, :stats)
      assert_receive {^wire, {:stats, %{sessions: 0, sessions_started: 0}}}
      assert Linx.Test.Leftovers.descendants(agent) == []
    end

    test "is refused by an agent of one session, which ends" do
      for id <- [4_294_967_295, 4_294_967_296, -1, "1x"] do
        wire = Wire.open()
        Wire.say(wire, {:spawn, %{argv: @sleep, uid: id}})
        assert_receive {^wire, event} when elem(event, 0) == :error
        assert {22, :malformed_request} = {elem(event, 1), elem(event, 2)}
        assert_receive {^wire, {:exit, 2}}
      end
    end

    test "is refused where there are too many groups" do
      {wire, _agent} = Wire.open_envelope()
      request = %{argv: @sleep, groups: Enum.to_list(1..65_537)}
      Wire.say(wire, {1, {:spawn, request}})
      assert_receive {^wire, {1, {:error, 22, :malformed_request, "groups: " <> _}}}
    end
  end

  describe "the ids of a workload" do
    @describetag :root

    setup do
      {wire, _agent} = Wire.open_envelope(start_with: ["groups:1,2,3"])
      Hostile.open_target(wire)
      %{wire: wire}
    end

    test "are its own in all four places, and nothing of root is left", %{wire: wire} do
      for kind <- Hostile.kinds(), uid <- [65_534, 4_294_967_294] do
        pid = run(wire, kind, %{uid: uid, gid: 1234})
        assert {kind, ids(pid, "Uid")} == {kind, List.duplicate(uid, 4)}
        assert {kind, ids(pid, "Gid")} == {kind, List.duplicate(1234, 4)}
        for set <- ["CapPrm", "CapEff", "CapAmb", "CapInh"], do: assert(status(pid, set) == @none)
      end
    end

    test "bring no supplementary groups along", %{wire: wire} do
      for kind <- Hostile.kinds() do
        # Left alone, they are inherited.
        assert {kind, ids(run(wire, kind, %{}), "Groups")} == {kind, [1, 2, 3]}

        for request <- [%{uid: 65_534}, %{gid: 65_534}, %{uid: 0}, %{gid: 0}, %{groups: []}] do
          assert {kind, request, ids(run(wire, kind, request), "Groups")} == {kind, request, []}
        end
      end
    end

    test "bring the groups that were asked for, in spite of a uid that may set none", %{
      wire: wire
    } do
      for kind <- Hostile.kinds() do
        pid = run(wire, kind, %{uid: 65_534, gid: 1234, groups: [5, 4_294_967_294, 6]})
        assert {kind, ids(pid, "Groups")} == {kind, [5, 6, 4_294_967_294]}
        assert {kind, ids(run(wire, kind, %{groups: [7]}), "Groups")} == {kind, [7]}
      end
    end

    test "are not changed at all by one who may change uids, but not drop groups" do
      cap_setgid = 6
      {wire, _agent} = Wire.open_envelope(start_with: ["groups:1,2", "without:#{cap_setgid}"])
      Hostile.open_target(wire)

      for kind <- Hostile.kinds(), request <- [%{uid: 65_534}, %{uid: 65_534, groups: []}] do
        {id, _pid} = Hostile.parked(wire, kind, Map.merge(Hostile.request(kind, @sleep), request))
        if kind in Hostile.parked_kinds(), do: Wire.say(wire, {id, :proceed})
        assert_receive {^wire, {^id, event}}
        assert {kind, event} == {kind, {:error, 1, :groups}}
      end
    end

    test "keep the capabilities that an order names, and no other", %{wire: wire} do
      for kind <- Hostile.parked_kinds() do
        request = Map.merge(Hostile.request(kind, @sleep), %{uid: 65_534, gid: 65_534})

        for {orders, kept} <- [
              {[{:cap_set_thread, @net_raw, @net_raw, 0}], 0},
              {[{:cap_set_thread, @net_raw, @net_raw, @net_raw}, {:cap_set_ambient, @net_raw}],
               @net_raw},
              {[{:cap_drop_bounding, @net_raw}], 0}
            ] do
          {id, pid} = Hostile.parked(wire, kind, request)
          for order <- orders ++ [:proceed], do: Wire.say(wire, {id, order})
          assert_receive {^wire, {^id, {:status, :running}}}
          # What exec leaves a uid that is not 0 is the ambient set.
          for set <- ["CapPrm", "CapEff", "CapAmb"] do
            assert {kind, set, mask(pid, set)} == {kind, set, kept}
          end
        end
      end
    end
  end

  describe "in a fresh user namespace" do
    @describetag :user_namespaces

    test "ids that it does not map are refused" do
      for {request, stage} <- [{%{uid: 5}, :uid}, {%{gid: 5}, :gid}, {%{uid: 0, gid: 5}, :gid}] do
        assert run_mapped(request) == {:error, 22, stage, "5"}
      end
    end

    test "the bounding set is what was left of it at the checkpoint, for who enters, too" do
      {wire, _agent} = Wire.open_envelope()
      {last_cap, "\n"} = "/proc/sys/kernel/cap_last_cap" |> File.read!() |> Integer.parse()
      all = (2 <<< last_cap) - 1
      request = %{argv: @sleep, namespaces: [:user], stdio: :devnull}

      {container, pid} = Hostile.parked(wire, :init, request)
      :ok = User.setup_maps(pid, Parked.own_maps())
      Wire.say(wire, {container, :proceed})
      assert_receive {^wire, {^container, {:status, :running}}}
      # The namespace has filled it again.
      assert mask(pid, "CapBnd") == all

      entering = %{argv: @sleep, target: {:session, container}, stdio: :devnull}

      for {kind, request} <- [
            spawn: request,
            init: request,
            enter: entering,
            enter_init: entering
          ] do
        {id, pid} = Hostile.parked(wire, kind, request)
        if kind in [:spawn, :init], do: :ok = User.setup_maps(pid, Parked.own_maps())
        Wire.say(wire, {id, {:cap_drop_bounding, all}})
        Wire.say(wire, {id, :proceed})
        assert_receive {^wire, {^id, {:status, :running}}}
        for set <- ["CapBnd", "CapPrm", "CapInh"], do: assert({kind, mask(pid, set)} == {kind, 0})
      end
    end

    test "groups that may not be set are refused where they were asked for" do
      assert run_mapped(%{uid: 0, gid: 0, groups: [0]}) == {:error, 1, :groups}
      assert run_mapped(%{uid: 0, gid: 0}) == {:status, :running}
    end
  end

  describe "an id map" do
    @describetag :root

    test "is not written to the process that has the pid now" do
      {:ok, session} = Linx.Process.spawn(argv: @sleep, namespaces: [:user])
      assert_receive {:linx_process, :ready, pid}
      {:ok, pinned} = Pinned.open(pid, ["uid_map", "gid_map", "setgroups"], :write)
      :ok = Linx.Process.abort(session)
      assert_receive {:linx_process, :aborted}
      stranger = Stranger.take(pid)

      for {name, text} <- [{"setgroups", "deny"}, {"gid_map", "0 0 1"}, {"uid_map", "0 0 1"}] do
        assert {:error, %Error{errno: :esrch}} = Pinned.write(pinned, name, text)
      end

      Pinned.close(pinned)
      assert User.read_uid_map(pid) == {:ok, []}
      assert User.read_gid_map(pid) == {:ok, []}
      assert File.read!("/proc/#{pid}/setgroups") == "allow\n"
      assert Stranger.fate(stranger) == "untouched"
    end
  end

  # A running workload's pid.
  defp run(wire, kind, request) do
    {_id, pid} = Hostile.running(wire, kind, Map.merge(Hostile.request(kind, @sleep), request))
    pid
  end

  # The first event behind proceed of a session that maps only uid and gid 0.
  defp run_mapped(request) do
    {wire, _agent} = Wire.open_envelope()

    {id, pid} =
      Hostile.parked(wire, :init, Map.merge(request, %{argv: @sleep, namespaces: [:user]}))

    :ok = User.setup_maps(pid, Parked.own_maps())
    Wire.say(wire, {id, :proceed})
    assert_receive {^wire, {^id, event}}
    event
  end

  defp ids(pid, line), do: pid |> status(line) |> String.split() |> Enum.map(&String.to_integer/1)

  defp mask(pid, set), do: pid |> status(set) |> String.to_integer(16)
end
