defmodule Linx.Integration.SandboxIdsTest do
  use Linx.Case

  import Linx.Test.Parked

  alias Linx.{Sandbox, User}
  alias Linx.Test.Hostile.{Stranger, Wire}

  @moduletag :user_namespaces

  @sleep ["/bin/sleep", "60"]
  @first 100_000
  @none "0000000000000000"

  defp fresh, do: Sandbox.namespaces(Sandbox.new(), [:user])
  defp root?, do: own("Uid") == 0

  defp start(sandbox, options \\ []) do
    {_session, pid} = running([argv: @sleep, stdio: :devnull, sandbox: sandbox] ++ options)
    pid
  end

  defp ids(pid, line), do: pid |> status(line) |> String.split() |> Enum.map(&String.to_integer/1)

  # Whom the host sees: the four uids or gids are one.
  defp outside(pid, line) do
    assert [id] = pid |> ids(line) |> Enum.uniq()
    id
  end

  for {way, options} <- [
        auto: [init: false],
        init: [init: true],
        pid_one: [namespaces: [:pid], init: false],
        pid_namespace: [namespaces: [:pid], init: true]
      ] do
    test "root inside is nobody of note outside: #{way}" do
      pid = fresh() |> Sandbox.user(0) |> start(unquote(options))

      if root?() do
        assert outside(pid, "Uid") == @first
        assert outside(pid, "Gid") == @first
        assert User.read_uid_map(pid) == {:ok, [{0, @first, 65_536}]}
        assert User.read_gid_map(pid) == {:ok, [{0, @first, 65_536}]}
        assert ids(pid, "Groups") == []
      else
        assert outside(pid, "Uid") == own("Uid")
        assert User.read_uid_map(pid) == {:ok, [{0, own("Uid"), 1}]}
        assert User.read_gid_map(pid) == {:ok, [{0, own("Gid"), 1}]}
        assert File.read!("/proc/#{pid}/setgroups") == "deny\n"
      end
    end
  end

  test "the maps are there before anybody is told of the workload, at the checkpoint too" do
    options = [argv: ["/usr/bin/id", "-u"], stdio: :pipe, active: false, sandbox: fresh()]
    {session, pid} = parked(options)
    assert {:ok, [_]} = User.read_uid_map(pid)
    assert :ok = Linx.Process.proceed(session)
    said = for {:stdout, bytes} <- Linx.Process.stream!(session), into: "", do: bytes
    assert said == if(root?(), do: "0\n", else: "#{own("Uid")}\n")
  end

  test "a user by name, and whom the workload takes itself for" do
    sandbox = fresh() |> Sandbox.user("nobody")
    assert {said, 0} = Linx.cmd("sh", ["-c", "id -u; id -un"], sandbox: sandbox)
    assert [uid, "nobody"] = String.split(said)
    pid = start(sandbox)
    map = if root?(), do: {0, @first, 65_536}, else: {String.to_integer(uid), own("Uid"), 1}
    assert User.read_uid_map(pid) == {:ok, [map]}
    for set <- ["CapPrm", "CapEff", "CapAmb", "CapInh"], do: assert(status(pid, set) == @none)
  end

  test "without a user named nobody keeps the host's root" do
    pid = start(fresh())
    expected = if root?(), do: @first, else: own("Uid")
    assert outside(pid, "Uid") == expected
    if root?(), do: assert(ids(pid, "Groups") == [])
  end

  test "in its user namespace root may not write what the host's root may" do
    script = "id -u; echo x 2>/dev/null >/proc/sys/kernel/core_pattern || echo denied"
    before = File.read!("/proc/sys/kernel/core_pattern")
    assert {said, 0} = Linx.cmd("sh", ["-c", script], sandbox: Sandbox.user(fresh(), 0))
    assert said == "0\ndenied\n"
    assert File.read!("/proc/sys/kernel/core_pattern") == before
  end

  @tag :root
  test "groups are those that were asked for, inside and outside" do
    pid = fresh() |> Sandbox.user(1) |> Sandbox.group(2) |> Sandbox.groups(["root", 7]) |> start()
    assert outside(pid, "Uid") == @first + 1
    assert outside(pid, "Gid") == @first + 2
    assert ids(pid, "Groups") == [@first, @first + 7]
    assert File.read!("/proc/#{pid}/setgroups") == "allow\n"
  end

  @tag :root
  test "without a user namespace, ids are the host's, and groups are given up with them" do
    pid = Sandbox.new() |> Sandbox.user(65_534) |> start()
    assert outside(pid, "Uid") == 65_534
    assert outside(pid, "Gid") == 65_534
    assert ids(pid, "Groups") == []
    for set <- ["CapPrm", "CapEff"], do: assert(status(pid, set) == @none)
  end

  @tag :root
  test "maps of several ranges, and a range of the application's own" do
    map = [{0, 300_000, 10}, {10, 400_000, 5}]
    pid = Sandbox.new() |> Sandbox.uid_map(map) |> Sandbox.user(12) |> start()
    assert User.read_uid_map(pid) == {:ok, map}
    assert outside(pid, "Uid") == 400_002

    Application.put_env(:linx, :subordinate_ids, {700_000, 100})
    on_exit(fn -> Application.delete_env(:linx, :subordinate_ids) end)
    assert {:ok, [{0, 700_000, 100}]} = fresh() |> start() |> User.read_uid_map()
    # Never the host's root.
    Application.put_env(:linx, :subordinate_ids, {0, 100})
    assert {:error, {:bad_sandbox, {:subordinate_ids, {0, 100}}}} = spawn_sleep(fresh())
  end

  @tag :root
  test "setgroups can be denied" do
    sandbox = fresh() |> Sandbox.setgroups(:deny)
    pid = start(sandbox)
    assert File.read!("/proc/#{pid}/setgroups") == "deny\n"

    {:ok, session} = spawn_sleep(Sandbox.groups(sandbox, [5]))
    assert {:error, %{stage: :groups, errno: :eperm}} = Linx.Process.wait(session)
    refute_received {:linx_process, :running}
  end

  test "a map that the kernel refuses ends the session before anything runs" do
    # As root, ids of which some lie in no namespace are fine: what is refused is a second map.
    if not root?() do
      {:ok, session} = spawn_sleep(Sandbox.uid_map(fresh(), [{0, 0, 1}]))
      assert {:error, %Linx.Process.Error{} = error} = Linx.Process.wait(session)
      assert error.stage == :uid_map
      # There is no newuidmap, or it refuses.
      assert error.errno in [:enoent, :eperm]
      assert error.detail =~ "newuidmap"
      refute_received {:linx_process, :running}
    end
  end

  describe "what is no id" do
    test "is refused by the library" do
      for id <- [4_294_967_295, 4_294_967_296, -1, "1x"] do
        assert {:error, {:bad_sandbox, {:user, ^id}}} = spawn_sleep(Sandbox.user(fresh(), id))
        assert {:error, {:bad_sandbox, {:group, ^id}}} = spawn_sleep(Sandbox.group(fresh(), id))

        # So many ids there are.
        lengths = if id == 4_294_967_295, do: [], else: [[{0, 0, id}]]

        for map <- [[{id, 0, 1}], [{0, id, 1}]] ++ lengths do
          assert {:error, {:bad_sandbox, {:uid_map, ^map}}} =
                   spawn_sleep(Sandbox.uid_map(fresh(), map))

          assert {:error, {:bad_sandbox, {:gid_map, ^map}}} =
                   spawn_sleep(Sandbox.gid_map(fresh(), map))
        end
      end
    end

    test "is refused by the agent, before there is a process" do
      {wire, agent} = Wire.open_envelope()

      for id <- [4_294_967_295, 4_294_967_296, -1, "1x"],
          key <- [:uid_map, :gid_map],
          range <- [{id, 1, 1}, {1, id, 1}] ++ if(id == 4_294_967_295, do: [], else: [{0, 0, id}]) do
        request = %{key => [range], argv: @sleep, namespaces: [:user], auto_proceed: true}
        Wire.say(wire, {1, {:spawn, request}})
        assert_receive {^wire, {1, {:error, 22, :malformed_request, detail}}}
        assert detail =~ ~r/^#{key}: expected /
      end

      assert Linx.Test.Leftovers.descendants(agent) == []
    end

    test "nor is a map without a fresh user namespace taken" do
      {wire, agent} = Wire.open_envelope()

      for {key, value} <- [uid_map: [{0, 1, 1}], gid_map: [{0, 1, 1}], setgroups: :deny] do
        Wire.say(wire, {1, {:spawn, %{key => value, argv: @sleep}}})
        assert_receive {^wire, {1, {:error, 22, :malformed_request, detail}}}
        assert detail == "#{key}: only in a fresh namespace: user"
      end

      assert Linx.Test.Leftovers.descendants(agent) == []
    end
  end

  @tag :root
  test "a workload that is killed takes its maps along, whoever has its pid next" do
    {wire, _agent} = Wire.open_envelope()
    request = %{argv: @sleep, namespaces: [:user], uid_map: [{0, 5000, 1}], stdio: :devnull}
    Wire.say(wire, {1, {:spawn, request}})
    assert_receive {^wire, {1, {:status, :spawned, pid}}}
    assert_receive {^wire, {1, {:status, :ready, _}}}
    assert User.read_uid_map(pid) == {:ok, [{0, 5000, 1}]}
    Wire.say(wire, {1, :abort})
    assert_receive {^wire, {1, {:status, :aborted, _}}}
    stranger = Stranger.take(pid)
    assert User.read_uid_map(pid) == {:ok, []}
    assert Stranger.fate(stranger) == "untouched"
  end

  defp spawn_sleep(sandbox),
    do: Linx.Process.spawn(argv: @sleep, sandbox: sandbox, auto_proceed: true, stdio: :devnull)
end
