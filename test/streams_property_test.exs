defmodule Linx.Process.StreamsPropertyTest do
  @moduledoc """
  Streams between an agent that keeps to its window and anybody on this side: every byte arrives
  once, in its place, and nobody ever holds more than a window.
  """

  use ExUnit.Case, async: true

  import :proper_types, only: [integer: 2, list: 1, oneof: 1]
  import Linx.Test.Property

  alias Linx.Process.{Machine, Streams}

  @window 8

  # Numbers, so that a byte in the wrong place is seen.
  defp step do
    oneof([
      {:output, oneof([:stdout, :stderr]), integer(0, 5)},
      {:recv, oneof([:stdout, :stderr, :all])},
      {:set_active, oneof([true, false, :once, 1, 2])},
      {:write, integer(0, 20)},
      {:read, integer(1, 8)},
      :reader_dies,
      :writer_dies
    ])
  end

  defp session do
    streams = Streams.new(:pipe, @window, false)
    machine = Machine.new(mode: :spawn, linger: true, streams: streams)
    {machine, _} = Machine.handle(machine, {:event, {:status, :spawned, 40}})
    {machine, _} = Machine.handle(machine, {:event, {:status, :running}})

    %{
      machine: machine,
      # What the agent has sent, what of it came out here, and what it was told of.
      sent: %{stdout: "", stderr: ""},
      came: %{stdout: "", stderr: ""},
      acked: %{stdout: 0, stderr: 0},
      # What was written here by which call, of that what the agent got, and how much was read there.
      written: [],
      got: "",
      read: 0,
      calls: 0
    }
  end

  defp apply_step({:output, stream, size}, s) do
    # The agent reads on only within the window.
    size = min(size, @window - (byte_size(s.sent[stream]) - s.acked[stream]))
    from = byte_size(s.sent[stream])
    bytes = for n <- from..(from + size - 1)//1, into: "", do: <<rem(n, 256)>>
    s = put_in(s.sent[stream], s.sent[stream] <> bytes)
    if size > 0, do: input(s, {:event, {stream, bytes}}), else: s
  end

  defp apply_step({:recv, stream}, s), do: call(s, stream, {:recv, s.calls, stream, :infinity})
  defp apply_step({:set_active, mode}, s), do: call(s, nil, {:set_active, mode})

  defp apply_step({:write, size}, s) do
    bytes = :binary.copy(<<s.calls>>, size)
    call(%{s | written: s.written ++ [{s.calls, bytes}]}, nil, {:write, s.calls, bytes})
  end

  defp apply_step({:read, size}, s) do
    size = min(size, byte_size(s.got) - s.read)
    if size > 0, do: input(%{s | read: s.read + size}, {:event, {:stdin_ack, size}}), else: s
  end

  defp apply_step(:reader_dies, s) do
    case s.machine.streams.readers do
      [{ref, _, _} | _] -> input(s, {:gone, ref})
      [] -> s
    end
  end

  defp apply_step(:writer_dies, s) do
    case :queue.peek_r(s.machine.streams.input.waiting) do
      {:value, {ref, from, _bytes, begun?}} when from != nil ->
        # One that has not begun never was.
        written = if begun?, do: s.written, else: List.keydelete(s.written, ref, 0)
        input(%{s | written: written}, {:gone, ref})

      _ ->
        s
    end
  end

  # A caller's name says what it has asked for.
  defp call(s, wanted, request),
    do: input(%{s | calls: s.calls + 1}, {:call, {s.calls, wanted}, request})

  defp input(s, input) do
    {machine, actions} = Machine.handle(s.machine, input)
    Enum.reduce(actions, %{s | machine: machine}, &perform/2)
  end

  defp perform({:tell, {stream, bytes}}, s) when is_map_key(s.came, stream),
    do: put_in(s.came[stream], s.came[stream] <> bytes)

  defp perform({:reply, _, {:ok, {stream, bytes}}}, s),
    do: put_in(s.came[stream], s.came[stream] <> bytes)

  defp perform({:reply, {_, stream}, {:ok, bytes}}, s),
    do: put_in(s.came[stream], s.came[stream] <> bytes)

  defp perform({:write, {:ack, stream, size}, _}, s), do: update_in(s.acked[stream], &(&1 + size))
  defp perform({:write, {:stdin, bytes}, _}, s), do: %{s | got: s.got <> bytes}
  defp perform(_action, s), do: s

  test "bytes arrive once and in their place, and a window is all that is under way" do
    holds(
      forall(list(step()), fn steps ->
        s = Enum.reduce(steps, session(), &apply_step/2)
        Enum.all?([:stdout, :stderr], &output?(s, &1)) and input?(s)
      end)
    )
  end

  defp output?(s, stream) do
    waiting = s.machine.streams.outputs.streams[stream].waiting
    held = for {_, bytes} <- :queue.to_list(waiting), into: "", do: bytes
    untold = byte_size(s.came[stream]) - s.acked[stream]

    s.came[stream] <> held == s.sent[stream] and 2 * untold < @window and untold >= 0 and
      (held == "" or s.machine.streams.mode in [false, 0])
  end

  defp input?(s) do
    waiting = :queue.to_list(s.machine.streams.input.waiting)
    held = for {_, _, bytes, _} <- waiting, into: "", do: bytes
    under_way = byte_size(s.got) - s.read

    s.got <> held == Enum.map_join(s.written, &elem(&1, 1)) and under_way <= @window and
      (held == "" or 4 * (@window - under_way) < @window)
  end
end
