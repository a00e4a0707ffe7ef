defmodule Linx.Integration.StreamsTest do
  use Linx.Case

  alias Linx.Process

  # What a stream has up to its end, by asking for it.
  defp read(session, stream, sofar \\ "") do
    case Process.recv(session, stream, 10_000) do
      {:ok, bytes} -> read(session, stream, sofar <> bytes)
      {:error, :closed} -> sofar
    end
  end

  defp passive(options), do: running([stdio: :pipe, active: false] ++ options) |> elem(0)

  # The messages up to the end, the pieces of each stream put together.
  defp told do
    for message <- messages(), reduce: %{} do
      told ->
        case message do
          {:linx_process, stream, :eof} ->
            Map.update(told, stream, [:eof], &(&1 ++ [:eof]))

          {:linx_process, stream, bytes} when is_binary(bytes) ->
            Map.update(told, stream, [bytes], &(&1 ++ [bytes]))

          message ->
            Map.put(told, :end, Tuple.delete_at(message, 0))
        end
    end
    |> Map.new(fn
      {:end, outcome} ->
        {:end, outcome}

      {stream, pieces} ->
        {stream, {IO.iodata_to_binary(Enum.reject(pieces, &(&1 == :eof))), List.last(pieces)}}
    end)
  end

  describe "pipes" do
    test "carry input there, and output back after its end" do
      {session, _} = running(argv: ["/usr/bin/sort"], stdio: :pipe)
      assert Process.write(session, ["b\n", [?c, "\n"]]) == :ok
      assert Process.write(session, "a\n") == :ok
      assert Process.close_stdin(session) == :ok
      assert told() == %{stdout: {"a\nb\nc\n", :eof}, stderr: {"", :eof}, end: {:exited, 0}}
      assert_silence()
    end

    test "carry every byte" do
      bytes = for n <- 0..255, into: "", do: <<n>>
      session = passive(argv: ["/bin/cat"])
      :ok = Process.write(session, bytes)
      assert Process.recv(session, :stdout, 10_000) == {:ok, bytes}
      :ok = Process.close_stdin(session)
      assert read(session, :stdout) == ""
      assert Process.wait(session, 10_000) == {:ok, {:exited, 0}}
    end

    test "keep stdout and stderr apart, or together in their order" do
      script = sh("echo out; echo err >&2; echo more")
      running(argv: script, stdio: :pipe)
      assert %{stdout: {"out\nmore\n", :eof}, stderr: {"err\n", :eof}} = told()
      running(argv: script, stdio: [stdout: :pipe, stderr: :stdout])
      assert told() == %{stdout: {"out\nerr\nmore\n", :eof}, end: {:exited, 0}}
    end

    test "may be some of the three" do
      {session, _} = running(argv: ["/bin/cat"], stdio: [stdin: :pipe, stdout: :devnull])
      assert Process.recv(session, :stdout, 0) == {:error, :no_pipe}
      assert Process.recv(session, :pty_out, 0) == {:error, :no_pty}
      assert Process.write(session, "x") == :ok
      assert Process.close_stdin(session) == :ok
      assert told() == %{end: {:exited, 0}}
    end

    test "take input before there is a reader, also of a parked workload" do
      {session, _} = parked(argv: ["/bin/cat"], stdio: :pipe, active: false)
      assert Process.write(session, "early") == :ok
      assert Process.close_stdin(session) == :ok
      assert Process.recv(session, :stdout, 10) == {:error, :timeout}
      :ok = Process.proceed(session)
      assert read(session, :stdout) == "early"
    end

    test "with an agent of their own have the same windows" do
      session = passive(argv: ["/bin/cat"], agent: :dedicated, window: 1000)
      bytes = :crypto.strong_rand_bytes(300_000)
      writer = Task.async(fn -> Process.write(session, bytes) end)
      assert Task.yield(writer, 50) == nil
      reader = Task.async(fn -> read(session, :stdout) end)
      assert Task.await(writer) == :ok
      :ok = Process.close_stdin(session)
      assert Task.await(reader) == bytes
    end
  end

  describe "however a workload is started, its pipes carry and end" do
    test "with and without an init, a checkpoint and an agent of its own" do
      for agent <- [:shared, :dedicated], init <- [true, false], auto_proceed <- [true, false] do
        options = [agent: agent, init: init, auto_proceed: auto_proceed]
        assert_echo(&Process.spawn/1, options)
      end
    end

    @tag :root
    test "in fresh namespaces, and in those of another" do
      {target, _} =
        running(
          argv: ["/bin/sleep", "60"],
          namespaces: [:pid, :uts],
          orphan_policy: {:kill, 0}
        )

      for auto_proceed <- [true, false] do
        options = [auto_proceed: auto_proceed]
        assert_echo(&Process.spawn/1, [namespaces: [:pid, :uts, :mount, :net]] ++ options)
        assert_echo(&Process.enter(target, &1), options)
      end
    end

    defp assert_echo(start, options) do
      script = sh("cat; echo err >&2")
      tag = make_ref()
      {:ok, session} = start.([argv: script, stdio: :pipe, active: false, tag: tag] ++ options)
      assert Process.write(session, "in") == :ok
      assert Process.close_stdin(session) == :ok

      if not options[:auto_proceed] do
        assert_receive {:linx_process, ^tag, :ready, _}
        assert Process.proceed(session) == :ok
      end

      assert {read(session, :stdout), read(session, :stderr)} == {"in", "err\n"}
      assert Process.wait(session, 10_000) == {:ok, {:exited, 0}}
    end
  end

  describe "files" do
    test "are read, written anew and appended to" do
      path = Path.join(tmp_dir(), "file")
      out = [stdout: {:file, path, :write}, stderr: :stdout]
      running(argv: sh("echo one; echo two >&2"), stdio: out)
      assert told() == %{end: {:exited, 0}}
      assert File.read!(path) == "one\ntwo\n"
      assert Bitwise.band(File.stat!(path).mode, 0o777) == 0o600
      running(argv: sh("echo three"), stdio: [stdout: {:file, path, :append}])
      told()
      running(argv: ["/bin/cat"], stdio: [stdin: {:file, path, :read}, stdout: :pipe])
      assert %{stdout: {"one\ntwo\nthree\n", :eof}} = told()
    end

    test "that cannot be opened are named" do
      path = Path.join(tmp_dir(), "none/file")
      {:ok, session} = Process.spawn(argv: ["/bin/true"], stdio: [stdin: {:file, path, :read}])
      assert {:error, error} = Process.wait(session)
      assert %{stage: :open_file, errno: :enoent, detail: ^path} = error
      assert Exception.message(error) =~ path
    end
  end

  describe "writers" do
    test "wait for a workload that does not read, and are told when it will never" do
      {session, _} = running(argv: ["/bin/sleep", "60"], stdio: [stdin: :pipe])
      waits = Task.async(fn -> Process.write(session, :binary.copy("x", 1_000_000)) end)
      assert Task.yield(waits, 50) == nil
      behind = Task.async(fn -> Process.write(session, "behind") end)
      assert Task.yield(behind, 10) == nil
      assert Process.close_stdin(session) == :ok
      assert Process.write(session, "late") == {:error, :closed}
      assert Process.stop(session) == {:ok, {:signaled, 15}}
      assert Task.await_many([waits, behind]) == [{:error, :closed}, {:error, :closed}]
      assert Process.write(session, "late") == {:error, :closed}
    end

    test "are told when the workload has closed its end, and output goes on" do
      script = sh("exec <&-; echo closed; sleep 60")
      session = passive(argv: script)
      assert Process.recv(session, :stdout, 10_000) == {:ok, "closed\n"}
      # The agent learns of it by writing.
      wait_until(fn -> Process.write(session, "x") == {:error, :closed} end, "it is not closed")
      assert Process.close_stdin(session) == :ok
      assert Process.recv(session, :stdout, 0) == {:error, :timeout}
    end

    test "do not mix what they write" do
      session = passive(argv: ["/bin/cat"], window: 1000)
      writes = for n <- 1..20, do: String.duplicate("#{rem(n, 10)}", 997 * n)
      writers = for bytes <- writes, do: Task.async(fn -> Process.write(session, bytes) end)
      reader = Task.async(fn -> read(session, :stdout) end)
      assert Enum.uniq(Task.await_many(writers, 20_000)) == [:ok]
      :ok = Process.close_stdin(session)
      all = Task.await(reader, 20_000)
      assert byte_size(all) == byte_size(Enum.join(writes))
      for bytes <- writes, do: assert(all =~ bytes)
    end

    test "who die leave nothing stuck" do
      session = passive(argv: ["/bin/cat"], window: 1000)
      dies = spawn(fn -> Process.write(session, :binary.copy("x", 200_000)) end)
      wait_until(fn -> match?({:ok, _}, Process.recv(session, :stdout, 0)) end, "nothing comes")
      Elixir.Process.exit(dies, :kill)
      next = Task.async(fn -> Process.write(session, "next") end)
      reader = Task.async(fn -> read(session, :stdout) end)
      assert Task.await(next) == :ok
      :ok = Process.close_stdin(session)
      assert String.ends_with?(Task.await(reader), "xnext")
      assert Process.wait(session) == {:ok, {:exited, 0}}
    end
  end

  describe "readers" do
    test "get what they ask for, and leave what they do not take" do
      session = passive(argv: ["/bin/cat"])
      assert Process.recv(session, :stdout, 10) == {:error, :timeout}
      :ok = Process.set_active(session, true)
      assert Process.recv(session, :stdout, 0) == {:error, :active}
      :ok = Process.set_active(session, false)

      dies = spawn(fn -> Process.recv(session, :stdout) end)
      wait_until(fn -> :sys.get_state(session).waits != %{} end, "it does not ask")
      Elixir.Process.exit(dies, :kill)
      wait_until(fn -> :sys.get_state(session).waits == %{} end, "it is still awaited")
      :ok = Process.write(session, "kept")
      assert Process.recv(session, :all, 10_000) == {:ok, {:stdout, "kept"}}
    end

    test "once, or a number of times, are told no more" do
      {session, _} = running(argv: ["/bin/cat"], stdio: :pipe, active: :once)
      :ok = Process.write(session, "1")
      assert_receive {:linx_process, :stdout, "1"}
      :ok = Process.write(session, "2")
      assert Process.recv(session, :stdout, 10_000) == {:ok, "2"}
      assert Process.set_active(session, 2) == :ok

      for text <- ["3", "4"] do
        :ok = Process.write(session, text)
        assert_receive {:linx_process, :stdout, ^text}
      end

      assert_receive {:linx_process, :passive}
      :ok = Process.write(session, "5")
      :ok = Process.close_stdin(session)
      assert {:ok, {:exited, 0}} = Process.wait(session)
      # The rest of the output is still to come, and the end after it.
      refute_received {:linx_process, :exited, _}
      assert Process.set_active(session, :once) == :ok
      assert %{stdout: {"5", :eof}, end: {:exited, 0}} = told()
    end

    test "are told where there is nothing to read, and what mode is none" do
      {session, _} = running(argv: ["/bin/sleep", "60"], stdio: :devnull)
      assert Process.write(session, "x") == {:error, :no_pipe}
      assert Process.close_stdin(session) == {:error, :no_pipe}
      assert Process.recv(session, :stdout, 0) == {:error, :no_pipe}
      assert Process.set_active(session, false) == {:error, :no_pipe}

      for mode <- [nil, :twice, 40_000],
          do: assert(Process.set_active(session, mode) == {:error, {:bad_active, mode}})
    end
  end

  test "another owner gets what comes from then on" do
    {session, _} = running(argv: ["/bin/cat"], stdio: :pipe)
    :ok = Process.write(session, "old")
    assert_receive {:linx_process, :stdout, "old"}
    test = self()

    owner =
      Task.async(fn ->
        send(test, :there)
        assert_receive {:linx_process, :stdout, bytes}, 10_000
        assert_receive {:linx_process, :exited, 0}, 10_000
        bytes
      end)

    assert_receive :there
    :ok = Process.set_owner(session, owner.pid)
    :ok = Process.write(session, "new")
    :ok = Process.close_stdin(session)
    assert Task.await(owner, 20_000) == "new"
    assert_silence()
  end
end
