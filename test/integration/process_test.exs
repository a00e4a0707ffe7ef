defmodule Linx.Integration.ProcessTest do
  use Linx.Case

  import Bitwise

  alias Linx.Process.{Error, Info}

  doctest Linx
  doctest Linx.Process

  # Ignores SIGTERM itself, has a child that does, and one that has detached itself.
  @stubborn "trap '' TERM; sleep 60 & setsid sh -c 'trap \"\" TERM; sleep 60 & sleep 60' & wait; wait"

  describe "the life of a session" do
    test "is told step by step" do
      {:ok, session} = Linx.Process.spawn(argv: sh("exit 3"))
      assert {:linx_process, :ready, host_pid} = next_message()
      assert Linx.Process.host_pid(session) == {:ok, host_pid}
      assert_silence()

      assert Linx.Process.proceed(session) == :ok
      assert messages() == [{:linx_process, :running}, {:linx_process, :exited, 3}]
      assert_silence()
      assert Linx.Process.wait(session) == {:ok, {:exited, 3}}
    end

    test "goes on by itself with auto_proceed" do
      {:ok, session} = Linx.Process.spawn(argv: ["/bin/true"], auto_proceed: true)

      assert [
               {:linx_process, :ready, _},
               {:linx_process, :running},
               {:linx_process, :exited, 0}
             ] = messages()

      assert Linx.Process.proceed(session) == {:error, :no_process}
    end

    test "is marked with a tag, in every message" do
      options = [argv: ["/bin/true"], auto_proceed: true]
      {:ok, _} = Linx.Process.spawn([tag: {:job, 1}] ++ options)
      assert_receive {:linx_process, {:job, 1}, :exited, 0}
      assert_received {:linx_process, {:job, 1}, :ready, pid} when is_integer(pid)
      assert_received {:linx_process, {:job, 1}, :running}
      assert_silence()

      {:ok, _} = Linx.Process.spawn([tag: nil] ++ options)
      assert_receive {:linx_process, nil, :exited, 0}
    end

    test "shows in info" do
      {session, pid} = parked(argv: ["/bin/sleep", "60"])

      assert {:ok, %Info{mode: :spawn, stage: :ready, host_pid: ^pid} = info} =
               Linx.Process.info(session)

      assert {info.child_pid, info.pty?, info.result} == {pid, false, nil}

      :ok = Linx.Process.proceed(session)
      assert_receive {:linx_process, :running}
      assert {:ok, %Info{stage: :running}} = Linx.Process.info(session)

      :ok = Linx.Process.signal(session, :sigkill)
      assert_receive {:linx_process, :signaled, 9}
      assert {:ok, %Info{stage: :signaled, result: {:signaled, 9}}} = Linx.Process.info(session)
      assert Linx.Process.host_pid(session) == {:ok, pid}
    end

    test "is that of the workload, not of its init" do
      {session, pid} = parked(argv: ["/bin/sleep", "60"])
      refute status(pid, "Name") in ["sleep", "linx_init"]
      :ok = Linx.Process.proceed(session)
      assert_receive {:linx_process, :running}
      assert status(pid, "Name") == "sleep"
      assert status(status(pid, "PPid"), "Name") == "linx_init"
    end

    test "has no init where none is wanted" do
      {_session, pid} = running(argv: ["/bin/sleep", "60"], init: false)
      assert status(status(pid, "PPid"), "Name") == "linx_process"
    end
  end

  describe "what a workload gets" do
    test "its arguments, byte for byte" do
      argv = ["/usr/bin/printf", "%s|", "", "a b", "ä", <<255>>]
      assert output(argv: argv) == {"|a b|ä|" <> <<255>> <> "|", {:ok, {:exited, 0}}}
    end

    test "another name than its program's" do
      options = [path: "/bin/cat", argv: ["another", "/proc/self/cmdline"]]
      assert {"another\0/proc/self/cmdline\0", {:ok, {:exited, 0}}} = output(options)
    end

    test "its environment, or the BEAM's" do
      assert {env, _} = output(argv: ["/usr/bin/env"], env: %{"A" => "1", "B" => "x=y"})
      assert env |> String.split("\n", trim: true) |> Enum.sort() == ["A=1", "B=x=y"]
      assert output(argv: ["/usr/bin/env"], env: []) == {"", {:ok, {:exited, 0}}}
      assert {inherited, _} = output(argv: ["/usr/bin/env"])
      assert inherited =~ "PATH=#{System.get_env("PATH")}\n"
    end

    test "its working directory" do
      assert {"/usr\n", _} = output(argv: sh("pwd"), cwd: "/usr")
      assert {here, _} = output(argv: sh("pwd"))
      assert String.trim(here) == File.cwd!()
    end

    test "fds 0, 1 and 2, and no other" do
      assert {listed, _} = output(argv: ["/bin/ls", "/proc/self/fd"])
      # The fourth is the directory that ls reads.
      assert String.split(listed) == ["0", "1", "2", "3"]

      {_, pid} = running(argv: ["/bin/sleep", "60"], stdio: :devnull)
      for fd <- 0..2, do: assert(File.read_link!("/proc/#{pid}/fd/#{fd}") == "/dev/null")
      assert File.ls!("/proc/#{pid}/fd") |> Enum.sort() == ["0", "1", "2"]
    end

    test "default signal dispositions and an empty mask" do
      {_, pid} = running(argv: ["/bin/sleep", "60"])
      for set <- ["SigBlk", "SigIgn", "SigCgt"], do: assert(status(pid, set) =~ ~r/^0+$/)
    end

    test "no_new_privs, if asked" do
      {_, pid} = parked(argv: ["/bin/sleep", "60"], no_new_privs: true)
      assert status(pid, "NoNewPrivs") == "1"
      {_, pid} = running(argv: ["/bin/sleep", "60"])
      assert status(pid, "NoNewPrivs") == "0"
    end

    test "sockets that the agent connects to, in both directions" do
      {path, listener} = listen()
      stdio = [stdin: {:connect_unix, path}, stdout: {:connect_unix, path}, stderr: :devnull]

      {:ok, _} =
        Linx.Process.spawn(argv: ["/usr/bin/tr", "a-z", "A-Z"], stdio: stdio, auto_proceed: true)

      {:ok, stdin} = :gen_tcp.accept(listener, 5000)
      {:ok, stdout} = :gen_tcp.accept(listener, 5000)
      :ok = :gen_tcp.send(stdin, "hello")
      :ok = :gen_tcp.close(stdin)
      assert read_all(stdout, "") == "HELLO"
      assert_receive {:linx_process, :exited, 0}
      :gen_tcp.close(listener)
    end

    @tag :root
    test "the ids asked for, and no group besides" do
      {_, pid} = parked(argv: ["/bin/sleep", "60"], uid: 4001, gid: 4002)
      assert status(pid, "Uid") == "0\t0\t0\t0"
      {_, pid} = running(argv: ["/bin/sleep", "60"], uid: 4001, gid: 4002)
      assert status(pid, "Uid") == "4001\t4001\t4001\t4001"
      assert status(pid, "Gid") == "4002\t4002\t4002\t4002"
      assert String.trim(status(pid, "Groups")) == ""
      assert status(pid, "CapEff") =~ ~r/^0+$/

      {_, pid} = running(argv: ["/bin/sleep", "60"], uid: 0, groups: [7, 8])
      assert String.split(status(pid, "Groups")) == ["7", "8"]
    end

    @tag :user_namespaces
    test "namespaces of its own" do
      all = Linx.Protocol.namespaces()
      {_, pid} = running(argv: ["/bin/sleep", "60"], namespaces: all)
      for name <- all, do: refute(namespace(pid, name) == namespace("self", name))

      assert [^pid | _] =
               Regex.run(~r/^(\d+)\t1$/, status(pid, "NSpid"), capture: :all_but_first)
               |> Enum.map(&String.to_integer/1)

      {_, pid} = running(argv: ["/bin/sleep", "60"], namespaces: [:user, :uts])
      for name <- [:user, :uts], do: refute(namespace(pid, name) == namespace("self", name))

      for name <- all -- [:user, :uts],
          do: assert(namespace(pid, name) == namespace("self", name))
    end
  end

  describe "the owner" do
    test "is who it was made to be" do
      test = self()
      owner = Process.whereis(:code_server)
      {:ok, session} = Linx.Process.spawn(argv: ["/bin/sleep", "60"], owner: owner)

      wait_until(
        fn -> match?({:ok, %{stage: :ready}}, Linx.Process.info(session)) end,
        "not ready"
      )

      assert Linx.Process.set_owner(session, test) == :ok
      :ok = Linx.Process.proceed(session)
      assert next_message() == {:linx_process, :running}
    end

    test "may change; the new one's death counts, the old one's does not" do
      [old, new] = for _ <- 1..2, do: spawn(fn -> Process.sleep(:infinity) end)

      {:ok, session} =
        Linx.Process.spawn(argv: ["/bin/sleep", "60"], auto_proceed: true, owner: old)

      :ok = Linx.Process.set_owner(session, new)
      Process.exit(old, :kill)

      wait_until(
        fn -> match?({:ok, %{stage: :running}}, Linx.Process.info(session)) end,
        "not running"
      )

      Process.exit(new, :kill)
      assert reason_of_end(session) == :normal
    end
  end

  describe "failures" do
    test "of exec name the program" do
      {:ok, session} = Linx.Process.spawn(argv: ["/no/such"], auto_proceed: true)
      assert [{:linx_process, :ready, _}, {:linx_process, :error, 2, :execve}] = messages()
      assert {:error, %Error{stage: :execve, errno: :enoent} = error} = Linx.Process.wait(session)
      assert Exception.message(error) =~ "execve failed: enoent"
      assert {:ok, %Info{stage: :errored}} = Linx.Process.info(session)

      {:ok, session} = Linx.Process.spawn(argv: ["/etc/passwd"], auto_proceed: true)
      assert {:error, %Error{stage: :execve, errno: :eacces}} = Linx.Process.wait(session)
    end

    test "of other steps name the step" do
      for {options, stage, errno} <- [
            {[cwd: "/no/such"], :chdir, :enoent},
            {[cwd: "/etc/passwd"], :chdir, :enotdir},
            {[stdio: [stdin: {:connect_unix, "/no/such"}]], :connect_unix, :enoent}
          ] do
        {:ok, session} = Linx.Process.spawn([argv: ["/bin/true"], auto_proceed: true] ++ options)
        assert {:error, %Error{stage: ^stage, errno: ^errno}} = Linx.Process.wait(session)
        assert {:linx_process, :error, _, ^stage} = List.last(messages())
      end
    end

    test "a request that no frame can hold is not sent" do
      argv = ["/bin/true", :binary.copy("x", 9_000_000)]

      assert {:error, %Error{stage: :request_too_big, errno: :emsgsize}} =
               Linx.Process.spawn(argv: argv)
    end

    test "a bad option starts nothing" do
      assert Linx.Process.spawn(argv: ["/bin/true"], uid: -1) == {:error, {:bad_uid, -1}}
      assert Linx.Process.spawn([]) == {:error, :argv_required}
      assert Linx.Process.enter(1, argv: []) == {:error, :argv_required}
    end
  end

  describe "abort" do
    test "ends a session at once in every stage before running" do
      {:ok, starting} = Linx.Process.spawn(argv: ["/bin/sleep", "60"])
      assert Linx.Process.abort(starting) == :ok
      assert Linx.Process.wait(starting) == {:ok, :aborted}
      assert List.last(messages()) == {:linx_process, :aborted}

      {ready, pid} = parked(argv: ["/bin/sleep", "60"])
      assert Linx.Process.abort(ready) == :ok
      assert Linx.Process.wait(ready) == {:ok, :aborted}
      refute File.exists?("/proc/#{pid}")
      assert messages() == [{:linx_process, :aborted}]
      assert Linx.Process.abort(ready) == {:error, :no_process}
    end

    test "that races proceed gets what the order says" do
      for _ <- 1..20 do
        {session, pid} = parked(argv: ["/bin/sleep", "60"])
        :ok = Linx.Process.proceed(session)
        assert Linx.Process.abort(session) in [:ok, {:error, :running}]

        case Linx.Process.wait(session, 100) do
          {:ok, :aborted} -> assert messages() == [{:linx_process, :aborted}]
          {:ok, {:signaled, 9}} -> assert List.last(messages()) == {:linx_process, :signaled, 9}
          {:error, :timeout} -> assert Linx.Process.stop(session) == {:ok, {:signaled, 15}}
        end

        refute File.exists?("/proc/#{pid}")
      end
    end

    test "is not for what runs" do
      {session, _} = running(argv: ["/bin/sleep", "60"])
      assert Linx.Process.abort(session) == {:error, :running}
    end
  end

  describe "signals" do
    test "are kept until the workload runs" do
      {:ok, session} = Linx.Process.spawn(argv: ["/bin/sleep", "60"])
      assert Linx.Process.signal(session, :sigusr1) == :ok
      assert_receive {:linx_process, :ready, _}
      assert_silence()
      :ok = Linx.Process.proceed(session)
      assert messages() == [{:linx_process, :running}, {:linx_process, :signaled, 10}]
      assert Linx.Process.signal(session, 9) == {:error, :no_process}
    end

    test "arrive, by name and by number" do
      for {signal, number} <- [{:sigterm, 15}, {9, 9}, {:sighup, 1}, {40, 40}] do
        {session, _} = running(argv: ["/bin/sleep", "60"])
        assert Linx.Process.signal(session, signal) == :ok
        assert Linx.Process.wait(session) == {:ok, {:signaled, number}}
      end
    end

    test "reach a workload that handles them" do
      {session, pid} = running(argv: sh("trap 'exit 7' USR2; while :; do sleep 0.01; done"))

      # Before its trap is set the signal would end the shell.
      wait_until(
        fn -> (String.to_integer(status(pid, "SigCgt"), 16) &&& 0x800) != 0 end,
        "no trap"
      )

      assert Linx.Process.signal(session, :sigusr2) == :ok
      assert Linx.Process.wait(session) == {:ok, {:exited, 7}}
    end

    test "that do not exist are an error" do
      {session, _} = parked(argv: ["/bin/sleep", "60"])

      for signal <- [0, 65, :sigfoo, "9"],
          do: assert(Linx.Process.signal(session, signal) == {:error, {:bad_signal, signal}})
    end
  end

  describe "stop" do
    test "asks first" do
      {session, _} = running(argv: ["/bin/sleep", "60"])
      assert Linx.Process.stop(session) == {:ok, {:signaled, 15}}
      assert Linx.Process.stop(session) == {:ok, {:signaled, 15}}
    end

    test "kills what does not listen, and everything that it started" do
      {session, pid} = running(argv: sh(@stubborn))
      wait_until(fn -> length(Linx.Test.Leftovers.descendants(pid)) >= 4 end, "no tree")
      tree = [pid | Linx.Test.Leftovers.descendants(pid)]
      started = System.monotonic_time(:millisecond)
      assert Linx.Process.stop(session, 200) == {:ok, {:signaled, 9}}
      assert System.monotonic_time(:millisecond) - started >= 200
      assert Enum.filter(tree, &File.exists?("/proc/#{&1}")) == []
    end

    @tag :user_namespaces
    test "ends PID 1 of a namespace, which ignores SIGTERM by default" do
      {session, _} = running(argv: ["/bin/sleep", "60"], namespaces: [:user, :pid])
      assert Linx.Process.stop(session, 100) == {:ok, {:signaled, 9}}
    end

    test "aborts what is parked, and what is starting" do
      {session, _} = parked(argv: ["/bin/sleep", "60"])
      assert Linx.Process.stop(session) == {:ok, :aborted}
      {:ok, session} = Linx.Process.spawn(argv: ["/bin/sleep", "60"])
      assert Linx.Process.stop(session) == {:ok, :aborted}
    end

    test "of what has stopped itself" do
      {session, pid} = running(argv: sh("kill -STOP $$; sleep 60"))
      wait_until(fn -> status(pid, "State") =~ "T" end, "not stopped")
      assert Linx.Process.stop(session, 100) == {:ok, {:signaled, 9}}
    end
  end

  test "nothing that the workload left behind survives its end" do
    marker = Path.join(tmp_dir(), "pid")

    script =
      "setsid sh -c 'echo $$ > #{marker}; exec sleep 60' & while ! [ -s #{marker} ]; do :; done"

    {:ok, session} = Linx.Process.spawn(argv: sh(script), auto_proceed: true)
    assert Linx.Process.wait(session) == {:ok, {:exited, 0}}
    refute File.exists?("/proc/#{String.trim(File.read!(marker))}")
  end

  describe "wait" do
    test "has a time limit" do
      {session, _} = running(argv: ["/bin/sleep", "60"])
      assert Linx.Process.wait(session, 0) == {:error, :timeout}
      assert Linx.Process.wait(session, 10) == {:error, :timeout}
      assert :sys.get_state(session).machine.waiters == []
    end

    test "answers all who wait" do
      {session, _} = running(argv: ["/bin/sleep", "60"])
      tasks = for _ <- 1..5, do: Task.async(fn -> Linx.Process.wait(session) end)
      wait_until(fn -> length(:sys.get_state(session).machine.waiters) == 5 end, "nobody waits")
      Linx.Process.signal(session, 9)
      assert Task.await_many(tasks) == List.duplicate({:ok, {:signaled, 9}}, 5)
    end
  end

  describe "a session that is gone" do
    test "answers every verb" do
      {:ok, session} = Linx.Process.spawn(argv: ["/bin/true"], auto_proceed: true, linger: false)
      assert reason_of_end(session) == :normal
      for verb <- verbs(), do: assert(verb.(session) == {:error, :no_process})
    end

    test "while a verb is under way answers it too" do
      for kill <- [:kill, :shutdown], verb <- verbs() do
        {session, _} = parked(argv: ["/bin/sleep", "60"], stdio: :pty)
        Process.unlink(session)
        :ok = :sys.suspend(session)
        task = Task.async(fn -> verb.(session) end)

        wait_until(
          fn -> Process.info(session, :message_queue_len) != {:message_queue_len, 0} end,
          "no call"
        )

        if kill == :shutdown, do: :sys.resume(session)
        Process.exit(session, kill)
        answer = Task.await(task)
        assert kill == :shutdown or answer == {:error, :no_process}
      end
    end

    defp verbs do
      [
        &Linx.Process.proceed/1,
        &Linx.Process.abort/1,
        &Linx.Process.signal(&1, 9),
        &Linx.Process.stop(&1, 10),
        &Linx.Process.wait/1,
        &Linx.Process.host_pid/1,
        &Linx.Process.info/1,
        &Linx.Process.pty_write(&1, "x"),
        &Linx.Process.pty_set_winsize(&1, {1, 1, 0, 0}),
        &Linx.Process.pty_master/1,
        &Linx.Process.set_owner(&1, self()),
        &Linx.Process.command(&1, {:cap_drop_bounding, 0})
      ]
    end
  end

  describe "a command that the agent does not take" do
    test "is refused, and the session goes on" do
      {session, _} = parked(argv: ["/bin/true"])
      :ok = Linx.Process.command(session, {:no_such_command, 1})
      assert next_message() == {:linx_process, :refused, 22, :malformed_command}
      :ok = Linx.Process.proceed(session)
      assert messages() == [{:linx_process, :running}, {:linx_process, :exited, 0}]
    end

    test "and that was to restrict the workload, keeps it from running" do
      {session, _} = parked(argv: ["/bin/true"])
      :ok = Linx.Process.command(session, {:seccomp_install, "not 8 bytes an instruction"})
      assert next_message() == {:linx_process, :refused, 22, :seccomp_install}
      :ok = Linx.Process.proceed(session)
      assert messages() == [{:linx_process, :error, 22, :seccomp_install}]
    end
  end

  test "many sessions at once, each with its own outcome" do
    sessions =
      for code <- 0..99 do
        {:ok, session} =
          Linx.Process.spawn(argv: sh("exit #{code}"), auto_proceed: true, tag: code)

        session
      end

    for {session, code} <- Enum.with_index(sessions) do
      assert Linx.Process.wait(session) == {:ok, {:exited, code}}
      assert_receive {:linx_process, ^code, :exited, ^code}
    end
  end

  describe "a dedicated agent" do
    test "does what a shared one does, and goes with its session" do
      {session, pid} = parked(argv: sh("exit 4"), agent: :dedicated)
      guards = Linx.Test.Leftovers.guards()
      agent = status(status(pid, "PPid"), "PPid")
      assert status(agent, "Name") == "linx_process"
      refute String.to_integer(status(agent, "PPid")) in guards

      assert Linx.Process.proceed(session) == :ok
      assert messages() == [{:linx_process, :running}, {:linx_process, :exited, 4}]
      assert_gone(String.to_integer(agent))
      assert Linx.Process.wait(session) == {:ok, {:exited, 4}}
      assert {:ok, %Info{stage: :exited}} = Linx.Process.info(session)
    end

    test "reports failures without detail" do
      {:ok, session} =
        Linx.Process.spawn(argv: ["/no/such"], auto_proceed: true, agent: :dedicated)

      assert {:error, %Error{stage: :execve, errno: :enoent}} = Linx.Process.wait(session)
    end

    test "ends its workload when the session is killed" do
      {session, pid} = running(argv: sh(@stubborn), agent: :dedicated, orphan_policy: {:kill, 50})
      Process.unlink(session)
      Process.exit(session, :kill)
      assert_gone(pid)
    end

    test "is missed when it dies" do
      {session, pid} = running(argv: ["/bin/sleep", "60"], agent: :dedicated)
      agent = status(status(pid, "PPid"), "PPid")
      {_, 0} = System.cmd("kill", ["-KILL", agent])
      assert messages() == [{:linx_process, :error, 137, :agent_died}]
      assert {:error, %Error{stage: :agent_died, code: 137}} = Linx.Process.wait(session)
      refute File.exists?("/proc/#{pid}")
    end
  end

  describe "the agent's binary" do
    setup do
      before = Application.fetch_env(:linx, :agent_path)

      on_exit(fn ->
        case before do
          {:ok, path} -> Application.put_env(:linx, :agent_path, path)
          :error -> Application.delete_env(:linx, :agent_path)
        end
      end)
    end

    test "may be missing" do
      Application.put_env(:linx, :agent_path, "/no/such")
      options = [argv: ["/bin/true"], agent: :dedicated]
      assert Linx.Process.spawn(options) == {:error, {:missing_binary, "/no/such"}}
      assert Linx.Process.enter(1, options) == {:error, {:missing_binary, "/no/such"}}
    end

    test "may not be a program" do
      Application.put_env(:linx, :agent_path, "/etc/passwd")

      assert {:error, %Error{stage: :open_port, errno: :eacces, detail: "/etc/passwd"}} =
               Linx.Process.spawn(argv: ["/bin/true"], agent: :dedicated)
    end

    test "may speak nonsense, and is let go then" do
      path = Path.join(tmp_dir(), "agent")

      File.write!(
        path,
        "#!/bin/sh\nprintf '\\000\\000\\000\\002no' >&4\nexec cat <&3 >/dev/null\n"
      )

      File.chmod!(path, 0o755)
      Application.put_env(:linx, :agent_path, path)
      {:ok, session} = Linx.Process.spawn(argv: ["/bin/true"], agent: :dedicated)
      assert messages() == [{:linx_process, :error, 1, :agent_died}]
      assert Linx.Process.abort(session) == {:error, :no_process}
    end

    test "may be another program" do
      Application.put_env(:linx, :agent_path, "/bin/false")
      {:ok, session} = Linx.Process.spawn(argv: ["/bin/true"], agent: :dedicated)
      assert messages() == [{:linx_process, :error, 1, :agent_died}]
      assert {:error, %Error{stage: :agent_died}} = Linx.Process.wait(session)
    end
  end
end
