defmodule Linx.Integration.HostileChannelTest do
  use Linx.Case

  alias Linx.Test.{FixtureProgram, Hostile}
  alias Linx.Test.Hostile.Wire

  @max_frame 8 * 1024 * 1024
  @session 7

  describe "frames that a workload forges" do
    @describetag :user_namespaces

    setup do
      path = Path.join(tmp_dir(), "forged")
      File.touch!(path)
      # As powerless as its workloads, which could open its descriptors otherwise.
      opened = for fd <- [0, 1, 2, 9], do: "open:#{fd}:#{path}"
      %{path: path, start_with: ["powerless" | opened]}
    end

    test "reach nobody but who reads its stdout", %{path: path, start_with: start_with} do
      {wire, agent} = Wire.open_envelope(start_with: start_with)
      Hostile.open_target(wire, [:user, :uts])

      for kind <- [:spawn, :auto_proceed, :init, :init_auto_proceed, :pty, :enter, :enter_init] do
        argv = forge([agent, Wire.guard(wire)])
        Wire.say(wire, {@session, Hostile.term(kind, %{argv: argv})})
        say = &Wire.say(wire, {@session, &1})
        assert_forged(kind, story(kind, fn -> next_of_session(wire) end, say), path)
      end

      Wire.say(wire, :stats)
      assert_receive {^wire, {:stats, %{sessions: 1}}}
      refute_received {^wire, _}
    end

    test "do not reach the BEAM of a single session", %{path: path, start_with: start_with} do
      for kind <- [:spawn, :auto_proceed, :init, :init_auto_proceed, :pty] do
        wire = Wire.open(start_with: start_with)
        argv = forge([Wire.agent(wire), Wire.guard(wire)])
        Wire.say(wire, Hostile.term(kind, %{argv: argv}))
        assert_forged(kind, story(kind, fn -> next(wire) end, &Wire.say(wire, &1)), path)
        assert_receive {^wire, {:exit, 0}}
        refute_received {^wire, _}
      end
    end

    # Three times: it writes to its fds 0, 1 and 2.
    defp assert_forged(kind, {events, output}, path) do
      assert [{:status, :spawned, _}, {:status, :ready, _} | rest] = events
      assert {kind, rest} == {kind, [{:status, :running}, {:status, :exited, 0}]}
      written = String.duplicate(forged(), 3)
      expected = if kind == :pty, do: {written, ""}, else: {"", written}
      assert {kind, {output, File.read!(path)}} == {kind, expected}
      File.write!(path, "")
    end

    # The events of a session up to its end, and its output apart.
    defp story(kind, next, say, events \\ [], output \\ "") do
      case next.() do
        {:pty_out, bytes} ->
          story(kind, next, say, events, output <> bytes)

        {:status, :exited, _} = last ->
          {events ++ [last], output}

        event ->
          if elem(event, 1) == :ready and kind in Hostile.parked_kinds(), do: say.(:proceed)
          story(kind, next, say, events ++ [event], output)
      end
    end

    defp next_of_session(wire) do
      assert_receive {^wire, {@session, event}}
      event
    end

    defp next(wire) do
      assert_receive {^wire, event}
      event
    end

    defp forge(pids) do
      hex = Base.encode16(forged())
      [FixtureProgram.path("forge"), hex | Enum.map(pids, &to_string/1)]
    end

    # No byte of it is one that a terminal changes.
    defp forged do
      for term <- [
            {@session, {:status, :exited, 77}},
            {:status, :exited, 77},
            {@session, {:error, 1, :execve}},
            {:hello, %{protocol: 1}}
          ],
          into: "",
          do: term |> :erlang.term_to_binary() |> Wire.frame() |> IO.iodata_to_binary()
    end
  end

  describe "a frame that comes in two" do
    test "keeps no event from its session, wherever it is cut" do
      {wire, _agent} = Wire.open_envelope()
      frame = {@session, {:signal, 10}} |> :erlang.term_to_binary() |> Wire.frame()
      bytes = IO.iodata_to_binary(frame)

      for cut <- 1..(byte_size(bytes) - 1) do
        {id, pid} = Hostile.running(wire, :init, Hostile.request(:init))
        <<first::binary-size(cut), second::binary>> = bytes
        Wire.write(wire, first)
        System.cmd("kill", ["-KILL", "#{pid}"])
        assert_receive {^wire, {^id, {:status, :signaled, 9}}}
        refute_received {^wire, {@session, _}}
        Wire.write(wire, second)
        assert_receive {^wire, {@session, {:refused, 2, :unknown_session}}}
      end
    end

    test "keeps no event from the BEAM of a single session" do
      for first <- [<<0>>, <<0, 0, 0>>, <<0, 0, 0, 9>>, <<0, 0, 0, 9, 131, 104>>] do
        wire = Wire.open()
        Wire.say(wire, {:spawn, Map.put(Hostile.request(:spawn), :auto_proceed, true)})
        assert_receive {^wire, {:status, :spawned, pid}}
        assert_receive {^wire, {:status, :running}}
        Wire.write(wire, first)
        System.cmd("kill", ["-KILL", "#{pid}"])
        assert_receive {^wire, {:status, :signaled, 9}}
        assert_receive {^wire, {:exit, 0}}
      end
    end

    test "and whose second part never comes ends with the channel" do
      wire = Wire.open()
      Wire.say(wire, {:hello, 1})
      assert_receive {^wire, {:hello, _}}
      {_id, pid} = Hostile.running(wire, :spawn, Hostile.request(:spawn))
      Wire.write(wire, <<0, 0, 1, 0, 131, 104, 2>>)
      Wire.close(wire)
      assert_gone(pid)
    end
  end

  describe "a frame that is too big" do
    test "is refused to the session that it was for, skipped whole, and harms nobody" do
      {wire, agent} = Wire.open_envelope()
      {id, _pid} = Hostile.running(wire, :pty, Hostile.request(:pty))
      body = :erlang.term_to_binary({id, {:pty_in, zeros(@max_frame)}})

      Wire.write(wire, Wire.frame(body))
      assert_receive {^wire, {^id, {:refused, 90, :command_too_big}}}
      # Nothing that is inside of it is taken for a frame.
      inside = :erlang.term_to_binary({id, :abort}) |> Wire.frame() |> IO.iodata_to_binary()
      many = :binary.copy(inside, div(@max_frame, byte_size(inside)) + 1)
      Wire.write(wire, Wire.frame([<<131, 104, 2, 255>>, many]))
      assert_receive {^wire, {:refused, 90, :command_too_big}}

      Wire.say(wire, :stats)
      assert_receive {^wire, {:stats, %{sessions: 1}}}
      refute_received {^wire, _}
      # It was never kept.
      assert kilobytes(agent, "VmHWM") < 6 * 1024
      Wire.say(wire, {id, {:signal, 9}})
      assert_receive {^wire, {^id, {:status, :signaled, 9}}}
    end

    test "and never ends keeps no event from its session" do
      for size <- [@max_frame + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF] do
        {wire, agent} = Wire.open_envelope()
        {id, pid} = Hostile.running(wire, :init, Hostile.request(:init))
        Wire.write(wire, [<<size::32>>, :erlang.term_to_binary({id, :abort}), zeros(1_000_000)])
        assert_receive {^wire, {^id, {:refused, 90, :command_too_big}}}
        System.cmd("kill", ["-KILL", "#{pid}"])
        assert_receive {^wire, {^id, {:status, :signaled, 9}}}
        assert kilobytes(agent, "VmHWM") < 6 * 1024
        Wire.close(wire)
      end
    end

    test "is refused as a command of a single session" do
      wire = Wire.open()
      Wire.say(wire, {:spawn, Hostile.request(:spawn)})
      assert_receive {^wire, {:status, :ready, _}}
      Wire.write(wire, [<<@max_frame + 1::32>>, zeros(@max_frame + 1)])
      assert_receive {^wire, {:refused, 90, :command_too_big}}
      Wire.say(wire, :abort)
      assert_receive {^wire, {:status, :aborted, _}}
      assert_receive {^wire, {:exit, 0}}
    end

    test "is the end as a request of a single session" do
      for size <- [@max_frame + 1, 0xFFFFFFFF] do
        wire = Wire.open()
        Wire.write(wire, [<<size::32>>, zeros(64)])
        assert_receive {^wire, {:error, 90, :request_too_big}}
        assert_receive {^wire, {:exit, 1}}
      end
    end

    test "begins at one byte more than eight megabytes" do
      {wire, _agent} = Wire.open_envelope()
      request = %{argv: ["/bin/true"], auto_proceed: true, stdio: :devnull, padding: ""}
      room = @max_frame - byte_size(:erlang.term_to_binary({@session, {:spawn, request}}))

      Wire.say(wire, {@session, {:spawn, %{request | padding: zeros(room)}}})
      assert_receive {^wire, {@session, {:status, :exited, 0}}}
      Wire.say(wire, {@session, {:spawn, %{request | padding: zeros(room + 1)}}})
      assert_receive {^wire, {@session, {:refused, 90, :command_too_big}}}
    end
  end

  defp zeros(count), do: :binary.copy(<<0>>, count)

  defp kilobytes(pid, line),
    do: pid |> status(line) |> String.split() |> hd() |> String.to_integer()
end
