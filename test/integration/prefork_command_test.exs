defmodule Linx.Integration.PreforkCommandTest do
  use Linx.Case

  alias Linx.Test.WarmScript

  # A hundred clients start a hundred times at once, and each test starts perl.
  @moduletag timeout: 300_000

  setup do
    %{script: WarmScript.new(tmp_dir())}
  end

  defp run(script, arguments, options \\ []), do: WarmScript.run(script, arguments, options)

  describe "a script of Proc::Prefork::Interp" do
    test "starts once and is run many times", %{script: script} do
      for number <- 1..20 do
        assert run(script, ["do-exit", "#{number}"]) == {"", {:exited, number}}
      end

      assert WarmScript.starts(script) == 1
      assert [_] = WarmScript.pids(script, :server)
    end

    test "gets each run's arguments, environment, directory of start and stdio", %{script: script} do
      assert run(script, ["do-args", "a b", "", "-U"]) == {"a b||-U\n", {:exited, 0}}
      assert run(script, ["do-args"]) == {"\n", {:exited, 0}}

      for value <- ["one", "two\nlines"] do
        assert run(script, ["do-env", "LINX_TEST_X", "PREFORK_INTERP"],
                 env: [{"LINX_TEST_X", value}]
               ) == {"LINX_TEST_X=#{value}\nPREFORK_INTERP=(none)\n", {:exited, 0}}
      end

      assert run(script, ["do-env", "LINX_TEST_X"]) == {"LINX_TEST_X=(none)\n", {:exited, 0}}
      assert run(script, ["do-copy"], stdin: "in\n") == {"in\nIN\n", {:exited, 0}}
      assert WarmScript.starts(script) == 1
    end

    test "ends its client as it ends itself", %{script: script} do
      assert run(script, ["do-exit", "0"]) == {"", {:exited, 0}}
      assert run(script, ["do-exit", "255"]) == {"", {:exited, 255}}

      for {name, number} <- [HUP: 1, INT: 2, KILL: 9, PIPE: 13, TERM: 15] do
        assert run(script, ["do-kill", "#{name}"]) == {"", {:signaled, number}}
      end

      assert run(script, ["do-kill", "USR1"]) ==
               {"linx-prefork: the script died of signal 10 (User defined signal 1)\n",
                {:exited, 127}}
    end

    test "has no fd of whoever started it", %{script: script} do
      open = ["sh", "-c", ~s(exec 7</dev/null 9</dev/null; exec "$@"), "sh"]
      first = open ++ [WarmScript.command(), "-U", "perl", script.path, "do-exit", "0"]
      assert WarmScript.execute(script, first) == {"", {:exited, 0}}
      [server] = WarmScript.pids(script, :server)
      refute "/dev/null" in for(fd <- [7, 9], do: link(server, fd))
      [watcher] = WarmScript.pids(script, :watcher)
      refute "/dev/null" in for(fd <- [7, 9], do: link(watcher, fd))
      assert link(server, 0) == "/dev/null"
    end

    test "runs in every form of a #! line", %{script: script} do
      source = File.read!(script.path)

      for options <- [
            "-U,perl",
            "-U perl",
            "-U -Gx perl -I/",
            "-U,-G,x,perl,-I/",
            "-U,-E,HOME,perl"
          ] do
        path = Path.join(script.dir, "line.pl")
        File.write!(path, ["#!", WarmScript.command(), " ", options, "\n", source])
        File.chmod!(path, 0o755)
        assert WarmScript.execute(script, [path, "do-args", "x"]) == {"x\n", {:exited, 0}}
        assert WarmScript.execute(script, [path, "do-exit", "9"]) == {"", {:exited, 9}}
        WarmScript.end_all(script)
      end
    end
  end

  defp link(pid, fd) do
    case File.read_link("/proc/#{pid}/fd/#{fd}") do
      {:ok, target} -> target
      {:error, _} -> nil
    end
  end

  describe "one server" do
    test "serves a hundred clients that come at once, and none is refused", %{script: script} do
      runs =
        for number <- 1..100 do
          Task.async(fn -> run(script, ["do-exit", "#{number}"]) end)
        end

      answers = Task.await_many(runs, 240_000)
      assert answers == for(number <- 1..100, do: {"", {:exited, number}})
      assert WarmScript.starts(script) == 1
    end

    test "is shared by what -E, -G and -g let be shared", %{script: script} do
      starts = fn options, env ->
        before = WarmScript.starts(script)

        assert run(script, ["do-exit", "0"], options: ["-U" | options], env: env) ==
                 {"", {:exited, 0}}

        WarmScript.starts(script) - before
      end

      assert starts.([], [{"LINX_TEST_X", "1"}]) == 1
      assert starts.([], [{"LINX_TEST_X", "2"}]) == 0

      assert starts.(["-E", "LINX_TEST_X"], [{"LINX_TEST_X", "1"}]) == 1
      assert starts.(["-ELINX_TEST_X"], [{"LINX_TEST_X", "1"}]) == 0
      assert starts.(["-E", "LINX_TEST_X"], [{"LINX_TEST_X", "2"}]) == 1
      assert starts.(["-E", "LINX_TEST_X"], []) == 1
      assert starts.(["-G", "LINX_TEST_X"], []) == 1
      assert starts.(["-Ga", "-Gb"], []) == 1
      assert starts.(["-Gb", "-Ga"], []) == 1
      assert starts.(["-g", "name"], []) == 1
      assert starts.(["-g", "name", "-G", "more"], [{"LINX_TEST_X", "3"}]) == 0
      assert File.exists?(Path.join(script.dir, "prefork-interp/sname"))
    end

    test "is another one in another directory", %{script: script} do
      assert run(script, ["do-cwd"], cd: "/") == {"/\n", {:exited, 0}}
      assert run(script, ["do-cwd"], cd: script.dir) == {script.dir <> "\n", {:exited, 0}}
      assert WarmScript.starts(script) == 2
    end
  end

  describe "a server ends" do
    test "by --kill, which runs nothing", %{script: script} do
      kill = fn -> run(script, ["do-exit", "5"], options: ["-U", "--kill"]) end
      assert kill.() == {"", {:exited, 0}}
      assert WarmScript.starts(script) == 0

      run(script, ["do-exit", "0"])
      assert kill.() == {"", {:exited, 0}}
      WarmScript.await_pids(script, :server, 0)
      WarmScript.await_pids(script, :watcher, 0)
      assert File.ls!(Path.join(script.dir, "prefork-interp")) == []
    end

    test "for another one by -f", %{script: script} do
      run(script, ["do-exit", "0"])
      [old] = WarmScript.pids(script, :server)
      assert run(script, ["do-exit", "6"], options: ["-f", "-U"]) == {"", {:exited, 6}}
      assert WarmScript.starts(script) == 2
      refute WarmScript.await_pids(script, :server, 1) == [old]
      assert run(script, ["do-exit", "0"]) == {"", {:exited, 0}}
      assert WarmScript.starts(script) == 2
    end

    test "when its socket is removed, and what it runs goes on", %{script: script} do
      held = WarmScript.hold(script)
      for socket <- WarmScript.sockets(script), do: File.rm!(socket)
      WarmScript.await_pids(script, :server, 0)
      [executor] = WarmScript.pids(script, :executor)
      WarmScript.signal(executor, "TERM")
      assert WarmScript.status(held) == 128 + 15
    end

    test "when the script has changed", %{script: script} do
      run(script, ["do-exit", "0"])
      File.write!(script.path, "\n# changed\n", [:append])
      File.touch!(script.path, System.os_time(:second) + 10)
      assert run(script, ["do-exit", "8"]) == {"", {:exited, 8}}
      assert WarmScript.starts(script) == 2
    end
  end

  describe "a script that does not start" do
    test "ends its client as it ended, with its own words", %{script: script} do
      File.write!(script.path <> ".broken", "")
      assert {"no start today\n", {:exited, status}} = run(script, ["do-exit", "0"])
      assert status not in [0, 127]
      assert File.ls!(Path.join(script.dir, "prefork-interp")) == []

      File.rm!(script.path <> ".broken")
      assert run(script, ["do-exit", "3"]) == {"", {:exited, 3}}
    end

    test "is told from what cannot be executed, and from what is no such script", %{
      script: script
    } do
      ours = fn argv -> WarmScript.execute(script, [WarmScript.command(), "-U" | argv]) end

      assert ours.(["/nowhere/perl", "s"]) ==
               {"linx-prefork: cannot execute /nowhere/perl: No such file or directory\n",
                {:exited, 127}}

      assert ours.(["sh", "-c", "echo out; kill -KILL $$"]) == {"out\n", {:signaled, 9}}

      assert {"linx-prefork: the script, which was starting, died of signal 6 " <> _,
              {:exited, 127}} = ours.(["sh", "-c", "ulimit -c 0; kill -ABRT $$"])

      assert {"out\nlinx-prefork: the script has not said that its initialisation is complete" <>
                _, {:exited, 127}} = ours.(["sh", "-c", "echo out"])

      assert File.ls!(Path.join(script.dir, "prefork-interp")) == []
    end
  end
end
