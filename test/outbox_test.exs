defmodule Linx.Agent.OutboxTest do
  use ExUnit.Case, async: true

  alias Linx.Agent.Outbox

  defp port(script) do
    port =
      Port.open({:spawn_executable, "/bin/sh"}, [:binary, :exit_status, args: ["-c", script]])

    on_exit(fn -> if Port.info(port), do: Port.close(port) end)
    port
  end

  defp flush_until_empty(outbox, tags) do
    receive do
      {Outbox, :flush} ->
        case Outbox.flush(outbox) do
          {:ok, written, outbox} -> {tags ++ written, outbox}
          {:busy, written, outbox} -> flush_until_empty(outbox, tags ++ written)
        end
    after
      5000 -> flunk("no message to flush")
    end
  end

  test "frames go out at once where the port takes them" do
    outbox = Outbox.new(port("cat"))
    assert {:ok, [:a], outbox} = Outbox.push(outbox, "one", :a)
    assert {:ok, [:b], outbox} = Outbox.push(outbox, "two", :b)
    assert Outbox.waiting(outbox) == []
    assert {:ok, [], ^outbox} = Outbox.flush(outbox)
    port = Outbox.port(outbox)
    assert_receive {^port, {:data, "one" <> _}}
  end

  test "a busy port suspends nobody; all is written, in order, once it reads" do
    trigger = Path.join(System.tmp_dir!(), "linx-outbox-#{System.unique_integer([:positive])}")
    {_, 0} = System.cmd("mkfifo", [trigger])
    on_exit(fn -> File.rm(trigger) end)
    port = port("read x < #{trigger}; cat")

    frames = for n <- 1..64, do: {n, :binary.copy(<<n>>, 16_384)}

    {tags, outbox} =
      Enum.reduce(frames, {[], Outbox.new(port)}, fn {n, frame}, {tags, outbox} ->
        {_status, written, outbox} = Outbox.push(outbox, frame, n)
        {tags ++ written, outbox}
      end)

    assert Outbox.waiting(outbox) != []
    assert tags ++ Outbox.waiting(outbox) == Enum.to_list(1..64)

    File.write!(trigger, "go\n")
    assert {tags, outbox} = flush_until_empty(outbox, tags)
    assert tags == Enum.to_list(1..64)
    assert Outbox.waiting(outbox) == []
    assert read(port, 64 * 16_384) == frames |> Enum.map(&elem(&1, 1)) |> IO.iodata_to_binary()
  end

  test "a closed port is told" do
    port = port("cat")
    Port.close(port)
    assert {:closed, [], _} = Outbox.push(Outbox.new(port), "x", :a)
  end

  defp read(port, size, data \\ "")
  defp read(_port, size, data) when byte_size(data) >= size, do: data

  defp read(port, size, data) do
    receive do
      {^port, {:data, more}} -> read(port, size, data <> more)
    after
      5000 -> flunk("#{byte_size(data)} of #{size} bytes arrived")
    end
  end
end
