defmodule Linx.Integration.CmdStreamTest do
  use Linx.Case

  alias Linx.Command

  describe "a stream" do
    test "is lazy, and runs the command anew each time" do
      path = Path.join(tmp_dir(), "runs")
      stream = Linx.stream!("sh", ["-c", "echo x >> #{path}; cat #{path}"])
      refute File.exists?(path)
      assert Enum.join(stream) == "x\n"
      assert Enum.join(stream) == "x\nx\n"
    end

    test "kills the command when it is left" do
      script = ["-c", "echo $$; trap '' TERM; yes"]
      assert [first] = Linx.stream!("sh", script) |> Enum.take(1)
      assert_gone(first |> String.split("\n") |> hd() |> String.to_integer())

      assert_raise RuntimeError, fn ->
        for _ <- Linx.stream!("sh", script), do: raise("enough")
      end

      Linx.stream!("yes", []) |> Stream.zip(Linx.stream!("yes", [])) |> Enum.take(3)
    end

    test "says how the command ended" do
      script = ["-c", "echo out; exit 3"]
      test = self()
      each = fn piece -> send(test, {:piece, piece}) end

      assert_raise Command.Error, ~r/exited with 3/, fn ->
        Linx.stream!("sh", script) |> Enum.each(each)
      end

      assert mailbox() == [{:piece, "out\n"}]
      assert Enum.to_list(Linx.stream!("sh", script, status: :emit)) == ["out\n", {:exit, 3}]
      assert Enum.to_list(Linx.stream!("sh", script, status: :ignore)) == ["out\n"]

      assert %{reason: {:signal, 9}} =
               catch_error(Enum.to_list(Linx.stream!("sh", ["-c", "kill -9 $$"])))
    end

    test "runs no further ahead than a few pieces" do
      stream = Linx.stream!("sh", ["-c", "echo $$; exec cat /dev/zero"])
      first = fn piece, _ -> {:suspend, piece} end
      assert {:suspended, piece, continue} = Enumerable.reduce(stream, {:cont, nil}, first)
      pid = piece |> String.split("\n") |> hd() |> String.to_integer()
      assert_written_less(pid, 8 * 1024 * 1024)
      assert {:halted, :enough} = continue.({:halt, :enough})
      assert_gone(pid)
    end

    test "takes input and limits" do
      assert Linx.stream!("cat", [], input: ["a", "b"]) |> Enum.join() == "ab"
      over = Linx.stream!("yes", [], max_output: 1_000_000)
      assert %{reason: :max_output, output: nil} = catch_error(Enum.to_list(over))
      late = Linx.stream!("sleep", ["1000"], timeout: 50)
      assert %{reason: :timeout} = catch_error(Enum.to_list(late))
      both = Linx.stream!("sh", ["-c", "echo a; echo b >&2"], stderr: :separate)
      assert Enum.sort(both) == [stderr: "b\n", stdout: "a\n"]
      assert_raise ArgumentError, fn -> Linx.stream!("cat", [], into: "") end
      assert_raise ArgumentError, fn -> Linx.stream!("cat", [], status: 1) end
      assert_raise ErlangError, fn -> Linx.stream!("no-such-command", []) end
    end
  end

  # Asked until it writes no more.
  defp assert_written_less(pid, limit) do
    before = written(pid)
    assert before < limit
    Process.sleep(50)
    if written(pid) != before, do: assert_written_less(pid, limit)
  end

  defp written(pid) do
    [_, bytes] = Regex.run(~r/^wchar: (\d+)$/m, File.read!("/proc/#{pid}/io"))
    String.to_integer(bytes)
  end
end
