defmodule Linx.Integration.CmdTest do
  use Linx.Case

  alias Linx.Command

  doctest Linx

  describe "a command" do
    test "tells which signal ended it" do
      assert Linx.cmd("sh", ["-c", "kill -9 $$"]) == {"", {:signal, 9}}
      assert Linx.cmd("sh", ["-c", "echo x; kill $$"]) == {"x\n", {:signal, 15}}
    end

    test "that could not be executed is no exit code" do
      dir = tmp_dir()
      program = Path.join(dir, "program")
      File.write!(program, "no program")
      File.chmod!(program, 0o755)
      assert %{stage: :execve, errno: :enoexec} = catch_error(Linx.cmd(program, []))
      assert %{stage: :chdir, errno: :enoent} = catch_error(Linx.cmd("true", [], cd: "/no/such"))
    end

    test "has an empty, open stdin, unless it is given one" do
      assert %Command.Error{reason: :timeout} = catch_error(Linx.cmd("cat", [], timeout: 100))
      assert Linx.cmd("cat", [], input: "") == {"", 0}
    end

    test "has a stderr of its own if it is to be separate" do
      script = ["-c", "echo out; echo err >&2; exit 3"]
      assert Linx.cmd("sh", script, stderr: :separate) == {{"out\n", "err\n"}, 3}
      assert Linx.cmd("sh", script, stderr: :separate, into: []) == {{["out\n"], "err\n"}, 3}
      assert Linx.cmd("sh", script, stderr: :merge) == {"out\nerr\n", 3}
    end

    test "is told by lines" do
      assert Linx.cmd("printf", ["a\\nb\\n\\nc"], lines: 1024) == {["a", "b", "", "c"], 0}
      {lines, 0} = Linx.cmd("seq", ["100000"], lines: 1024)
      assert lines == Enum.map(1..100_000, &Integer.to_string/1)
    end

    @tag :user_namespaces
    test "is isolated as a session is" do
      isolated = [namespaces: [:user, :uts, :pid], no_new_privs: true]
      assert {"1\n", 0} = Linx.cmd("sh", ["-c", "echo $$"], isolated)

      assert {"NoNewPrivs:\t1\n", 0} =
               Linx.cmd("grep", ["NoNewPrivs", "/proc/self/status"], isolated)
    end

    @tag :user_namespaces
    test "is what its checkpoint makes of it" do
      {uid, 0} = Linx.cmd("id", ["-u"])
      {gid, 0} = Linx.cmd("id", ["-g"])
      [uid, gid] = for id <- [uid, gid], do: id |> String.trim() |> String.to_integer()

      checkpoint = fn session, pid ->
        :ok = Linx.User.setup_maps(pid, uid: [{0, uid, 1}], gid: [{0, gid, 1}])
        Linx.Capabilities.drop_bounding(session, Linx.Capabilities.Constants.all())
      end

      script = "id -u; grep CapBnd /proc/self/status"
      isolated = [namespaces: [:user], checkpoint: checkpoint]
      assert {"0\nCapBnd:\t0000000000000000\n", 0} = Linx.cmd("sh", ["-c", script], isolated)
      assert {"0\n", [0, 0]} = Linx.pipeline([["id", "-u"], ["cat"]], isolated)
      assert Enum.join(Linx.stream!("id", ["-u"], isolated)) == "0\n"
    end

    test "may be aborted by its checkpoint" do
      abort = fn session, _pid -> Linx.Process.abort(session) end
      assert %{reason: :aborted} = catch_error(Linx.cmd("true", [], checkpoint: abort))
      stream = Linx.stream!("true", [], checkpoint: abort)
      assert %{reason: :aborted} = catch_error(Enum.to_list(stream))
    end

    test "does not run where its checkpoint fails" do
      path = Path.join(tmp_dir(), "ran")

      for {checkpoint, error} <- [
            {fn _, _ -> {:error, :no} end, ArgumentError},
            {fn _, _ -> raise KeyError, key: :no end, KeyError}
          ] do
        assert_raise error, fn -> Linx.cmd("touch", [path], checkpoint: checkpoint) end
        refute File.exists?(path)
      end
    end

    test "may have an agent of its own" do
      assert Linx.cmd("cat", [], input: "x", agent: :dedicated) == {"x", 0}
    end

    test "leaves nothing behind that it has started" do
      script = "setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 1000' & sleep 0.1; echo done"
      {output, 0} = Linx.cmd("sh", ["-c", script])
      assert [pid, "done"] = String.split(output)
      assert_gone(String.to_integer(pid))
    end
  end

  describe "input" do
    test "is a binary, iodata or an enumerable of both" do
      for input <- ["abc", ["a", [?b], "c"], ~w(a b c) |> Stream.map(& &1), [?a | "bc"]],
          do: assert(Linx.cmd("cat", [], input: input) == {"abc", 0})

      input = File.stream!("test/test_helper.exs", [], 7)
      assert Linx.cmd("cat", [], input: input) == {File.read!("test/test_helper.exs"), 0}
    end

    test "of a hundred megabytes comes back while it is written" do
      piece = :binary.copy("0123456789abcdef", 4096)
      {output, 0} = Linx.cmd("cat", [], input: Stream.duplicate(piece, 1600))
      assert byte_size(output) == 1600 * byte_size(piece)
      assert :erlang.crc32(output) == :erlang.crc32(:binary.copy(piece, 1600))
    end

    test "need not be read to its end" do
      assert Linx.cmd("head", ["-c", "3"], input: Stream.cycle(["abc"])) == {"abc", 0}
      assert Linx.cmd("true", [], input: Stream.cycle([:binary.copy("x", 100_000)])) == {"", 0}
    end

    test "is taken no faster than it is read" do
      test = self()
      input = Stream.repeatedly(fn -> send(test, :taken) && :binary.copy("x", 65_536) end)

      assert %{reason: :timeout} =
               catch_error(Linx.cmd("sleep", ["100"], input: input, timeout: 500))

      # A window, what a pipe holds, and what waits in between.
      assert length(mailbox()) < 40
    end

    test "that never comes holds nobody up" do
      input = stuck_input()

      assert Linx.cmd("echo", ["x"], input: input) == {"x\n", 0}

      # The writer may have been stopped before it came that far.
      for {:writer, writer} <- mailbox(), do: refute(Process.alive?(writer))
    end

    test "that raises is raised, and the command is gone" do
      input = Stream.map([1], fn _ -> raise KeyError, key: :missing end)
      assert_raise KeyError, fn -> Linx.cmd("cat", [], input: input) end

      assert catch_throw(Linx.cmd("cat", [], input: Stream.map([1], fn _ -> throw(:it) end))) ==
               :it

      assert_raise ArgumentError, fn -> Linx.cmd("cat", [], input: [:atom]) end
      assert_raise Protocol.UndefinedError, fn -> Linx.cmd("cat", [], input: :atom) end
    end
  end

  describe "a limit" do
    test "of time kills all of it and keeps what was written" do
      script = "trap '' TERM; sleep 1000 & echo $$ $!; setsid sleep 1000 & echo $!; wait; wait"

      error =
        assert_raise Command.Error, ~r/longer than its :timeout/, fn ->
          Linx.cmd("sh", ["-c", script], timeout: 500)
        end

      assert error.reason == :timeout
      assert [_, _, _] = pids = String.split(error.output)
      for pid <- pids, do: assert_gone(String.to_integer(pid))
    end

    test "of time also holds for what writes without a pause" do
      started = System.monotonic_time(:millisecond)

      assert %{reason: :timeout} =
               catch_error(Linx.cmd("yes", [], timeout: 200, into: MapSet.new()))

      assert %{reason: :timeout} =
               catch_error(Enum.each(Linx.stream!("yes", [], timeout: 200), & &1))

      assert System.monotonic_time(:millisecond) - started < 20_000
    end

    test "of time keeps stdout and stderr apart" do
      script = ["-c", "echo out; echo err >&2; sleep 1000"]

      assert %{output: {["out\n"], "err\n"}} =
               catch_error(Linx.cmd("sh", script, timeout: 500, stderr: :separate, into: []))
    end

    test "of output is kept to the byte" do
      for {limit, output} <- [{1, "y"}, {100_001, :binary.copy("y\n", 50_000) <> "y"}] do
        assert %Command.Error{reason: :max_output, command: ["yes"], output: ^output} =
                 catch_error(Linx.cmd("yes", [], max_output: limit))
      end

      assert Linx.cmd("printf", ["12345"], max_output: 5) == {"12345", 0}
    end
  end
end
