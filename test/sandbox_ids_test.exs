defmodule Linx.Sandbox.IdsTest do
  use ExUnit.Case, async: true

  alias Linx.Sandbox.{Accounts, Ids}

  doctest Linx.Sandbox.Accounts
  doctest Linx.Sandbox.Ids

  @root %{mode: :spawn, namespaces: [:user], uid: 0, gid: 0}
  @ada %{@root | uid: 1000, gid: 100}

  defp request(fields, context), do: Ids.new() |> struct!(fields) |> Ids.request(context)

  test "nothing is asked for unless it was" do
    assert request([], %{@root | namespaces: [:mount]}) == {:ok, %{}}
    assert Ids.namespaces(Ids.new()) == []
  end

  test "root's workload is nobody outside, and root inside unless it is to be another" do
    map = [{0, 100_000, 65_536}]
    keys = %{uid: 0, gid: 0, uid_map: map, gid_map: map}
    assert request([], @root) == {:ok, keys}
    assert request([user: 7, group: 9], @root) == {:ok, %{keys | uid: 7, gid: 9}}
  end

  test "an ordinary user's workload has that user's ids outside, whoever it is inside" do
    assert request([], @ada) ==
             {:ok, %{uid_map: [{1000, 1000, 1}], gid_map: [{100, 100, 1}]}}

    assert request([user: 65_534, group: 5], @ada) ==
             {:ok, %{uid: 65_534, gid: 5, uid_map: [{65_534, 1000, 1}], gid_map: [{5, 100, 1}]}}
  end

  test "a map that leaves out who the agent is makes the workload another" do
    assert {:ok, %{uid: 0, uid_map: [{0, 5000, 10}]}} = request([uid_map: [{0, 5000, 10}]], @root)
    assert {:ok, %{uid: 3}} = request([uid_map: [{3, 5000, 10}]], @root)
    assert {:ok, keys} = request([uid_map: [{3, 0, 1}]], @root)
    refute Map.has_key?(keys, :uid)
    assert {:ok, %{uid: 2, gid: 2}} = request([user: 2, group: 2, uid_map: [{2, 0, 1}]], @root)
  end

  test "maps need a user namespace, and in another's there are some already" do
    assert Ids.namespaces(%{Ids.new() | uid_map: []}) == [:user]
    assert Ids.namespaces(%{Ids.new() | setgroups: :deny}) == [:user]
    enter = %{@root | mode: :enter}
    fields = [user: 5, group: 6, groups: [7], uid_map: [{0, 1, 1}]]
    assert request(fields, enter) == {:ok, %{uid: 5, gid: 6, groups: [7]}}
  end

  test "names are the host's" do
    here = %{@root | namespaces: []}
    assert request([user: "root"], here) == {:ok, %{uid: 0, gid: 0}}
    assert request([group: "root", groups: ["root", 5]], here) == {:ok, %{gid: 0, groups: [0, 5]}}
    assert {:ok, %{uid: uid, gid: gid}} = request([user: "nobody"], here)
    assert {:ok, ^uid, ^gid} = Accounts.find_user(Accounts.text(:passwd), uid)
    # Whoever is in no list has a group of the same number.
    assert request([user: 4_000_000_000], here) ==
             {:ok, %{uid: 4_000_000_000, gid: 4_000_000_000}}
  end

  test "what is no id and no name is refused, by what it was for" do
    for value <- [4_294_967_295, 4_294_967_296, -1, "1x", "0", "", "no such", :root, 0.0, {0}] do
      assert request([user: value], @root) == {:error, {:bad_sandbox, {:user, value}}}
      assert request([group: value], @root) == {:error, {:bad_sandbox, {:group, value}}}
      assert request([groups: [0, value]], @root) == {:error, {:bad_sandbox, {:groups, value}}}
    end

    for value <- ["audio", [0 | 1], [nil], %{}] do
      assert {:error, {:bad_sandbox, {:groups, _}}} = request([groups: value], @root)
    end
  end

  test "what is no map is refused" do
    for value <- [
          [],
          "0 0 1",
          [{0, 0}],
          [{-1, 0, 1}],
          [{4_294_967_295, 0, 1}],
          [{0, 4_294_967_296, 1}],
          [{0, "1x", 1}],
          [{0, 0, 0}],
          [{0, 1, 2}, {1, 5, 1}],
          [{0, 1, 1} | 2]
        ],
        key <- [:uid_map, :gid_map] do
      assert request([{key, value}], @root) == {:error, {:bad_sandbox, {key, value}}}
    end

    assert request([setgroups: true], @root) == {:error, {:bad_sandbox, {:setgroups, true}}}
  end

  test "an account's line that is none of its form is passed over" do
    text = "ada:x\nada:x:-1:0::\nada:x:4294967295:0::\n:x:5:5::\nada:x:7:8::\nada:x:9:9::\n"
    assert Accounts.find_user(text, "ada") == {:ok, 7, 8}
    assert Accounts.find_user(text, "") == :error
    assert Accounts.find_user(text, 9) == {:ok, 9, 9}
    assert Accounts.find_group("audio:x:1x:\naudio:x:29:\n", "audio") == {:ok, 29}
  end
end
