defmodule Linx.Integration.CmdCallerTest do
  @moduledoc """
  Commands and those who run them: nothing of one is left for the other.
  """

  use Linx.Case

  describe "the caller" do
    test "gets no message, and keeps his own" do
      for trap <- [true, false] do
        Process.flag(:trap_exit, trap)
        send(self(), :mine)
        Linx.cmd("echo", ["x"], input: "y", stderr: :separate)
        catch_error(Linx.cmd("yes", [], max_output: 100_000, input: Stream.cycle(["x"])))
        catch_error(Linx.cmd("sh", ["-c", "yes & yes >&2"], timeout: 50, stderr: :separate))
        catch_error(Linx.cmd("cat", [], input: [:bad]))
        catch_error(Linx.cmd("/no/such", []))
        catch_error(Linx.cmd("echo", [], into: %{}))
        Linx.stream!("yes", []) |> Enum.take(2)
        Linx.pipeline([["yes"], ["head", "-n", "1"]])
        assert mailbox() == [:mine]
      end
    end

    test "that is killed takes the command with him" do
      for reason <- [:kill, :shutdown] do
        {caller, pid} =
          caller(fn into -> Linx.cmd("sh", ["-c", "echo $$; sleep 1000"], into: into) end)

        Process.exit(caller, reason)
        assert_gone(pid)
      end
    end

    test "that is killed or leaves takes the input with him" do
      input = stuck_input()

      killed = spawn(fn -> Linx.cmd("cat", [], input: input) end)
      assert_receive {:writer, writer}
      Process.exit(killed, :kill)
      assert reason_of_end(writer) in [:killed, :noproc]

      # A stream that is left in the middle by a process that ends.
      spawn(fn ->
        step = fn piece, _ -> {:suspend, piece} end
        stream = Linx.stream!("sh", ["-c", "echo x; cat"], input: input)
        assert {:suspended, "x\n", _} = Enumerable.reduce(stream, {:cont, nil}, step)
      end)

      assert_receive {:writer, writer}
      assert reason_of_end(writer) in [:killed, :noproc]
    end

    test "whose collectable raises takes the command with him" do
      assert_raise FunctionClauseError, fn -> Linx.cmd("yes", [], into: %{}) end
    end
  end

  # A process that runs a command whose shell has told its pid.
  defp caller(run) do
    into = %Linx.Test.Collector{to: self()}
    caller = spawn(fn -> run.(into) end)
    assert_receive {:collected, line}
    {caller, line |> String.trim() |> String.to_integer()}
  end
end
