defmodule Linx.RunTest do
  use ExUnit.Case, async: true

  alias Linx.Capabilities.State
  alias Linx.Command.Lookup
  alias Linx.Run.{Checkpoint, Options, Outcome, Runner, Terminal}

  doctest Linx.Command.Lookup
  doctest Linx.Run.Input
  doctest Linx.Run.Options
  doctest Linx.Run.Outcome
  doctest Linx.Run.Values

  describe "Options.parse/1" do
    test "a command alone changes nothing" do
      assert {:ok, %Options{} = options} = Options.parse(["--", "ls", "-l"])
      assert options == %Options{command: ["ls", "-l"]}
    end

    test "options end at the first other word, or at --" do
      assert {:ok, %{command: ["ls", "--pty"], pty: :auto}} = Options.parse(["ls", "--pty"])

      assert {:ok, %{command: ["-odd", "--"], pty: true}} =
               Options.parse(["--pty", "--", "-odd", "--"])

      assert {:ok, %{command: ["ls", "--", "x"]}} = Options.parse(["ls", "--", "x"])
    end

    test "values follow their option or an equals sign" do
      for words <- [["--uid", "7", "id"], ["--uid=7", "id"], ["--uid=8", "--uid", "7", "id"]] do
        assert {:ok, %{uid: 7, command: ["id"]}} = Options.parse(words)
      end

      assert {:ok, %{env: [{"A", "1"}, {"B", "x=y"}, {"C", ""}]}} =
               Options.parse(["--env", "A=1", "--env=B=x=y", "--env", "C=", "env"])
    end

    test "lists add up" do
      assert {:ok, %{namespaces: [:user, :mount, :pid]}} =
               Options.parse(["--ns", "user,mount", "--ns", "pid,user", "sh"])

      assert {:ok, %{namespaces: [:user, :mount, :uts, :ipc, :cgroup, :net, :time, :pid]}} =
               Options.parse(["--all-ns", "sh"])

      assert {:ok, %{seccomp: {:deny, [:ptrace, :mount]}}} =
               Options.parse(["--seccomp-deny", "ptrace", "--seccomp-deny", "mount,ptrace", "sh"])
    end

    test "mapping root takes a user namespace" do
      assert {:ok, %{namespaces: [:user], map_root: true}} = Options.parse(["--map-root", "sh"])

      assert {:ok, %{namespaces: [:user, :pid]}} =
               Options.parse(["--ns", "pid,user", "--map-root", "sh"])
    end

    test "capabilities by their names in any usual spelling" do
      expected = MapSet.new([:cap_net_admin, :cap_chown])

      for list <- ["net_admin,chown", "CAP_NET_ADMIN,CAP_CHOWN", "cap_chown,Net_Admin"] do
        assert {:ok, %{caps: {:drop, ^expected}}} = Options.parse(["--cap-drop", list, "sh"])
        assert {:ok, %{caps: {:keep, ^expected}}} = Options.parse(["--cap-keep", list, "sh"])
      end

      assert {:ok, %{caps: {:keep, none}}} = Options.parse(["--no-caps", "sh"])
      assert MapSet.size(none) == 0
      assert {:ok, %{caps: {:drop, all}}} = Options.parse(["--cap-drop", "all", "sh"])
      assert MapSet.size(all) == 64
    end

    test "limits are given one by one, CPUs also by ranges" do
      words = ~w(--rlimit nofile=256 --rlimit core=0:unlimited --nice -5 --umask 027
        --cpus 0,2-3 --cpus 5 make)

      assert {:ok, options} = Options.parse(words)
      assert options.rlimits == [nofile: {256, 256}, core: {0, :infinity}]
      assert %{nice: -5, umask: 0o027, cpus: [0, 2, 3, 5]} = options
    end

    test "an error names the option, the value and what was expected" do
      for {words, message} <- [
            {["--uid", "1x", "sh"], ~s(invalid option --uid: "1x", expected 0..4294967294)},
            {["--uid", "-1", "sh"], ~s(invalid option --uid: "-1", expected 0..4294967294)},
            {["--gid", "4294967295", "sh"],
             ~s(invalid option --gid: "4294967295", expected 0..4294967294)},
            {["--uid=4294967296", "sh"],
             ~s(invalid option --uid: "4294967296", expected 0..4294967294)},
            {["--uid=+1", "sh"], ~s(invalid option --uid: "+1", expected 0..4294967294)},
            {["--enter", "0", "sh"], ~s(invalid option --enter: "0", expected 1..2147483647)},
            {["--ns", "usr", "sh"],
             ~s(invalid option --ns: "usr", expected a list such as user,mount of ) <>
               "user mount uts ipc cgroup net time pid"},
            {["--env", "=x", "sh"], ~s(invalid option --env: "=x", expected NAME=VALUE)},
            {["--cap-drop", "", "sh"],
             ~s(invalid option --cap-drop: "", expected a list such as net_admin,sys_chroot, or all)},
            {["--seccomp-deny", "a-b", "sh"],
             ~s(invalid option --seccomp-deny: "a-b", expected a list of system calls ) <>
               "such as ptrace,mount"},
            {["--rlimit", "nofile", "sh"],
             ~s(invalid option --rlimit: "nofile", expected a limit such as nofile=256 ) <>
               "or core=0:unlimited"},
            {["--rlimit", "nofile=2:1", "sh"],
             ~s(invalid option --rlimit: "nofile=2:1", expected a limit such as nofile=256 ) <>
               "or core=0:unlimited"},
            {["--nice", "20", "sh"], ~s(invalid option --nice: "20", expected -20..19)},
            {["--cpus", "3-2", "sh"],
             ~s(invalid option --cpus: "3-2", expected a list of CPUs such as 0,2-3)},
            {["--umask", "8", "sh"],
             ~s(invalid option --umask: "8", expected an octal number such as 027)},
            {["--cwd=", "sh"], ~s(invalid option --cwd: "", expected a directory)},
            {["--pty=yes", "sh"], ~s(invalid option --pty: "yes", it takes no value)},
            {["--uid"], "invalid option --uid: no value, expected 0..4294967294"},
            {["--uid", "--"], "invalid option --uid: no value, expected 0..4294967294"},
            {["--bogus", "sh"], "unknown option --bogus (see mix linx.run --help)"},
            {["-x", "sh"], "unknown option -x (see mix linx.run --help)"},
            {[], "no command (see mix linx.run --help)"},
            {["--pty", "--"], "no command (see mix linx.run --help)"},
            {["--", ""], "the command is empty"},
            {["--no-caps", "--cap-drop", "chown", "sh"],
             "--cap-drop excludes --cap-keep and --no-caps"},
            {["--seccomp-deny", "mount", "--seccomp-allow", "read", "sh"],
             "--seccomp-deny excludes --seccomp-allow"},
            {["--enter", "1", "--map-root", "sh"],
             "--enter excludes --map-root: an entered namespace has its maps already"}
          ] do
        assert Options.parse(words) == {:error, message}
      end
    end

    test "help" do
      assert Options.parse(["--help"]) == :help
      assert Options.parse(["--pty", "-h", "sh"]) == :help
      assert {:ok, %{command: ["sh", "--help"]}} = Options.parse(["sh", "--help"])
    end
  end

  describe "session options" do
    test "hold only what was asked for" do
      {:ok, options} = Options.parse(["--", "true"])

      assert Runner.session_options(options, "/bin/true", :pty) == [
               argv: ["/bin/true"],
               stdio: :pty
             ]
    end

    test "hold all that was asked for" do
      {:ok, options} =
        Options.parse(
          ~w(--ns uts --uid 1 --gid 2 --cwd / --env LINX_TEST=1 --no-new-privs -- echo a)
        )

      opts = Runner.session_options(options, "/bin/echo", :pty)
      assert opts[:argv] == ["/bin/echo", "a"]
      assert opts[:namespaces] == [:uts]
      assert {opts[:uid], opts[:gid], opts[:cwd], opts[:no_new_privs]} == {1, 2, "/", true}
      assert opts[:env] == Map.put(System.get_env(), "LINX_TEST", "1")
    end

    test "hold the limits in the form that spawn/1 takes" do
      {:ok, options} = Options.parse(~w(--rlimit cpu=1 --rlimit cpu=2:3 --nice 1 --umask 0 true))
      opts = Runner.session_options(options, "/bin/true", :inherit)
      assert {opts[:rlimits], opts[:nice], opts[:umask]} == {%{cpu: {2, 3}}, 1, 0}
      assert {:ok, _} = Linx.Process.Options.validate(:spawn, opts)
    end
  end

  describe "Checkpoint.capability_plan/2" do
    setup do
      %{state: state([:cap_setpcap, :cap_chown, :cap_kill])}
    end

    test "keep none", %{state: state} do
      assert {:ok, plan} = Checkpoint.capability_plan({:keep, MapSet.new()}, state)
      assert plan.drop == state.bounding
      assert Enum.all?(plan.sets, fn {_, set} -> MapSet.size(set) == 0 end)
      assert MapSet.size(plan.ambient) == 0
    end

    test "keep one: it is what exec carries on, and all that is left", %{state: state} do
      kill = MapSet.new([:cap_kill])
      assert {:ok, plan} = Checkpoint.capability_plan({:keep, kill}, state)
      assert plan.drop == MapSet.new([:cap_setpcap, :cap_chown])
      assert plan.sets == [effective: kill, permitted: kill, inheritable: kill]
      assert plan.ambient == kill
    end

    test "drop one: the rest stays, nothing is inherited", %{state: state} do
      assert {:ok, plan} = Checkpoint.capability_plan({:drop, MapSet.new([:cap_kill])}, state)
      assert plan.drop == MapSet.new([:cap_kill])
      assert plan.sets[:permitted] == MapSet.new([:cap_setpcap, :cap_chown])
      assert plan.sets[:inheritable] == MapSet.new()
    end

    test "what cannot be had is an error before anything is sent", %{state: state} do
      assert Checkpoint.capability_plan({:keep, MapSet.new([:cap_bpf])}, state) ==
               {:error, {:not_permitted, :cap_bpf}}

      powerless = %{state([]) | bounding: state.bounding}

      assert Checkpoint.capability_plan({:keep, MapSet.new()}, powerless) ==
               {:error, {:no_setpcap, :cap_chown}}
    end

    defp state(caps) do
      set = MapSet.new(caps)
      none = MapSet.new()
      %State{effective: set, permitted: set, bounding: set, inheritable: none, ambient: none}
    end
  end

  describe "Lookup.resolve/4" do
    @describetag :tmp_dir

    test "takes paths as they are, relative ones from the working directory" do
      assert Lookup.resolve("/no/such", "/bin", "/srv") == {:ok, "/no/such"}
      assert Lookup.resolve("./run", "/bin", "/srv") == {:ok, "/srv/run"}
      assert Lookup.resolve("a/b", nil, "/srv") == {:ok, "/srv/a/b"}
    end

    test "takes the first executable of PATH, from the host or below a root", %{tmp_dir: dir} do
      for {name, mode} <- [{"one/tool", 0o644}, {"two/tool", 0o755}] do
        path = Path.join(dir, name)
        File.mkdir_p!(Path.dirname(path))
        File.write!(path, "")
        File.chmod!(path, mode)
      end

      File.mkdir_p!(Path.join(dir, "two/folder"))
      path = Path.join(dir, "one") <> ":" <> Path.join(dir, "two")

      assert Lookup.resolve("tool", path, "/") == {:ok, Path.join(dir, "two/tool")}
      assert Lookup.resolve("folder", path, "/") == {:error, {:no_such_command, "folder"}}
      assert Lookup.resolve("tool", "one:two", dir) == {:ok, Path.join(dir, "two/tool")}
      assert Lookup.resolve("tool", "/one:/two", "/", dir) == {:ok, "/two/tool"}
      assert Lookup.resolve("sh", nil, "/") == {:ok, "/usr/bin/sh"}
    end
  end

  describe "Outcome" do
    test "has the statuses that shells have" do
      error = fn stage, errno ->
        {:error, %Linx.Process.Error{stage: stage, errno: errno, code: 0}}
      end

      for {outcome, status} <- [
            {{:exited, 0}, 0},
            {{:exited, 77}, 77},
            {{:signaled, 15}, 143},
            {{:error, {:no_such_command, "x"}}, 127},
            {error.(:execve, :enoent), 127},
            {error.(:execve, :eacces), 126},
            {error.(:clone, :eperm), 125},
            {{:error, {:unknown_syscall, :x}}, 125},
            {{:error, "text"}, 125},
            {:aborted, 125}
          ] do
        assert Outcome.exit_status(outcome) == status
        quiet? = match?({kind, _} when kind in [:exited, :signaled], outcome)
        assert is_nil(Outcome.message(outcome)) == quiet?
      end
    end
  end

  test "a terminal's answer is a size, or says that there is none" do
    terminal = %Terminal{port: :port}
    line = fn text -> {:port, {:data, {:eol, text}}} end

    assert Terminal.size(terminal, line.("24 80")) == {:ok, {24, 80}}
    assert Terminal.size(terminal, line.("0 0")) == {:ok, {0, 0}}
    assert Terminal.size(terminal, line.("what")) == :unknown
    assert Terminal.size(terminal, line.("70000 1")) == :unknown
    assert Terminal.size(terminal, {:other, {:data, {:eol, "24 80"}}}) == :other
  end
end
