defmodule Linx.Integration.CmdTest do
  use Linx.Case

  alias Linx.Command

  doctest Linx

  # What each of the two answers to the same arguments.
  @same [
    {"echo", ["hello"], []},
    {"/bin/echo", ["hello"], []},
    {"sh", ["-c", "exit 7"], []},
    {"sh", ["-c", "exit 255"], []},
    {"printf", ["%s|", "", "a b", "ä", <<255>>, "$HOME", "*"], []},
    {"cat", ["/proc/self/cmdline"], []},
    {"cat", ["/proc/self/cmdline"], [arg0: "other"]},
    {"sh", ["-c", "echo out; echo err >&2; echo out"], [stderr_to_stdout: true]},
    {"sh", ["-c", "echo out"], [stderr_to_stdout: false]},
    {"sh", ["-c", "echo $0; pwd"], [cd: "/", arg0: "name"]},
    {"pwd", [], []},
    {"pwd", [], [cd: "test"]},
    {"pwd", [], [cd: "/usr/bin"]},
    {"sh", ["-c", "echo ${LINX_A-unset} ${LINX_B-unset}"], [env: [{"LINX_A", "1"}]]},
    {"sh", ["-c", "echo ${LINX_A-unset} ${LINX_B-unset}"], [env: %{"LINX_B" => "a b=c"}]},
    {"sh", ["-c", "echo ${LINX_A-unset}"], [env: [{"LINX_A", "1"}, {"LINX_A", "2"}]]},
    {"sh", ["-c", "echo ${LINX_A-unset}"], [env: [{"LINX_A", "1"}, {"LINX_A", nil}]]},
    {"sh", ["-c", "echo ${LINX_A-unset}"], [env: [{"LINX_A", ""}]]},
    {"sh", ["-c", "echo ${HOME-unset}"], [env: [{"HOME", nil}]]},
    {"sh", ["-c", "env | grep -v ^_= | sort"], []},
    {"sh", ["-c", "umask; ulimit -a"], []},
    {"sh", ["-c", "cd /proc/self/fd && echo *"], []},
    {"stat", ["-L", "-c", "%F", "/proc/self/fd/0", "/proc/self/fd/1"], []},
    {"sh", ["-c", "head -c 300000 /dev/zero | tr '\\0' x"], []},
    {"echo", ["hello"], [into: "already "]},
    {"echo", ["hello"], [parallelism: true]},
    {"printf", ["\\0\\377\\n"], []}
  ]

  # What each of the two raises.
  @raised [
    {"no-such-command", [], []},
    {"./mix.exs", [], []},
    {"echo\0", [], []},
    {"echo", [:a], []},
    {"echo", [], [no_such_option: 1]},
    {"echo", [], [stderr_to_stdout: 1]},
    {"echo", [], [env: [:a]]},
    {"echo", [], [env: [{"a=b", "c"}]]},
    {"echo", [], [into: 1]},
    {"echo", ["x"], [into: %{}]}
  ]

  describe "beside System.cmd" do
    for {{command, args, opts}, n} <- Enum.with_index(@same) do
      test "#{n}: #{command} #{inspect(args)} #{inspect(opts)} is the same" do
        {command, args, opts} = unquote(Macro.escape({command, args, opts}))
        assert Linx.cmd(command, args, opts) == System.cmd(command, args, opts)
      end
    end

    for {{command, args, opts}, n} <- Enum.with_index(@raised) do
      test "#{n}: #{inspect(command)} #{inspect(args)} #{inspect(opts)} raises the same" do
        {command, args, opts} = unquote(Macro.escape({command, args, opts}))
        %kind{} = expected = catch_error(System.cmd(command, args, opts)) |> normal()
        assert %^kind{} = raised = catch_error(Linx.cmd(command, args, opts)) |> normal()
        if kind == ErlangError, do: assert(raised == expected)
      end
    end

    # Not by asking it: each of these costs the BEAM an fd.
    test "a path without a program raises the same" do
      for {path, reason} <- [{"/no/such/command", :enoent}, {"/etc/passwd", :eacces}] do
        error = assert_raise ErlangError, fn -> Linx.cmd(path, []) end
        assert error.original == reason
      end
    end

    test "what has changed since the agent started is the same" do
      System.put_env("LINX_LATE", "late")
      on_exit(fn -> System.delete_env("LINX_LATE") end)
      script = ["-c", "echo $LINX_LATE; pwd"]

      for directory <- ["/", "/usr", File.cwd!()] do
        File.cd!(directory, fn ->
          assert Linx.cmd("sh", script) == System.cmd("sh", script)
          assert {"late\n" <> _, 0} = Linx.cmd("sh", script)
        end)
      end
    end

    test "a command is found where PATH is now, also by a relative one" do
      path = System.get_env("PATH")
      on_exit(fn -> System.put_env("PATH", path) end)
      dir = tmp_dir()
      program = Path.join(dir, "linx-test-command")
      File.write!(program, "#!/bin/sh\necho found $1\n")
      File.chmod!(program, 0o755)

      File.cd!(dir, fn ->
        for entry <- [dir, "."] do
          System.put_env("PATH", entry <> ":" <> path)
          assert Linx.cmd("linx-test-command", ["x"]) == {"found x\n", 0}
          assert System.cmd("linx-test-command", ["x"]) == {"found x\n", 0}
        end
      end)
    end

    test "collectables get the same" do
      for {into, read} <- [
            {fn -> [] end, &Enum.join/1},
            {fn -> File.stream!(Path.join(tmp_dir(), "out")) end, &File.read!(&1.path)},
            {fn -> MapSet.new() end, &Enum.join/1}
          ] do
        {ours, 0} = Linx.cmd("echo", ["hello"], into: into.())
        {theirs, 0} = System.cmd("echo", ["hello"], into: into.())
        assert {read.(ours), read.(theirs)} == {"hello\n", "hello\n"}
      end
    end

    test "output goes to standard IO as it comes" do
      for cmd <- [&System.cmd/3, &Linx.cmd/3] do
        output =
          ExUnit.CaptureIO.capture_io(fn ->
            assert {%IO.Stream{}, 0} = cmd.("echo", ["hello"], into: IO.stream(:stdio, :line))
          end)

        assert output == "hello\n"
      end
    end
  end

  defp normal(%{__exception__: true} = error), do: error
  defp normal(reason), do: Exception.normalize(:error, reason)

  describe "a command" do
    test "tells which signal ended it" do
      assert Linx.cmd("sh", ["-c", "kill -9 $$"]) == {"", {:signal, 9}}
      assert Linx.cmd("sh", ["-c", "echo x; kill $$"]) == {"x\n", {:signal, 15}}
    end

    test "that could not be executed is no exit code" do
      dir = tmp_dir()
      program = Path.join(dir, "program")
      File.write!(program, "no program")
      File.chmod!(program, 0o755)
      assert %{stage: :execve, errno: :enoexec} = catch_error(Linx.cmd(program, []))
      assert %{stage: :chdir, errno: :enoent} = catch_error(Linx.cmd("true", [], cd: "/no/such"))
    end

    test "has an empty, open stdin, unless it is given one" do
      assert %Command.Error{reason: :timeout} = catch_error(Linx.cmd("cat", [], timeout: 100))
      assert Linx.cmd("cat", [], input: "") == {"", 0}
    end

    test "has a stderr of its own if it is to be separate" do
      script = ["-c", "echo out; echo err >&2; exit 3"]
      assert Linx.cmd("sh", script, stderr: :separate) == {{"out\n", "err\n"}, 3}
      assert Linx.cmd("sh", script, stderr: :separate, into: []) == {{["out\n"], "err\n"}, 3}
      assert Linx.cmd("sh", script, stderr: :merge) == {"out\nerr\n", 3}
    end

    test "is told by lines" do
      assert Linx.cmd("printf", ["a\\nb\\n\\nc"], lines: 1024) == {["a", "b", "", "c"], 0}
      {lines, 0} = Linx.cmd("seq", ["100000"], lines: 1024)
      assert lines == Enum.map(1..100_000, &Integer.to_string/1)
    end

    @tag :user_namespaces
    test "is isolated as a session is" do
      isolated = [namespaces: [:user, :uts, :pid], no_new_privs: true]
      assert {"1\n", 0} = Linx.cmd("sh", ["-c", "echo $$"], isolated)

      assert {"NoNewPrivs:\t1\n", 0} =
               Linx.cmd("grep", ["NoNewPrivs", "/proc/self/status"], isolated)
    end

    test "may have an agent of its own" do
      assert Linx.cmd("cat", [], input: "x", agent: :dedicated) == {"x", 0}
    end

    test "leaves nothing behind that it has started" do
      script = "setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 1000' & sleep 0.1; echo done"
      {output, 0} = Linx.cmd("sh", ["-c", script])
      assert [pid, "done"] = String.split(output)
      assert_gone(String.to_integer(pid))
    end
  end

  describe "input" do
    test "is a binary, iodata or an enumerable of both" do
      for input <- ["abc", ["a", [?b], "c"], ~w(a b c) |> Stream.map(& &1), [?a | "bc"]],
          do: assert(Linx.cmd("cat", [], input: input) == {"abc", 0})

      input = File.stream!("test/test_helper.exs", [], 7)
      assert Linx.cmd("cat", [], input: input) == {File.read!("test/test_helper.exs"), 0}
    end

    test "of a hundred megabytes comes back while it is written" do
      piece = :binary.copy("0123456789abcdef", 4096)
      {output, 0} = Linx.cmd("cat", [], input: Stream.duplicate(piece, 1600))
      assert byte_size(output) == 1600 * byte_size(piece)
      assert :erlang.crc32(output) == :erlang.crc32(:binary.copy(piece, 1600))
    end

    test "need not be read to its end" do
      assert Linx.cmd("head", ["-c", "3"], input: Stream.cycle(["abc"])) == {"abc", 0}
      assert Linx.cmd("true", [], input: Stream.cycle([:binary.copy("x", 100_000)])) == {"", 0}
    end

    test "is taken no faster than it is read" do
      test = self()
      input = Stream.repeatedly(fn -> send(test, :taken) && :binary.copy("x", 65_536) end)

      assert %{reason: :timeout} =
               catch_error(Linx.cmd("sleep", ["100"], input: input, timeout: 500))

      # A window, what a pipe holds, and what waits in between.
      assert length(mailbox()) < 40
    end

    test "that never comes holds nobody up" do
      test = self()

      input =
        Stream.repeatedly(fn ->
          send(test, {:writer, self()})
          receive do: (:never -> "")
        end)

      assert Linx.cmd("echo", ["x"], input: input) == {"x\n", 0}

      # The writer may have been stopped before it came that far.
      for {:writer, writer} <- mailbox(), do: refute(Process.alive?(writer))
    end

    test "that raises is raised, and the command is gone" do
      input = Stream.map([1], fn _ -> raise KeyError, key: :missing end)
      assert_raise KeyError, fn -> Linx.cmd("cat", [], input: input) end

      assert catch_throw(Linx.cmd("cat", [], input: Stream.map([1], fn _ -> throw(:it) end))) ==
               :it

      assert_raise ArgumentError, fn -> Linx.cmd("cat", [], input: [:atom]) end
      assert_raise Protocol.UndefinedError, fn -> Linx.cmd("cat", [], input: :atom) end
    end
  end

  describe "a limit" do
    test "of time kills all of it and keeps what was written" do
      script = "trap '' TERM; sleep 1000 & echo $$ $!; setsid sleep 1000 & echo $!; wait; wait"

      error =
        assert_raise Command.Error, ~r/longer than its :timeout/, fn ->
          Linx.cmd("sh", ["-c", script], timeout: 500)
        end

      assert error.reason == :timeout
      assert [_, _, _] = pids = String.split(error.output)
      for pid <- pids, do: assert_gone(String.to_integer(pid))
    end

    test "of time also holds for what writes without a pause" do
      started = System.monotonic_time(:millisecond)

      assert %{reason: :timeout} =
               catch_error(Linx.cmd("yes", [], timeout: 200, into: MapSet.new()))

      assert %{reason: :timeout} =
               catch_error(Enum.each(Linx.stream!("yes", [], timeout: 200), & &1))

      assert System.monotonic_time(:millisecond) - started < 20_000
    end

    test "of time keeps stdout and stderr apart" do
      script = ["-c", "echo out; echo err >&2; sleep 1000"]

      assert %{output: {["out\n"], "err\n"}} =
               catch_error(Linx.cmd("sh", script, timeout: 500, stderr: :separate, into: []))
    end

    test "of output is kept to the byte" do
      for {limit, output} <- [{1, "y"}, {100_001, :binary.copy("y\n", 50_000) <> "y"}] do
        assert %Command.Error{reason: :max_output, command: ["yes"], output: ^output} =
                 catch_error(Linx.cmd("yes", [], max_output: limit))
      end

      assert Linx.cmd("printf", ["12345"], max_output: 5) == {"12345", 0}
    end
  end

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
      test = self()

      input =
        Stream.repeatedly(fn ->
          send(test, {:writer, self()})
          receive do: (:never -> "")
        end)

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

    test "waits for who takes it" do
      [first | _] = Linx.stream!("yes", []) |> Stream.map(&byte_size/1) |> Enum.take(1)
      assert first > 0
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

  defp mailbox do
    receive do
      message -> [message | mailbox()]
    after
      0 -> []
    end
  end
end
