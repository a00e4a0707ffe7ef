defmodule Linx.Integration.LogTest do
  use Linx.Case

  import ExUnit.CaptureLog

  @format [format: "$level|$message|$metadata\n", metadata: [:stream], colors: [enabled: false]]

  defp logged(run) do
    @format
    |> capture_log(run)
    |> String.split("\n", trim: true)
    |> Enum.filter(&(&1 =~ "|stream="))
  end

  # Until all of the session's output has been logged.
  defp await_log(session) do
    reader = Process.monitor(:sys.get_state(session).log)
    assert_receive {:DOWN, ^reader, :process, _, _}
  end

  describe "a session" do
    test "logs what it writes, and tells its owner nothing of it" do
      script = "echo one; echo two >&2; printf three; exit 3"

      lines =
        logged(fn ->
          {:ok, session} =
            Linx.Process.spawn(
              argv: sh(script),
              auto_proceed: true,
              log: [prefix: "sh: ", stderr: :error]
            )

          assert [{_, :ready, _}, {_, :running}, {_, :exited, 3}] = messages()
          assert {:ok, {:exited, 3}} = Linx.Process.wait(session)
          await_log(session)
        end)

      assert Enum.sort(lines) == [
               "error|sh: two|stream=stderr ",
               "info|sh: one|stream=stdout ",
               "info|sh: three|stream=stdout "
             ]
    end

    test "logs its terminal" do
      lines =
        logged(fn ->
          {session, _} = running(argv: sh("echo one; echo two >&2"), stdio: :pty, log: :info)
          assert {:ok, {:exited, 0}} = Linx.Process.wait(session)
          await_log(session)
        end)

      assert lines == ["info|one|stream=pty_out ", "info|two|stream=pty_out "]
    end

    test "under a supervisor logs to the last line, however it ends" do
      slow =
        "trap 'echo stopping; exit 0' TERM; echo started; touch $0; while :; do sleep 0.01; done"

      short = "echo started; seq 1000; touch $0; echo stopping; exit 1"

      for script <- [slow, short] do
        lines =
          logged(fn ->
            started = Path.join(tmp_dir(), "started")
            options = [argv: sh(script) ++ [started], owner: self(), log: :info]
            child = Supervisor.child_spec({Linx.Process, options}, restart: :temporary)
            {:ok, supervisor} = Supervisor.start_link([child], strategy: :one_for_one)
            assert_receive {:linx_process, :ready, _}
            [{_, session, _, _}] = Supervisor.which_children(supervisor)
            reader = Process.monitor(:sys.get_state(session).log)
            :ok = Linx.Process.proceed(session)
            wait_until(fn -> File.exists?(started) end, "nothing was started")
            if script == short, do: reason_of_end(session)
            Supervisor.stop(supervisor)
            assert_receive {:DOWN, ^reader, :process, _, :normal}
          end)

        assert hd(lines) =~ "|started|"
        assert List.last(lines) =~ "|stopping|"
      end
    end

    test "whose output does not go to a pipe has nothing to log" do
      for stdio <- [:devnull, :inherit, [stdin: :pipe], [stdout: {:file, "/dev/null", :write}]] do
        options = [argv: ["/bin/true"], stdio: stdio, log: :info]
        assert Linx.Process.spawn(options) == {:error, {:bad_log, :info}}
      end

      assert Linx.Process.spawn(argv: ["/bin/true"], log: 1) == {:error, {:bad_log, 1}}
    end
  end

  test "a command logs what it writes as well as answering it" do
    lines =
      logged(fn ->
        script = "echo out; echo err >&2"

        assert {{"out\n", "err\n"}, 0} =
                 Linx.cmd("sh", ["-c", script], log: :notice, stderr: :separate)

        assert {"A", [0, 0]} = Linx.pipeline([["printf", "a"], ["tr", "a", "A"]], log: :warning)
      end)

    assert Enum.sort(lines) == [
             "notice|err|stream=stderr ",
             "notice|out|stream=stdout ",
             "warning|A|stream=stdout "
           ]

    assert_raise ArgumentError, fn -> Linx.cmd("true", [], log: :loud) end
  end
end
