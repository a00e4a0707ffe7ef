defmodule Linx.Integration.HostileFramesTest do
  use Linx.Case

  import Bitwise

  alias Linx.Test.Hostile
  alias Linx.Test.Hostile.Wire

  @session 7

  # Tags of the External Term Format.
  @small_tuple 104
  @large_tuple 105
  @nil_list 106
  @list 108
  @binary 109
  @small_big 110
  @large_big 111
  @map 116
  @atom 100
  @atom_utf8 118
  @small_atom 115

  describe "what is no term" do
    test "is refused without a session's name, and its sessions go on" do
      abort = frame({@session, :abort})

      frames = [
        "",
        <<0>>,
        <<131>>,
        <<130, 97, 1>>,
        "no term at all",
        # {7, abort}, cut short everywhere and with bytes behind it.
        for(size <- 1..(byte_size(abort) - 1), do: binary_part(abort, 0, size)),
        abort <> <<0>>,
        # Arities, lengths and sizes that no frame can hold.
        <<131, @large_tuple, 0x80000000::32, 97, @session>>,
        <<131, @large_tuple, 0xFFFFFFFF::32, 97, @session>>,
        <<131, @list, 0xFFFFFFFF::32, 97, @session>>,
        <<131, @binary, 0x80000000::32, 97, @session>>,
        <<131, @map, 0x80000000::32, 97, @session>>,
        <<131, @large_big, 0xFFFFFFFF::32, 0, 1>>,
        <<131, @atom, 0xFFFF::16, "abort">>,
        # Compressed: what it says of its size is not believed.
        <<131, 80, 0xFFFFFFFF::32, :zlib.compress("abort")::binary>>,
        :erlang.term_to_binary({@session, {:pty_in, zeros(100_000)}}, compressed: 9),
        # Ids that are none.
        for(id <- [-1, 1 <<< 63, 1 <<< 64, 1 <<< 200, 1.0, :a, "7"], do: frame({id, :abort})),
        for(id <- [nil, [7], {7}, %{7 => 7}, self(), make_ref()], do: frame({id, :abort})),
        # What is said once, and what a single session is asked for.
        frame({:hello, 1}),
        frame({:spawn, Hostile.request(:spawn)}),
        # Other shapes.
        for(
          term <- [{}, {7}, {7, :abort, 1}, [7 | :abort], [7, :abort], :abort, 7],
          do: frame(term)
        )
      ]

      {wire, pid} = running()
      refused = for body <- List.flatten(frames), do: {body, answers(wire, body)}
      for {body, answer} <- refused, do: assert({body, answer} == {body, [malformed()]})
      assert_unharmed(wire, pid)
    end

    test "is refused in the name of its session" do
      id = <<131, @small_tuple, 2, 97, @session>>

      bodies = [
        id <> <<@large_tuple, 0x80000000::32>>,
        id <> <<@small_tuple, 255>>,
        id <> <<@list, 0xFFFFFFFF::32, @nil_list>>,
        id <> <<@binary, 0x80000000::32, 1, 2, 3>>,
        id <> <<@map, 0xFFFFFFFF::32>>,
        id <> <<@small_big, 255, 0, 1>>,
        id <> <<@small_atom, 255, "abort">>,
        id <> <<@atom_utf8, 0xFFFF::16, "abort">>,
        # An unknown tag; a list without end; a function.
        id <> <<0>>,
        id <> :binary.copy(<<@list, 1::32>>, 100_000),
        id <> :binary.copy(<<@small_tuple, 1>>, 1_000_000),
        frame({@session, &Kernel.self/0}),
        frame({@session, self()})
      ]

      {wire, pid} = running()

      for body <- bodies do
        assert [answer] = answers(wire, body)
        # As what it is, or as nobody's.
        assert answer in [malformed(), {@session, malformed()}], inspect(body, limit: 20)
      end

      assert_unharmed(wire, pid)
    end
  end

  describe "what is no command" do
    test "is refused with the command's name, and changes nothing" do
      {wire, pid} = running()

      commands = [
        signal: [{:signal}, {:signal, 0}, {:signal, 65}, {:signal, -1}, {:signal, 1 <<< 64}],
        signal: [{:signal, :term}, {:signal, 9.0}, {:signal, 9, 9}, {:signal, [9]}],
        pty_winsize: for(n <- [-1, 65_536, 1 <<< 70, :a], do: {:pty_winsize, {n, 0, 0, 0}}),
        pty_winsize: [{:pty_winsize, {}}, {:pty_winsize, [1, 2, 3, 4]}, {:pty_winsize, 1}],
        pty_in: [{:pty_in, "a" |> to_charlist()}, {:pty_in, :a}, {:pty_in, <<1::3>>}],
        cap_drop_bounding: for(m <- [-1, 1 <<< 64, :all, []], do: {:cap_drop_bounding, m}),
        cap_set_thread: [{:cap_set_thread, 0, 0}, {:cap_set_thread, 0, 0, -1}],
        cap_set_ambient: [{:cap_set_ambient}, {:cap_set_ambient, 1.5}],
        seccomp_install:
          for(b <- ["", "1234567", zeros(8 * 4097), 'x'], do: {:seccomp_install, b}),
        seccomp_rules: for(r <- [%{}, [], %{default: :allow}], do: {:seccomp_rules, r}),
        malformed_command: [:no_command_at_all, {}, [], 7, "abort", %{}],
        proceed: [{:proceed, 1}],
        abort: [{:abort}]
      ]

      for {name, terms} <- commands, term <- terms do
        answer = answers(wire, frame({@session, term}))
        assert [{@session, refused}] = answer, "#{inspect(term)}: #{inspect(answer)}"
        assert {22, told} = {elem(refused, 1), elem(refused, 2)}
        assert {term, told in [name, :malformed_command]} == {term, true}
      end

      assert_unharmed(wire, pid)
    end

    test "is refused where no session has its id" do
      {wire, _pid} = running()

      for id <- [0, 1, 255, 256, (1 <<< 32) - 1, 1 <<< 32, (1 <<< 63) - 1], id != @session do
        assert answers(wire, frame({id, :abort})) == [{id, {:refused, 2, :unknown_session}}]
      end
    end

    test "is refused as a second session with an id in use" do
      {wire, pid} = running()
      second = {:spawn, Hostile.request(:spawn)}

      assert answers(wire, frame({@session, second})) == [
               {@session, {:refused, 16, :session_in_use}}
             ]

      assert_unharmed(wire, pid)
    end
  end

  describe "keys of a request that nobody knows" do
    test "are skipped, whatever they are" do
      utf8 = String.duplicate("\u{10348}", 255)

      keys = [
        <<@atom, 255::16, String.duplicate("a", 255)::binary>>,
        <<@atom, 255::16, :binary.copy(<<233>>, 255)::binary>>,
        <<@small_atom, 255, String.duplicate("b", 255)::binary>>,
        <<@atom_utf8, byte_size(utf8)::16, utf8::binary>>,
        # As long as a known one, and nearly one.
        <<@small_atom, 4, "argw">>,
        <<@small_atom, 0>>,
        external("argv"),
        external('argv'),
        external({:argv, 1}),
        external(%{argv: [%{}]}),
        external([:argv | :env]),
        external(1 <<< 2000),
        external(-1.0e300)
      ]

      values = [
        external(:erlang.make_tuple(300, nil)),
        external(zeros(100_000)),
        external(self()),
        external(make_ref()),
        external(&Kernel.self/0),
        external(Enum.to_list(1..1000)),
        external(<<1::7>>)
      ]

      for key <- keys, value <- values do
        wire = Wire.open()
        Wire.write(wire, Wire.frame(spawn_with(key, value)))
        assert_receive {^wire, {:status, :spawned, _}}, 5000, inspect(key)
        assert_receive {^wire, {:status, :exited, 0}}
        assert_receive {^wire, {:exit, 0}}
      end
    end

    test "are skipped or refused where their value is as deep as a frame can be" do
      key = <<@small_atom, 1, "x">>

      for level <- [<<@list, 1::32>>, <<@small_tuple, 1>>], depth <- [1000, 1_000_000] do
        ends = if level == <<@small_tuple, 1>>, do: "", else: :binary.copy(<<@nil_list>>, depth)
        value = [:binary.copy(level, depth), <<97, 1>>, ends]
        wire = Wire.open()
        Wire.write(wire, Wire.frame(spawn_with(key, value)))
        assert_receive {^wire, first}

        case first do
          {:status, :spawned, _} -> assert_receive {^wire, {:exit, 0}}
          {:error, 22, :malformed_request} -> assert_receive {^wire, {:exit, 2}}
        end
      end
    end
  end

  describe "what is no request" do
    test "ends a single session with an error that says so" do
      map = %{argv: ["/bin/true"], auto_proceed: true}

      terms = [
        {:spawn, Map.delete(map, :argv)},
        {:spawn, []},
        {:spawn},
        {:spawn, map, 1},
        {:enter, map},
        {:spawn, Map.put(map, :target, 1)},
        {:hello, 2},
        {:hello},
        :spawn,
        for(
          argv <- [[], ["true"], ["/bin/true\0"], "/bin/true", [["/bin/true"]], ["/x" | "y"]],
          do: {:spawn, %{map | argv: argv}}
        ),
        for(
          {key, value} <- [
            env: ["A"],
            env: ["A=\0"],
            env: [:a],
            env: ["A=1" | "B"],
            namespaces: [:users],
            namespaces: [:user | :net],
            namespaces: ["user"],
            stdio: :nothing,
            stdio: [stdin: :pty],
            stdio: [stdin: :devnull, stdin: :devnull],
            stdio: [stdin: {:connect_unix, ""}],
            stdio: [stdin: {:connect_unix, "\0abstract"}],
            cwd: "/\0",
            cwd: 'x',
            no_new_privs: 1,
            auto_proceed: :yes,
            init: nil,
            orphan_policy: {:kill, -1},
            orphan_policy: {:kill, 1 <<< 32},
            orphan_policy: :kill
          ],
          do: {:spawn, Map.put(map, key, value)}
        ),
        for(
          target <- [0, -1, 1 <<< 31, "1", {:session, -1}],
          do: {:enter, Map.put(map, :target, target)}
        )
      ]

      for term <- List.flatten(terms) do
        wire = Wire.open()
        Wire.say(wire, term)
        assert_receive {^wire, event}, 5000, inspect(term)
        assert {term, event} == {term, {:error, 22, :malformed_request}}
        assert_receive {^wire, {:exit, 2}}
      end
    end

    test "is malformed where it is no term at all" do
      whole = frame({:spawn, %{argv: ["/bin/true"], auto_proceed: true}})
      cut = for size <- 0..(byte_size(whole) - 1), do: binary_part(whole, 0, size)

      for body <- [whole <> <<0>>, whole <> whole | cut] do
        wire = Wire.open()
        Wire.write(wire, Wire.frame(body))
        assert_receive {^wire, {:error, 22, :malformed_request}}
        assert_receive {^wire, {:exit, 2}}
      end
    end

    test "is malformed where a key is there twice" do
      twice = external("/bin/false")
      body = spawn_with(<<@small_atom, 4, "argv">>, <<@list, 1::32, twice::binary, @nil_list>>)
      wire = Wire.open()
      Wire.write(wire, Wire.frame(body))
      assert_receive {^wire, {:error, 22, :malformed_request}}
      assert_receive {^wire, {:exit, 2}}
    end
  end

  # A session that runs, in an agent of many.
  defp running do
    {wire, _agent} = Wire.open_envelope()
    Wire.say(wire, {@session, {:spawn, Map.put(Hostile.request(:init), :auto_proceed, true)}})
    assert_receive {^wire, {@session, {:status, :spawned, pid}}}
    assert_receive {^wire, {@session, {:status, :running}}}
    {wire, pid}
  end

  # All that the agent says to a frame.
  defp answers(wire, body) do
    Wire.write(wire, Wire.frame(body))
    Wire.say(wire, :stats)
    until_stats(wire)
  end

  defp until_stats(wire) do
    assert_receive {^wire, event}

    case event do
      {:stats, _} -> []
      {@session, {:status, :ready, _}} -> until_stats(wire)
      event -> [event | until_stats(wire)]
    end
  end

  defp malformed, do: {:refused, 22, :malformed_command}

  defp assert_unharmed(wire, pid) do
    refute status(pid, "State") =~ ~r/^[TtZX]/
    Wire.say(wire, {@session, {:signal, 9}})
    assert_receive {^wire, {@session, {:status, :signaled, 9}}}
  end

  # {spawn, #{argv => ["/bin/true"], auto_proceed => true, key => value}}
  defp spawn_with(key, value) do
    [
      <<131, @small_tuple, 2, @small_atom, 5, "spawn", @map, 3::32>>,
      [external(:argv), external(["/bin/true"]), key, value],
      [external(:auto_proceed), external(true)]
    ]
  end

  defp frame(term), do: :erlang.term_to_binary(term)

  defp external(term) do
    <<131, rest::binary>> = :erlang.term_to_binary(term)
    rest
  end

  defp zeros(count), do: :binary.copy(<<0>>, count)
end
