defmodule Linx.Integration.PipelineTest do
  use Linx.Case

  alias Linx.Command.Error

  describe "a pipeline" do
    test "hands the output of each command to the next" do
      commands = [["printf", "b\\na\\nb\\n"], ["sort"], ["uniq", "-c"]]
      assert Linx.pipeline(commands) == {"      1 a\n      2 b\n", [0, 0, 0]}
      assert Linx.pipeline([["echo", "alone"]]) == {"alone\n", [0]}
    end

    test "has a status for each command" do
      assert {"", [3, 0, {:signal, 9}]} =
               Linx.pipeline([
                 ["sh", "-c", "exit 3"],
                 ["cat"],
                 ["sh", "-c", "cat; kill -9 $$"]
               ])
    end

    test "says that a command was ended by SIGPIPE" do
      assert Linx.pipeline([["yes"], ["head", "-n", "1"]]) == {"y\n", [{:signal, 13}, 0]}
      assert {"", [{:signal, 13}, {:signal, 13}, 0]} = Linx.pipeline([["yes"], ["cat"], ["true"]])
    end

    test "takes input and gives output as a command does" do
      input = Stream.duplicate(:binary.copy("0123456789abcde\n", 4096), 160)

      assert {[count], [0, 0, 0]} =
               Linx.pipeline([["cat"], ["cat"], ["wc", "-l"]], input: input, lines: 100)

      assert String.trim(count) == "#{4096 * 160}"
      assert Linx.pipeline([["cat"], ["cat"]], input: "") == {"", [0, 0]}
    end

    test "keeps stderr apart, or has it go where stdout goes" do
      commands = [["sh", "-c", "echo a; echo e >&2"], ["sh", "-c", "cat; echo f >&2"]]
      assert Linx.pipeline(commands, stderr: :separate) == {{"a\n", ["e\n", "f\n"]}, [0, 0]}
      assert {output, [0, 0]} = Linx.pipeline(commands, stderr: :merge)
      assert output |> String.split() |> Enum.sort() == ["a", "e", "f"]
    end

    test "sends nothing through the BEAM but its result" do
      before = bytes_from_agents()

      assert {"100000000\n", [0, 0, 0]} =
               Linx.pipeline([["head", "-c", "100000000", "/dev/zero"], ["cat"], ["wc", "-c"]])

      assert bytes_from_agents() - before < 10_000
    end

    test "gives no command more than its own ends" do
      list = ["sh", "-c", "cat >/dev/null; cd /proc/self/fd && echo *"]
      assert Linx.pipeline([["echo"], list, ["cat"]]) == {"0 1 2 3\n", [0, 0, 0]}
    end

    @tag :user_namespaces
    test "isolates each command" do
      pids = ["sh", "-c", "cat; echo $$"]

      assert Linx.pipeline([pids, pids], input: "", namespaces: [:user, :pid]) ==
               {"1\n1\n", [0, 0]}
    end

    test "of commands that end at once waits for no other" do
      for _ <- 1..50 do
        assert Linx.pipeline([["true"], ["cat"], ["cat"]], timeout: 30_000) == {"", [0, 0, 0]}
        assert {"", [_, 0]} = Linx.pipeline([["echo"], ["true"]], timeout: 30_000)
      end
    end

    test "of which some run beside others, many at once" do
      1..20
      |> Task.async_stream(fn n ->
        assert Linx.pipeline([["seq", "#{n * 1000}"], ["tail", "-n", "1"]]) ==
                 {"#{n * 1000}\n", [0, 0]}
      end)
      |> Stream.run()
    end
  end

  describe "nothing is left of a pipeline" do
    test "one of whose commands is not there" do
      before = sessions_started()
      commands = [["yes"], ["no-such-command"], ["cat"]]
      assert_raise ErlangError, fn -> Linx.pipeline(commands) end
      assert sessions_started() == before
    end

    test "one of whose commands cannot be executed" do
      program = Path.join(tmp_dir(), "program")
      File.write!(program, "no program")
      File.chmod!(program, 0o755)

      for commands <- [
            [["yes"], [program], ["cat"]],
            [[program], ["cat"]],
            [["yes"], [program]]
          ] do
        error = assert_raise Linx.Process.Error, fn -> Linx.pipeline(commands) end
        assert %{stage: :execve, errno: :enoexec} = error
      end
    end

    test "that takes too long" do
      script = "trap '' TERM; echo $$ >&2; sleep 1000"
      commands = List.duplicate(["sh", "-c", script], 3)

      error =
        assert_raise Error, ~r/:timeout/, fn ->
          Linx.pipeline(commands, timeout: 500, stderr: :separate)
        end

      assert {"", pids} = error.output
      for pid <- pids, do: assert_gone(pid |> String.trim() |> String.to_integer())
      assert error.command == commands
    end

    test "that writes too much" do
      assert %{output: "y\ny"} = catch_error(Linx.pipeline([["yes"], ["cat"]], max_output: 3))
    end

    test "whose caller is killed" do
      test = self()
      into = %Linx.Test.Collector{to: test}
      tell = ["sh", "-c", "read line; echo $line $$; sleep 1000"]
      commands = [["sh", "-c", "echo $$; sleep 1000"], tell]
      caller = spawn(fn -> Linx.pipeline(commands, into: into) end)
      assert_receive {:collected, line}
      Process.exit(caller, :kill)
      for pid <- String.split(line), do: assert_gone(String.to_integer(pid))
    end
  end

  test "what cannot be a pipeline is refused" do
    assert_raise FunctionClauseError, fn -> Linx.pipeline([]) end
    assert_raise ArgumentError, fn -> Linx.pipeline([["cat"]], agent: :dedicated) end
    assert_raise ArgumentError, fn -> Linx.pipeline([["cat"]], arg0: "dog") end
    assert_raise ArgumentError, fn -> Linx.pipeline([["cat"]], no_such_option: 1) end
    assert_raise ArgumentError, fn -> Linx.pipeline([["cat", :a]]) end
  end

  defp bytes_from_agents, do: total(:bytes_out)
  defp sessions_started, do: total(:sessions_started)

  defp total(key) do
    Enum.sum(
      for _ <- 1..Linx.Agent.Pool.size() do
        {:ok, stats} = Linx.Agent.stats()
        Map.fetch!(stats, key)
      end
    )
  end
end
