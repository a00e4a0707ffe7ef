defmodule Linx.Integration.RunTest do
  use Linx.Case

  import Linx.Test.Parked

  # Each test starts a BEAM of its own.
  @moduletag timeout: 120_000

  describe "the exit status" do
    test "is the command's" do
      assert run(["--", "sh", "-c", "exit 7"]) == {"", 7}
      assert run(["true"]) == {"", 0}
    end

    test "says which signal ended it" do
      assert run(["sh", "-c", "kill -TERM $$"]) == {"", 143}
    end

    @tag :tmp_dir
    test "and stderr say why it could not be run", %{tmp_dir: dir} do
      assert run(["linx-none"]) == {"mix linx.run: linx-none: no such command on PATH\n", 127}
      assert {"mix linx.run: execve failed: enoent" <> _, 127} = run(["/linx/none"])

      plain = Path.expand("plain", dir)
      File.write!(plain, "")
      assert {"mix linx.run: execve failed: eacces" <> _, 126} = run([plain])
    end

    test "is 125 where the options are wrong or cannot be had" do
      assert run(["--uid", "1x", "true"]) ==
               {~s(mix linx.run: invalid option --uid: "1x", expected 0..4294967294\n), 125}

      assert run(["--seccomp-deny", "linx_call", "true"]) ==
               {"mix linx.run: there is no system call linx_call on this machine\n", 125}
    end
  end

  describe "without a PTY" do
    test "stdin arrives whole, whatever its bytes, and ends" do
      bytes = "seq 200000 | tr 05 '\\000\\377'"
      {sum, 0} = System.cmd("sh", ["-c", bytes <> " | md5sum"])
      assert run(["md5sum"], stdin: bytes) == {sum, 0}
    end

    test "a command that does not read its stdin is no obstacle" do
      assert run(["sh", "-c", "exit 3"], stdin: "yes 2>/dev/null | head -c 1000000") == {"", 3}

      assert run(["sh", "-c", "exec <&-; exit 4"], stdin: "yes 2>/dev/null | head -c 1000000") ==
               {"", 4}
    end

    test "stdout and stderr are the caller's own" do
      assert run(["sh", "-c", "echo out; echo err >&2"], redirect: "2>/dev/null") == {"out\n", 0}
      assert run(["readlink", "/proc/self/fd/1"], redirect: "2>&1 >/dev/null | cat") == {"", 0}
      assert {"pipe:" <> _, 0} = run(["readlink", "/proc/self/fd/1"])
    end

    test "the socket that stdin is has no name any more" do
      # Shorter than a path of :tmp_dir, which would not fit into a socket's address.
      dir = Path.join(System.tmp_dir!(), "linx-test-#{System.unique_integer([:positive])}")
      File.mkdir!(dir)
      on_exit(fn -> File.rm_rf!(dir) end)

      assert run(["ls", "-A", dir], env: [{"TMPDIR", dir}]) == {"", 0}
      assert File.ls!(dir) == []
    end
  end

  describe "a sandbox" do
    @describetag :user_namespaces

    test "shows a shell nothing that it was not given" do
      dir = tmp_dir()
      File.chmod!(dir, 0o777)

      script =
        "id -u; pwd; ls -d /home /root /data 2>/dev/null; touch /x /usr/x 2>/dev/null || echo sealed; " <>
          "unshare -U true 2>/dev/null || echo kept in; echo made >/data/made"

      words = ["--sandbox", "strict", "--bind-rw", dir <> ":/data", "--time", "60000"]
      assert {text, 0} = run(words ++ ["--", "sh", "-c", script])
      assert String.split(text, "\n") == ["65534", "/", "/data", "sealed", "kept in", ""]
      assert File.read!(Path.join(dir, "made")) == "made\n"
    end

    test "is 125 where it cannot be had, and says what was wrong" do
      assert {"mix linx.run: invalid option --sandbox: \"open\", expected one of " <> _, 125} =
               run(["--sandbox", "open", "true"])

      assert {message, 125} = run(["--sandbox", "strict", "--root", "/no/such", "/bin/true"])
      assert message =~ "root failed: enoent (/no/such)"
    end
  end

  describe "isolation" do
    @describetag :user_namespaces

    test "fresh namespaces, root inside, no capability" do
      script = "id -u; echo $$; readlink /proc/self/ns/uts; grep -E 'Cap[PEBA]' /proc/self/status"
      options = ["--map-root", "--ns", "pid,uts", "--no-caps"]
      {output, 0} = run(options ++ ["sh", "-c", script])

      ["0", "1", uts | caps] = String.split(output, "\n", trim: true)
      assert {:ok, uts} != File.read_link("/proc/self/ns/uts")
      assert length(caps) == 4
      for line <- caps, do: assert(line =~ "\t0000000000000000")
    end

    test "one capability kept, for a uid that is not 0" do
      options = ["--ns", "user", "--cap-keep", "net_raw"]
      {output, 0} = run(options ++ ["grep", "-E", "Cap(Eff|Bnd)", "/proc/self/status"])
      assert output == "CapEff:\t0000000000002000\nCapBnd:\t0000000000002000\n"
    end

    test "one capability dropped, for uid 0" do
      options = ["--map-root", "--cap-drop", "net_raw"]
      {output, 0} = run(options ++ ["grep", "-E", "Cap(Eff|Bnd)", "/proc/self/status"])

      for line <- String.split(output, "\n", trim: true) do
        {mask, ""} = line |> String.split("\t") |> List.last() |> Integer.parse(16)
        refute :cap_net_raw in Linx.Capabilities.Constants.from_bits(mask)
        assert :cap_net_admin in Linx.Capabilities.Constants.from_bits(mask)
      end
    end

    test "system calls denied" do
      {output, 1} = run(["--seccomp-deny", "mkdir,mkdirat", "mkdir", "/tmp/linx-never"])
      assert output =~ "Operation not permitted"
    end

    test "environment, working directory, no_new_privs" do
      options = ["--env", "A=1", "--env", "B=x=y", "--cwd", "/", "--no-new-privs"]
      script = "echo $A $B $PWD; grep NoNewPrivs /proc/self/status"
      assert run(options ++ ["sh", "-c", script]) == {"1 x=y /\nNoNewPrivs:\t1\n", 0}
    end

    test "what cannot be had is said, and nothing runs" do
      # Only uid 0 is mapped.
      {output, 125} = run(["--map-root", "--uid", "1", "echo", "ran"])
      assert output =~ "mix linx.run: uid failed: einval"
      refute output =~ "ran\n"

      if own("Uid") != 0 do
        {output, 125} = run(["--no-caps", "echo", "ran"])
        assert output =~ "cannot drop cap_"
        refute output =~ "ran\n"
      end
    end

    @tag :root
    test "another user, without its groups and capabilities" do
      script = "id; grep CapPrm /proc/self/status"
      {output, 0} = run(["--uid", "65534", "--gid", "65533", "sh", "-c", script])
      assert output =~ ~r/^uid=65534\S* gid=65533\S* groups=65533\S*\n/
      assert output =~ "CapPrm:\t0000000000000000\n"
    end

    test "entering a process" do
      {session, pid} = park(argv: ["/bin/sleep", "60"], namespaces: [:user, :uts])
      :ok = Linx.User.setup_maps(pid, own_maps())
      :ok = proceed(session)

      {:ok, uts} = File.read_link("/proc/#{pid}/ns/uts")
      enter = ["--enter", Integer.to_string(pid)]
      assert run(enter ++ ["readlink", "/proc/self/ns/uts"]) == {uts <> "\n", 0}
      assert {"mix linx.run: " <> _, 125} = run(["--enter", "2147483647", "/bin/true"])
    end
  end

  describe "on a terminal" do
    test "the command has one of its own, as large as ours, and ours comes back" do
      workload = """
      tty; stty size; until [ "$(stty size)" = "44 111" ]; do sleep 0.05; done; exit 5
      """

      session =
        terminal("""
        stty rows 33 cols 99; tty; saved=$(stty -g)
        mix linx.run sh -c '#{workload}'
        echo status $?
        [ "$(stty -g)" = "$saved" ] && echo restored
        """)

      sizes = output_until("33 99\r\n")
      ["/dev/pts/" <> ours, "/dev/pts/" <> its, "33 99"] = String.split(sizes, "\r\n", trim: true)
      assert ours != its

      :ok = Linx.Process.pty_set_winsize(session, {44, 111, 0, 0})
      output_until("status 5\r\nrestored\r\n")
    end

    test "what is typed goes to the command as it is" do
      workload = """
      trap "interrupted=yes" INT; stty -echo; echo set
      until [ "$interrupted" ]; do sleep 0.05; done
      echo interrupted; cat -v
      """

      session = terminal("mix linx.run sh -c '#{workload}'; echo status $?")
      output_until("set\r\n")
      :ok = Linx.Process.pty_write(session, <<3>>)
      output_until("interrupted\r\n")
      :ok = Linx.Process.pty_write(session, <<0xE9, 1, ?x, ?\n>>)
      output_until("M-i^Ax\r\n")
      :ok = Linx.Process.pty_write(session, <<4>>)
      output_until("status 0\r\n")
    end

    test "may be given to a command whose input is none" do
      assert {output, 6} = run(["--pty", "sh"], stdin: "echo 'stty size; exit 6'")
      assert output =~ "24 80\r\n"
    end

    test "is put back when the BEAM is killed" do
      session =
        terminal("""
        saved=$(stty -g)
        mix linx.run sh -c 'echo set; exec sleep 60'
        until [ "$(stty -g)" = "$saved" ]; do sleep 0.05; done
        echo restored
        """)

      output_until("set\r\n")
      {_, 0} = System.cmd("kill", ["-KILL", beam_below(session)])
      output_until("restored\r\n")
    end

    test "signals to the BEAM are passed on" do
      workload = ~s(trap "echo caught; exit 9" TERM; echo set; sleep 60 & wait)
      session = terminal("mix linx.run sh -c '#{workload}'; echo status $?")
      output_until("set\r\n")
      {_, 0} = System.cmd("kill", ["-TERM", beam_below(session)])
      assert output_until("status 9\r\n") =~ "caught"
    end
  end

  test "help names every option" do
    {help, 0} = run(["--help"])

    for option <-
          ~w(--ns --all-ns --map-root --enter --env --cwd --uid --gid --cap-drop --cap-keep
                     --no-caps --seccomp-deny --seccomp-allow --no-new-privs --pty --no-pty) do
      assert help =~ option
    end
  end

  # The task in a BEAM of its own, as a user calls it, with stderr and status.
  defp run(words, opts \\ []) do
    stdin = if feed = opts[:stdin], do: feed <> " | ", else: ""
    redirect = Keyword.get(opts, :redirect, "2>&1")
    script = ~s(#{stdin}mix linx.run "$@" #{redirect})
    System.cmd("sh", ["-c", script, "sh" | words], env: env() ++ Keyword.get(opts, :env, []))
  end

  # A shell on a PTY, in which the task finds a terminal.
  defp terminal(script) do
    env = Map.merge(System.get_env(), Map.new(env()))
    {session, _pid} = park(argv: ["/bin/sh", "-c", script], stdio: :pty, env: env)
    :ok = proceed(session)
    session
  end

  # `mix` becomes the BEAM, by exec, so it is the shell's child.
  defp beam_below(session) do
    {:ok, shell} = Linx.Process.host_pid(session)
    "/proc/#{shell}/task/#{shell}/children" |> File.read!() |> String.trim()
  end

  defp env, do: [{"MIX_ENV", "test"}, {"LC_ALL", "C.UTF-8"}]
end
