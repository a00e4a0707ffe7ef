defmodule Linx.ProtocolTest do
  use ExUnit.Case, async: true

  doctest Linx.Protocol
  doctest Linx.Protocol.Piece

  alias Linx.Protocol
  alias Linx.Protocol.Piece
  alias Linx.Sandbox

  defp frame(term), do: :erlang.term_to_binary(term)

  test "every word of the definition is known, once a kind" do
    definition = File.read!("c_src/protocol.def")

    for [line, kind, name] <- Regex.scan(~r/^LINX_([A-Z]+)\(([a-z_0-9]+)/m, definition) do
      kind = kind |> String.downcase() |> String.to_existing_atom()
      assert String.to_existing_atom(name) in Map.fetch!(Protocol.names(), kind), line
    end

    for {kind, names} <- Protocol.names() do
      assert names == Enum.uniq(names), "#{kind} has a word twice"

      assert length(names) ==
               length(Regex.scan(~r/^LINX_#{String.upcase("#{kind}")}\(/m, definition))
    end
  end

  test "what goes to the agent are the keys of the definition" do
    options = [
      argv: ["/x"],
      path: "/x",
      namespaces: [:user],
      env: [],
      stdio: :pty,
      window: 1,
      drain: 0,
      cwd: "/",
      no_new_privs: true,
      orphan_policy: :linger,
      init: true,
      forking: true,
      uid: 0,
      gid: 0,
      groups: [],
      rlimits: [nofile: 256],
      nice: 1,
      umask: 0o22,
      cpus: [0],
      cgroup: true,
      syscall_timeout: 1000,
      fds: %{3 => :devnull},
      sandbox: sandbox(),
      agent: :dedicated
    ]

    keys =
      for auto_proceed <- [true, false] do
        {:ok, valid} =
          Linx.Process.Options.validate(:spawn, [auto_proceed: auto_proceed] ++ options)

        Map.keys(valid.request)
      end

    assert keys |> Enum.concat() |> Enum.uniq() |> Enum.sort() ==
             Enum.sort(Protocol.names().key -- [:target, :wait, :prefork])
  end

  # Each part's keys.
  defp sandbox do
    Sandbox.new()
    |> Sandbox.uid_map([{0, 1, 1}])
    |> Sandbox.gid_map([{0, 1, 1}])
    |> Sandbox.setgroups(:deny)
    |> Sandbox.root("/srv")
    |> Sandbox.tmpfs("/tmp")
    |> Sandbox.hostname("box")
    |> Sandbox.securebits([:noroot])
    |> Sandbox.seccomp(<<6::little-16, 0, 0, 0x7FFF0000::little-32>>)
    |> Sandbox.scope([:signal])
    |> Sandbox.domainname("example")
    |> Sandbox.loopback(true)
    |> Sandbox.time_offsets(boottime: 1)
    |> Sandbox.oom_score_adj(0)
    |> Sandbox.limit(pids: 1)
  end

  describe "a piece of output" do
    # As the agent spells it: atoms by the tag that newer releases of Erlang use by default.
    defp spelt(term), do: :erlang.term_to_binary(term, minor_version: 2)

    test "is the same as if it were decoded, whoever's it is" do
      for stream <- [:stdout, :stderr, :pty_out],
          bytes <- ["", "x", :binary.copy("bytes", 50_000)],
          id <- [0, 255, 256, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF_FF, 0x7FFF_FFFF_FFFF_FFFF] do
        assert Piece.take(spelt({id, {stream, bytes}})) == {id, {stream, bytes}}
        assert Protocol.decode(spelt({id, {stream, bytes}})) == {:ok, {id, {stream, bytes}}}
        assert Piece.take(spelt({stream, bytes})) == {nil, {stream, bytes}}
        assert Protocol.decode_bare(spelt({stream, bytes})) == {:ok, {stream, bytes}}
      end
    end

    test "is not copied" do
      frame = spelt({300, {:stdout, :binary.copy("x", 10_000)}})
      {:ok, {300, {:stdout, bytes}}} = Protocol.decode(frame)
      assert :binary.referenced_byte_size(bytes) == byte_size(frame)
    end

    test "is taken from no frame that is cut, longer, or something else" do
      whole = spelt({300, {:stdout, "bytes"}})
      for size <- 0..(byte_size(whole) - 1), do: refute(Piece.take(binary_part(whole, 0, size)))
      refute Piece.take(whole <> "x")

      for term <- [{-1, {:stdout, "x"}}, {1, {:stdin, "x"}}, {1, {:stdout, :eof}}, {:stdout, 1}],
          do: refute(Piece.take(spelt(term)))
    end
  end

  test "every event, with an id and bare" do
    for event <- [
          {:status, :spawned, 7},
          {:status, :ready, 1},
          {:status, :running},
          {:status, :forked},
          {:status, :exited, 255},
          {:status, :signaled, 9},
          {:status, :aborted, 1},
          {:status, :paused},
          {:status, :resumed},
          {:usage, %{utime_us: 1, core_dumped: false}},
          {:stats, %{cpu_us: 1}},
          {:pty_out, <<0, 255>>},
          {:stdout, <<0, 255>>},
          {:stdout, :eof},
          {:stderr, ""},
          {:stderr, :eof},
          {:stdin_ack, 0},
          {:stdin, :closed},
          {:seccomp_filter, "12345678"}
        ] do
      assert Protocol.decode(frame({3, event})) == {:ok, {3, event}}
      assert Protocol.decode_bare(frame(event)) == {:ok, event}
    end
  end

  test "an error and a refusal have a detail or nil" do
    for kind <- [:error, :refused] do
      assert Protocol.decode(frame({3, {kind, 2, :execve}})) ==
               {:ok, {3, {kind, 2, :execve, nil}}}

      assert Protocol.decode(frame({3, {kind, 2, :execve, "/x"}})) ==
               {:ok, {3, {kind, 2, :execve, "/x"}}}

      assert Protocol.decode_bare(frame({kind, 2, :execve})) == {:ok, {kind, 2, :execve, nil}}
    end
  end

  test "what concerns no session has no id" do
    for answer <- [{:hello, %{protocol: 1}}, {:stats, %{}}, {:capabilities, [:cap_chown]}],
        do: assert(Protocol.decode(frame(answer)) == {:ok, {nil, answer}})

    assert Protocol.decode(frame({:refused, 22, :malformed_command})) ==
             {:ok, {nil, {:refused, 22, :malformed_command, nil}}}
  end

  test "what the agent has no business to send is malformed" do
    for term <- [
          nil,
          [],
          7,
          {3},
          {3, :running},
          {-1, {:status, :running}},
          {3, {:status, :exited}},
          {3, {:status, :exited, -1}},
          {3, {:status, :gone, 1}},
          {3, {:pty_out, ~c"x"}},
          {3, {:pty_out, :eof}},
          {3, {:stdout, :closed}},
          {3, {:stderr, ~c"x"}},
          {3, {:stdin_ack, -1}},
          {3, {:stdin, :eof}},
          {3, {:error, "2", :execve}},
          {3, {:error, 2, "execve"}},
          {3, {:error, 2, :execve, :x}},
          {3, {:hello, %{}}},
          {:stats, []},
          {:spawn, %{}}
        ] do
      assert Protocol.decode(frame(term)) == {:error, :malformed_frame}
      assert Protocol.decode_bare(frame(term)) == {:error, :malformed_frame}
    end

    for answer <- [{:hello, %{}}, {3, {:status, :running}}],
        do: assert(Protocol.decode_bare(frame(answer)) == {:error, :malformed_frame})
  end

  test "decoding makes no atom" do
    name = "linx_no_such_atom_#{System.unique_integer([:positive])}"
    # {1, {error, 2, <name>}}
    frame =
      <<131, 104, 2, 97, 1, 104, 3, 119, 5, "error", 97, 2, 119, byte_size(name), name::binary>>

    assert Protocol.decode(frame) == {:error, :malformed_frame}
    assert_raise ArgumentError, fn -> String.to_existing_atom(name) end
  end

  test "a request is a frame that decodes to itself" do
    request = {:spawn, %{argv: ["/bin/true"], init: true}}
    assert Protocol.encode(9, request) |> :erlang.binary_to_term() == {9, request}
    assert Protocol.encode(nil, request) |> :erlang.binary_to_term() == request
  end

  test "much input is not copied into its frame" do
    for bytes <- ["", "x", :binary.copy("x", 4095), :binary.copy("x", 300_000)],
        name <- [:stdin, :pty_in],
        {id, term} <- [{9, {9, {name, bytes}}}, {nil, {name, bytes}}] do
      frame = Protocol.encode(id, {name, bytes})
      assert frame |> IO.iodata_to_binary() |> :erlang.binary_to_term() == term
      if byte_size(bytes) > 4096, do: assert(bytes in frame)
    end
  end

  test "an event is terminal or it is not" do
    for terminal <- [{:status, :aborted, 1}, {:error, 2, :execve, nil}, {:status, :exited, 0}],
        do: assert(Protocol.terminal?(terminal))

    for event <- [{:status, :spawned, 1}, {:refused, 16, :proceed, nil}, {:pty_out, ""}],
        do: refute(Protocol.terminal?(event))
  end
end
