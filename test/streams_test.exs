defmodule Linx.Process.StreamsTest do
  use ExUnit.Case, async: true

  doctest Linx.Process.Flow
  doctest Linx.Process.Streams
  doctest Linx.Process.Streams.Input
  doctest Linx.Process.Streams.Output
  doctest Linx.Process.Streams.Outputs

  alias Linx.Process.{Machine, Streams}

  @window 8
  @exited {:event, {:status, :exited, 0}}

  defp session(fields \\ []) do
    {mode, fields} = Keyword.pop(fields, :active, true)
    {stdio, fields} = Keyword.pop(fields, :stdio, :pipe)

    Machine.new(
      [
        mode: :spawn,
        linger: true,
        pty?: stdio == :pty,
        streams: Streams.new(stdio, @window, mode)
      ] ++
        fields
    )
    |> run([{:event, {:status, :spawned, 40}}, {:event, {:status, :running}}])
    |> elem(0)
  end

  # Handles the inputs one after another; answers the session and what was done about all of them.
  defp run(machine, inputs) do
    Enum.reduce(inputs, {machine, []}, fn input, {machine, done} ->
      {machine, actions} = Machine.handle(machine, input)
      {machine, done ++ actions}
    end)
  end

  defp actions(machine, input), do: machine |> Machine.handle(input) |> elem(1)

  defp out(bytes, stream \\ :stdout), do: {:event, {stream, bytes}}
  defp acked(bytes), do: {:event, {:stdin_ack, bytes}}
  defp write(from, bytes), do: {:call, from, {:write, from, bytes}}
  defp recv(from, stream \\ :stdout), do: {:call, from, {:recv, from, stream, :infinity}}
  defp active(mode), do: {:call, :me, {:set_active, mode}}

  defp told(actions), do: for({:tell, message} <- actions, do: message)
  defp acks(actions), do: for({:write, {:ack, _, n}, _} <- actions, do: n)
  defp answers(actions), do: for({:reply, from, answer} <- actions, do: {from, answer})

  describe "an active session" do
    test "passes on what comes, and says so when half a window has gone" do
      {_, actions} = run(session(), [out("123"), out("ab", :stderr), out("4"), out("", :stderr)])

      assert actions == [
               {:tell, {:stdout, "123"}},
               {:tell, {:stderr, "ab"}},
               {:tell, {:stdout, "4"}},
               {:write, {:ack, :stdout, 4}, nil},
               {:tell, {:stderr, ""}}
             ]
    end

    test "tells the end of each stream before its own" do
      inputs = [out("x"), out(:eof), out("y", :stderr), out(:eof, :stderr), @exited]
      {_, actions} = run(session(), inputs)

      assert told(actions) ==
               [stdout: "x", stdout: :eof, stderr: "y", stderr: :eof, exited: 0]
    end

    test "has nothing for who reads" do
      assert actions(session(), recv(:a)) == [{:reply, :a, {:error, :active}}]
    end
  end

  describe "a session that is active once, or a number of times" do
    test "keeps the rest" do
      {machine, actions} = run(session(active: :once), [out("1"), out("2"), out("3")])
      assert told(actions) == [stdout: "1"]
      assert actions(machine, active(:once)) == [{:reply, :me, :ok}, {:tell, {:stdout, "23"}}]
    end

    test "says when the number is used up" do
      {machine, actions} = run(session(active: 2), [out("1"), out("2", :stderr), out("3")])
      assert told(actions) == [{:stdout, "1"}, {:stderr, "2"}, {:passive}]
      {machine, actions} = Machine.handle(machine, active(3))
      assert told(actions) == [stdout: "3"]
      {machine, actions} = run(machine, [active(-1), out("4")])
      assert told(actions) == [{:stdout, "4"}, {:passive}]
      assert told(actions(machine, active(-7))) == [{:passive}]
    end

    test "is told of an end that nothing comes before" do
      {machine, _} = run(session(active: :once), [out("1"), out("2")])
      {machine, actions} = run(machine, [out(:eof), out(:eof, :stderr)])
      assert told(actions) == [stderr: :eof]
      assert told(actions(machine, active(:once))) == [stdout: "2", stdout: :eof]
    end

    test "is told of its end when all output has gone, which wait does not wait for" do
      {machine, _} = run(session(active: :once, linger: false), [out("1"), out("2")])
      {machine, []} = run(machine, [{:call, :w, {:wait, 1}}])
      {machine, actions} = run(machine, [out(:eof), out(:eof, :stderr), @exited])

      assert actions == [{:tell, {:stderr, :eof}}, {:reply, :w, {:ok, {:exited, 0}}}, :ended]

      assert actions(machine, active(:once)) == [
               {:reply, :me, :ok},
               {:tell, {:stdout, "2"}},
               {:tell, {:stdout, :eof}},
               {:tell, {:exited, 0}},
               {:stop, :normal}
             ]
    end

    test "takes no sum that is too large" do
      machine = session(active: 32_767)

      assert actions(machine, active(1)) == [{:reply, :me, {:error, {:bad_active, 1}}}]
      assert actions(machine, active(true)) == [{:reply, :me, :ok}]
    end

    test "starts a new number after true and false" do
      for mode <- [true, false, :once] do
        {machine, _} = run(session(active: mode), [active(1)])
        assert told(actions(machine, out("1"))) == [{:stdout, "1"}, {:passive}]
      end
    end
  end

  describe "a passive session" do
    test "keeps what comes for who reads" do
      {machine, []} = run(session(active: false), [out("1"), out("2", :stderr), out("3")])
      assert actions(machine, recv(:a)) == [{:reply, :a, {:ok, "13"}}]
      assert answers(actions(machine, recv(:a, :stderr))) == [{:a, {:ok, "2"}}]
      {machine, actions} = run(machine, [recv(:a, :all), recv(:a, :all)])
      assert answers(actions) == [a: {:ok, {:stdout, "13"}}, a: {:ok, {:stderr, "2"}}]
      assert actions(machine, recv(:a, :all)) == [{:watch, :a, :a, :infinity}]
    end

    test "answers who waits, the first who asked first" do
      {machine, actions} = run(session(active: false), [recv(:a), recv(:b, :all), recv(:c)])
      assert actions == for(from <- [:a, :b, :c], do: {:watch, from, from, :infinity})

      {machine, actions} = run(machine, [out("1"), out("2"), out("3")])
      assert answers(actions) == [a: {:ok, "1"}, b: {:ok, {:stdout, "2"}}, c: {:ok, "3"}]
      assert for({:unwatch, ref} <- actions, do: ref) == [:a, :b, :c]
      assert machine.streams.readers == []
    end

    test "loses nothing to who has stopped waiting" do
      {machine, _} = run(session(active: false), [recv(:a), recv(:b), {:gone, :a}])
      {machine, actions} = Machine.handle(machine, {:overdue, :b})
      assert actions == [{:reply, :b, {:error, :timeout}}, {:unwatch, :b}]
      assert actions(machine, {:overdue, :b}) == []
      {machine, []} = run(machine, [out("1")])
      assert answers(actions(machine, recv(:c))) == [c: {:ok, "1"}]
    end

    test "answers at once who does not wait" do
      asks = {:call, :a, {:recv, :a, :stdout, 0}}
      assert actions(session(active: false), asks) == [{:reply, :a, {:error, :timeout}}]
    end

    test "says when half a window has been read" do
      {machine, actions} = run(session(active: false), [out("123"), recv(:a), out("4"), recv(:a)])
      assert acks(actions) == [4]
      {_, actions} = run(machine, [recv(:a), out("5678")])
      assert acks(actions) == [4]
    end

    test "puts small pieces together, and no others" do
      large = String.duplicate("x", 4096)
      {machine, _} = run(session(active: false), [out("1"), out("2"), out(large), out("3")])
      {_, actions} = run(machine, [recv(:a), recv(:a), recv(:a)])
      assert answers(actions) == [a: {:ok, "12"}, a: {:ok, large}, a: {:ok, "3"}]
    end

    test "is closed for who has read a stream to its end" do
      {machine, _} = run(session(active: false), [out("1"), out(:eof), recv(:a), recv(:a)])
      assert actions(machine, recv(:a)) == [{:reply, :a, {:error, :closed}}]
      {machine, _} = run(machine, [recv(:b, :all), recv(:c, :stderr)])

      assert answers(actions(machine, out(:eof, :stderr))) ==
               [b: {:error, :closed}, c: {:error, :closed}]
    end

    test "is told of its end at once, and answers what is left" do
      {machine, actions} = run(session(active: false), [out("1"), recv(:b, :stderr), @exited])
      assert told(actions) == [exited: 0]
      assert answers(actions) == [b: {:error, :closed}]
      assert actions(machine, active(true)) == [{:reply, :me, {:error, :no_process}}]
      {machine, actions} = run(machine, [recv(:a)])
      # The agent is no longer interested.
      assert actions == [{:reply, :a, {:ok, "1"}}]
      assert actions(machine, recv(:a)) == [{:reply, :a, {:error, :closed}}]
    end

    test "that does not linger stays for who reads" do
      machine = session(active: false, linger: false)
      {ended, actions} = run(machine, [out("1"), @exited])
      refute Enum.any?(actions, &match?({:stop, _}, &1))
      {_, actions} = run(ended, [recv(:a), recv(:a)])

      assert actions == [
               {:reply, :a, {:ok, "1"}},
               {:reply, :a, {:error, :closed}},
               {:stop, :normal}
             ]

      assert actions(ended, :owner_down) == [{:stop, :normal}]

      assert List.last(actions(machine, @exited)) == {:stop, :normal}
      {machine, _} = run(machine, [:owner_down, out("1")])
      assert List.last(actions(machine, @exited)) == {:stop, :normal}
    end

    test "becomes active for the owner, and for nobody else" do
      {machine, _} = run(session(active: false), [recv(:a, :stderr), out("1"), out(:eof)])

      assert actions(machine, active(true)) == [
               {:reply, :me, :ok},
               {:reply, :a, {:error, :active}},
               {:unwatch, :a},
               {:tell, {:stdout, "1"}},
               {:tell, {:stdout, :eof}}
             ]
    end
  end

  describe "what is written" do
    test "goes out at once as far as the window reaches, and the rest as it is read" do
      {machine, actions} = run(session(), [write(:a, "1234"), write(:b, "56789abcdef")])

      assert actions == [
               {:write, {:stdin, "1234"}, :a},
               {:watch, :b, :b, :infinity},
               {:write, {:stdin, "5678"}, nil}
             ]

      {machine, actions} = run(machine, [acked(8)])
      assert actions == [{:write, {:stdin, "9abcdef"}, :b}, {:unwatch, :b}]
      assert actions(machine, write(:c, "g")) == [{:write, {:stdin, "g"}, :c}]
    end

    test "waits for room that is worth a piece" do
      {machine, _} = run(session(), [write(:a, "12345678"), write(:b, "abcdefghi")])
      {machine, []} = run(machine, [acked(1)])
      assert actions(machine, acked(1)) == [{:write, {:stdin, "ab"}, nil}]
    end

    test "stays in one piece, in the order of the calls" do
      {machine, actions} =
        run(session(), [write(:a, "123456789"), write(:b, "x"), write(:c, "y")])

      {_, more} = run(machine, [acked(8)])
      sent = for {:write, {:stdin, bytes}, from} <- actions ++ more, do: {bytes, from}
      assert sent == [{"12345678", nil}, {"9", :a}, {"x", :b}, {"y", :c}]
    end

    test "by someone who dies is finished if it has begun, and dropped otherwise" do
      {machine, _} = run(session(), [write(:a, "123456789"), write(:b, "x"), write(:c, "y")])
      {_, actions} = run(machine, [{:gone, :a}, {:gone, :b}, acked(8)])

      assert actions == [
               {:write, {:stdin, "9"}, nil},
               {:unwatch, :a},
               {:write, {:stdin, "y"}, :c},
               {:unwatch, :c}
             ]
    end

    test "waits until there is a process" do
      machine = Machine.new(mode: :spawn, linger: true, streams: Streams.new(:pipe, 8, true))
      {machine, actions} = run(machine, [write(:a, "1"), {:call, :b, :close_stdin}])
      assert actions == [{:watch, :a, :a, :infinity}, {:reply, :b, :ok}]

      assert actions(machine, {:event, {:status, :spawned, 40}}) ==
               [{:write, {:stdin, "1"}, :a}, {:unwatch, :a}, {:write, {:stdin, :eof}, nil}]
    end

    test "as nothing is written at once" do
      {machine, _} = run(session(), [write(:a, "123456789")])
      assert actions(machine, write(:b, "")) == [{:reply, :b, :ok}]
    end

    test "comes before the end of input, and nothing after it" do
      {machine, _} = run(session(), [write(:a, "123456789")])
      {machine, actions} = run(machine, [{:call, :b, :close_stdin}, {:call, :b, :close_stdin}])
      assert actions == [{:reply, :b, :ok}, {:reply, :b, :ok}]
      assert actions(machine, write(:c, "x")) == [{:reply, :c, {:error, :closed}}]
      {machine, actions} = run(machine, [acked(8)])

      assert actions == [
               {:write, {:stdin, "9"}, :a},
               {:unwatch, :a},
               {:write, {:stdin, :eof}, nil}
             ]

      assert actions(machine, write(:c, "")) == [{:reply, :c, {:error, :closed}}]
    end

    test "is not taken once the workload has closed its end, or has ended" do
      for event <- [{:stdin, :closed}, {:refused, 32, :stdin, nil}, {:status, :exited, 0}] do
        {machine, _} = run(session(), [write(:a, "123456789"), write(:b, "x")])
        {machine, actions} = Machine.handle(machine, {:event, event})
        assert answers(actions) == [a: {:error, :closed}, b: {:error, :closed}]
        assert answers(actions(machine, write(:c, "x"))) == [c: {:error, :closed}]
        assert actions(machine, {:call, :c, :close_stdin}) == [{:reply, :c, :ok}]
      end
    end

    test "and refused for another reason is told to the owner" do
      actions = actions(session(), {:event, {:refused, 105, :stdin, nil}})
      assert told(actions) == [{:refused, 105, :stdin}]
    end

    test "to a PTY is under the same window" do
      typed = fn from, bytes -> {:call, from, {:pty_write, from, bytes}} end
      {machine, actions} = run(session(stdio: :pty), [typed.(:a, "123456789"), typed.(:b, "x")])
      assert for({:write, {:pty_in, bytes}, _} <- actions, do: bytes) == ["12345678"]

      assert answers(actions(machine, @exited)) == [
               a: {:error, :no_process},
               b: {:error, :no_process}
             ]

      assert for({:write, write, _} <- actions(machine, acked(8)), do: write) == [
               pty_in: "9",
               pty_in: "x"
             ]
    end
  end

  describe "where there is no stream" do
    test "of any kind, each verb says so" do
      machine = session(stdio: :inherit)

      for request <- [
            write(:a, "x"),
            {:call, :a, :close_stdin},
            active(true),
            recv(:a),
            recv(:a, :all)
          ],
          do: assert([{:reply, _, {:error, :no_pipe}}] = actions(machine, request))

      assert actions(machine, recv(:a, :pty_out)) == [{:reply, :a, {:error, :no_pty}}]
      assert actions(machine, out("late")) == []
    end

    test "of this kind, too" do
      machine = session(stdio: [stderr: :pipe], active: false)

      for request <- [write(:a, "x"), {:call, :a, :close_stdin}, recv(:a)],
          do: assert([{:reply, _, {:error, :no_pipe}}] = actions(machine, request))

      assert actions(machine, recv(:a, :pty_out)) == [{:reply, :a, {:error, :no_pty}}]

      for request <- [write(:a, "x"), {:call, :a, :close_stdin}, recv(:a)],
          do:
            assert(
              [{:reply, _, {:error, :no_pipe}}] =
                actions(session(stdio: :pty, active: false), request)
            )
    end
  end

  test "an agent that dies answers who reads and who writes" do
    machine = session(active: false)
    {machine, _} = run(machine, [write(:a, "123456789"), recv(:b), out("x", :stderr)])
    actions = actions(machine, {:agent_down, 137})
    assert answers(actions) == [a: {:error, :closed}, b: {:error, :closed}]
    assert told(actions) == [{:error, 137, :agent_died}]
  end
end
