defmodule Linx.UserTest do
  use ExUnit.Case, async: true

  alias Linx.User
  alias Linx.User.{Error, IdMap}

  doctest Linx.User.IdMap
  doctest Linx.User.Error

  @no_process 2_147_483_647

  describe "IdMap.encode/1" do
    test "writes one line a range" do
      assert IdMap.encode([{0, 1000, 1}, {1, 100_000, 65_535}]) ==
               {:ok, "0 1000 1\n1 100000 65535\n"}
    end

    test "takes the highest id and the widest range, and nothing beyond" do
      assert {:ok, _} = IdMap.encode([{0, 0, 4_294_967_295}])
      assert {:ok, _} = IdMap.encode([{4_294_967_294, 0, 1}])

      for bad <- [
            {4_294_967_295, 0, 1},
            {0, 4_294_967_295, 1},
            {1, 0, 4_294_967_295},
            {0, 0, 0},
            {-1, 0, 1},
            {0, 0, -1},
            {0, 0, 1.0},
            {0, "0", 1},
            {0, 0},
            :root
          ] do
        assert IdMap.encode([bad]) == {:error, {:bad_map, {:bad_range, bad}}}
      end
    end

    test "refuses overlap on either side, neighbours are none" do
      assert {:ok, _} = IdMap.encode([{10, 0, 10}, {0, 10, 10}])

      assert IdMap.encode([{0, 100, 10}, {9, 200, 1}]) ==
               {:error, {:bad_map, {:overlap, {0, 100, 10}, {9, 200, 1}}}}

      assert IdMap.encode([{50, 105, 1}, {0, 100, 10}]) ==
               {:error, {:bad_map, {:overlap, {0, 100, 10}, {50, 105, 1}}}}
    end

    test "keeps to the kernel's limits" do
      assert IdMap.encode([]) == {:error, {:bad_map, :empty}}
      assert IdMap.encode({0, 0, 1}) == {:error, {:bad_map, {:not_a_list, {0, 0, 1}}}}

      narrow = for n <- 0..340, do: {n, n, 1}
      assert IdMap.encode(narrow) == {:error, {:bad_map, {:too_many, 341}}}
      assert {:ok, text} = IdMap.encode(tl(narrow))
      assert byte_size(text) < 4096

      wide = for n <- 0..339, do: {1_000_000 + n, 1_000_000 + n, 1}
      assert IdMap.encode(wide) == {:error, {:bad_map, :too_long}}
    end

    test "comes back from decode/1" do
      map = [{0, 1000, 1}, {1, 100_000, 65_535}]
      {:ok, text} = IdMap.encode(map)
      assert IdMap.decode(text) == {:ok, map}
      assert IdMap.decode("") == {:ok, []}
    end
  end

  describe "a pid that no process has" do
    test "is esrch, with the file that was asked for" do
      path = "/proc/#{@no_process}/stat"

      for answer <- [
            User.read_uid_map(@no_process),
            User.read_gid_map(@no_process),
            User.deny_setgroups(@no_process),
            User.set_uid_map(@no_process, [{0, 0, 1}]),
            User.set_gid_map(@no_process, [{0, 0, 1}]),
            User.setup_maps(@no_process, uid: [{0, 0, 1}], gid: [{0, 0, 1}])
          ] do
        assert {:error, %Error{path: ^path, operation: :open, errno: :esrch, code: 3}} = answer
      end
    end

    test "matters only once the arguments are right" do
      map = [{0, 0, 1}]
      bad = [{0, 0, 0}]
      assert {:error, {:bad_map, _}} = User.set_uid_map(@no_process, bad)
      assert {:error, {:bad_map, _}} = User.set_gid_map(@no_process, bad)
      assert {:error, {:bad_map, _}} = User.setup_maps(@no_process, uid: map, gid: bad)
    end
  end

  describe "setup_maps/2" do
    test "names the key that is missing or wrong" do
      map = [{0, 0, 1}]

      assert User.setup_maps(@no_process, gid: map) == {:error, {:bad_setup, {:missing, :uid}}}
      assert User.setup_maps(@no_process, uid: map) == {:error, {:bad_setup, {:missing, :gid}}}

      assert User.setup_maps(@no_process, map) ==
               {:error, {:bad_setup, {:not_a_keyword_list, map}}}

      assert User.setup_maps(@no_process, uid: map, gid: map, groups: []) ==
               {:error, {:bad_setup, {:unknown, :groups}}}

      assert User.setup_maps(@no_process, uid: map, gid: map, setgroups: :allow) ==
               {:error, {:bad_setup, {:bad_setgroups, :allow}}}
    end
  end

  test "pids only" do
    assert_raise FunctionClauseError, fn -> User.read_uid_map(0) end
    assert_raise FunctionClauseError, fn -> User.set_uid_map("1", [{0, 0, 1}]) end
  end

  test "each known refusal says what to change" do
    message = fn file, operation, errno ->
      Exception.message(%Error{
        path: "/proc/7/" <> file,
        operation: operation,
        errno: errno,
        code: 0
      })
    end

    assert message.("uid_map", :write, :eperm) =~ "only its own uid"
    assert message.("setgroups", :write, :eperm) =~ "before the gid map"
    assert message.("gid_map", :write, :einval) =~ "outside id"
    assert message.("gid_map", :open, :eacces) =~ "another user"

    assert message.("stat", :read, :esrch) ==
             "cannot read /proc/7/stat: esrch (the process is gone)"

    assert message.("stat", :open, :emfile) == "cannot open /proc/7/stat: emfile"
  end
end
