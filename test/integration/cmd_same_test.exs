defmodule Linx.Integration.CmdSameTest do
  @moduledoc """
  In the place of `System.cmd/3`, `Linx.cmd/3` answers the same and raises the same.
  """

  use Linx.Case

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

    test "an environment and a directory that are no text, in any locale" do
      directory = Path.join(tmp_dir(), "grün")
      File.mkdir!(directory)

      code = """
      {:ok, _} = Application.ensure_all_started(:linx)
      [script] = System.argv()
      {ours, 0} = Linx.cmd("sh", ["-c", script])
      {^ours, 0} = System.cmd("sh", ["-c", script])
      IO.puts(Base.encode16(ours))
      """

      for locale <- ["C.UTF-8", "C"] do
        env = [{"LC_ALL", locale}, {"RAW", <<"r", 255, 254>>}, {"TEXT", "grün"}]
        path = Enum.flat_map(:code.get_path(), &["-pa", List.to_string(&1)])
        args = path ++ ["-e", code, "--", ~S(printf '%s|' "$RAW" "$TEXT"; pwd)]
        options = [env: env, cd: directory, lines: 100, stderr: :merge]
        {lines, 0} = Linx.cmd("elixir", args, options)

        assert Base.decode16!(List.last(lines)) ==
                 <<"r", 255, 254, "|grün|", directory::binary, "\n">>
      end
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
end
