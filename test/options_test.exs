defmodule Linx.Process.OptionsTest do
  use ExUnit.Case, async: true

  doctest Linx.Process.Confinement
  doctest Linx.Process.Isolation.Proc
  doctest Linx.Sandbox.Host
  doctest Linx.Sandbox.Verify
  doctest Linx.Process.Options
  doctest Linx.Process.Options.Limits
  doctest Linx.Process.Options.Reason
  doctest Linx.Process.Options.Values

  alias Linx.Process.Options
  alias Linx.Process.Options.Reason

  @argv [argv: ["/bin/true"]]

  defp validate(options, mode \\ :spawn), do: Options.validate(mode, options)
  defp request(options, mode \\ :spawn), do: elem(validate(@argv ++ options, mode), 1).request
  defp reason(options), do: validate(@argv ++ options) |> elem(1)

  test "the least that is needed" do
    assert {:ok, options} = validate(@argv)
    assert options.request == %{argv: ["/bin/true"], init: true, fail_closed: true}
    assert {options.linger, options.agent, options.tag} == {true, :shared, :error}
    assert options.orphan_policy == {:kill, 5000}
    refute options.pty? or options.auto_proceed
  end

  test "a dedicated agent has to be asked for what the others tell" do
    assert {:ok, %{agent: :dedicated, request: %{usage: true}}} =
             validate(@argv ++ [agent: :dedicated])

    refute Map.has_key?(request(agent: :shared), :usage)
  end

  test ":fds are a map or list of fds above 2 and what each is" do
    directives = [
      :devnull,
      {:file, "/etc/hostname", :read},
      {:connect_unix, "/run/log.sock"},
      {:pipe, "a", :write},
      {:socketpair, String.duplicate("x", 255)},
      {:listener, "web"},
      {:connect, "web"},
      {:pipe, "b", :read_nonblock}
    ]

    each = Enum.zip(3..10, directives)
    assert request(fds: each).fds == each
    assert request(fds: Map.new(each)).fds == each
    assert request(fds: %{1023 => :devnull}).fds == [{1023, :devnull}]
    refute Map.has_key?(request(fds: nil), :fds)

    for bad <- [
          {2, :devnull},
          {1024, :devnull},
          {:stdin, :devnull},
          {3, :inherit},
          {3, :pipe},
          {3, :stdout},
          {3, {:link, "a", :read}},
          {3, {:pipe, "a", :append}},
          {3, {:socketpair, ""}},
          {3, {:socketpair, String.duplicate("x", 256)}},
          {3, {:listener, "a\0b"}},
          {3, {:connect, :web}},
          {3, {:file, "/etc/hostname"}},
          {3, {:file, "/etc/hostname", :read_nonblock}},
          {}
        ],
        do: assert(reason(fds: [{4, :devnull}, bad]) == {:bad_fds, bad})

    assert reason(fds: [{3, :devnull}, {4, :devnull}, {3, {:listener, "a"}}]) ==
             {:bad_fds, {3, {:listener, "a"}}}

    many = for fd <- 3..67, do: {fd, :devnull}
    assert reason(fds: many) == {:bad_fds, many}
    assert reason(fds: :devnull) == {:bad_fds, :devnull}

    assert Reason.message({:bad_fds, {2, :devnull}}) =~
             "invalid option :fds: {2, :devnull}, expected"
  end

  test ":argv is required" do
    for argv <- [nil, "/bin/true", :argv, [], [1], [nil, "x"], [~c"/bin/true"]],
        do: assert(validate(argv: argv) == {:error, :argv_required})

    for options <- [
          [],
          [env: []],
          nil,
          %{argv: ["/bin/true"]},
          [{:argv, ["/x"]} | :tail],
          [:argv]
        ],
        do: assert(validate(options) == {:error, :argv_required})
  end

  test ":log wants output to log, and takes it from the owner" do
    assert {:ok, options} = validate(@argv ++ [log: :info])
    assert options.request.stdio == [stdout: :pipe, stderr: :pipe]
    assert options.streams.mode == false
    assert {:ok, _} = validate(@argv ++ [log: [level: :debug], stdio: :pty])
    assert request(log: nil) == request([])

    for stdio <- [:inherit, :devnull, [stdin: :pipe], [stdout: {:file, "/x", :write}]],
        do: assert(reason(log: :info, stdio: stdio) == {:bad_log, :info})

    for log <- [:loud, true, [prefix: 1]], do: assert(reason(log: log) == {:bad_log, log})
  end

  test ":path is absolute, and then :argv begins with anything" do
    for path <- ["true", "", "/a\0b", ~c"/bin/true", :path],
        do: assert(reason(path: path) == {:bad_path, path})

    assert request(path: nil) == request([])
    assert {:ok, options} = validate(argv: ["", "x"], path: "/bin/sh")
    assert %{path: "/bin/sh", argv: ["", "x"]} = options.request
    assert validate(argv: ["sh"], path: nil) == {:error, {:bad_argv, ["sh"]}}
    assert validate(argv: ["sh"], path: "sh") == {:error, {:bad_path, "sh"}}
  end

  test ":argv is a list of strings that exec can take" do
    for argv <- [
          ["true"],
          [""],
          ["./true"],
          ["/bin/true\0"],
          ["/bin/true", "a\0b"],
          ["/bin/true", :a],
          ["/bin/true" | "x"],
          ["/bin/true", <<1::3>>]
        ],
        do: assert(validate(argv: argv) == {:error, {:bad_argv, argv}})

    assert {:ok, _} = validate(argv: ["/bin/true", "", <<255>>])
  end

  test ":namespaces are a list of the eight" do
    assert request(namespaces: [:net, :user, :net]).namespaces == [:net, :user]
    assert reason(namespaces: [:user, :usr, 3]) == {:bad_namespaces, [:usr, 3]}
    assert reason(namespaces: :user) == {:bad_namespaces, {:not_a_list, :user}}
    assert reason(namespaces: [:user | :net]) == {:bad_namespaces, {:not_a_list, [:user | :net]}}
  end

  test ":env is pairs, a map or entries" do
    for env <- [["A=1", "B=="], [{"A", "1"}, {"B", "="}], %{"A" => "1", "B" => "="}],
        do: assert(request(env: env).env == ["A=1", "B=="])

    assert request(env: []).env == []
    assert reason(env: "A=1") == {:bad_env, {:not_a_list, "A=1"}}

    for entry <- ["A", "", "=A", "A=\0", {"A=B", "C"}, {"", "A"}, {"A", "\0"}, {:a, "b"}, 1],
        do: assert(reason(env: ["OK=1", entry]) == {:bad_env, {:bad_entry, entry}})
  end

  test ":stdio is one word, or a directive per fd" do
    assert request(stdio: :pty).stdio == :pty
    assert {:ok, %{pty?: true}} = validate(@argv ++ [stdio: :pty])
    refute Map.has_key?(request(stdio: :inherit), :stdio)
    refute Map.has_key?(request(stdio: []), :stdio)

    each = [stdin: :devnull, stderr: {:connect_unix, "/run/log"}]
    assert request(stdio: each).stdio == each

    for stdio <- [
          :pipes,
          "devnull",
          [:stdin],
          [stdin: :pty],
          [stdlog: :devnull],
          [stdin: :devnull, stdin: :inherit],
          [stdout: {:connect_unix, ""}],
          [stdout: {:connect_unix, "/a\0"}],
          [stdout: {:file, "/a"}],
          [stdout: {:file, "/a\0", :write}],
          [stdout: {:file, "/a", :delete}],
          [stdin: :stdout],
          [stdin: {:link, "", :read}],
          [stdin: {:link, String.duplicate("x", 256), :read}],
          [stdin: {:link, "x", :append}],
          [{:stdin, :devnull} | :tail]
        ],
        do: assert(reason(stdio: stdio) == {:bad_stdio, stdio})
  end

  describe "streams" do
    test "are made of pipes and of a PTY, of nothing else" do
      files = [stdin: {:file, "/in", :read}, stdout: {:file, "/out", :append}, stderr: :stdout]
      assert request(stdio: files).stdio == files
      link = [stdin: {:link, String.duplicate("x", 255), :read}, stderr: :inherit]
      assert request(stdio: link).stdio == link

      for {stdio, input, outputs} <- [
            {:pipe, :stdin, [:stderr, :stdout]},
            {:pty, :pty_in, [:pty_out]},
            {[stdin: :pipe], :stdin, []},
            {[stdout: :pipe, stderr: :stdout], nil, [:stdout]},
            {[stderr: :pipe, stdin: :devnull], nil, [:stderr]}
          ] do
        {:ok, options} = validate(@argv ++ [stdio: stdio])
        assert options.request.stdio == stdio
        assert (options.streams.input && options.streams.input.command) == input
        assert Map.keys(options.streams.outputs.streams) == outputs
      end

      for stdio <- [:inherit, :devnull, [stdout: :devnull], files],
          do: assert({:ok, %{streams: nil}} = validate(@argv ++ [stdio: stdio]))
    end

    test "may have calls decided, in time" do
      assert request(syscall_timeout: 10).syscall_timeout == {10, 1}
      assert request(syscall_timeout: {0, :enosys}).syscall_timeout == {0, 38}
      assert request(syscall_timeout: {1, 4095}).syscall_timeout == {1, 4095}
      refute Map.has_key?(request([]), :syscall_timeout)

      for bad <- [-1, 0x80000000, :infinity, {1, 0}, {1, :enonsense}, {1, 2, 3}, "1"],
          do: assert(reason(syscall_timeout: bad) == {:bad_syscall_timeout, bad})
    end

    test "have a window, which a dedicated agent has to be told" do
      assert {:ok, %{request: request, streams: streams}} =
               validate(@argv ++ [stdio: :pipe, window: 1])

      assert {request.window, streams.input.window, streams.outputs.streams.stdout.window} ==
               {1, 1, 1}

      refute Map.has_key?(request(stdio: :pipe), :window)
      refute Map.has_key?(request(window: 1), :window)
      assert request(stdio: :pty, agent: :dedicated).window == 262_144
      refute Map.has_key?(request(agent: :dedicated), :window)

      for window <- [0, 0x40000001, 1.0, nil, :infinity],
          do: assert(reason(window: window) == {:bad_window, window})
    end

    test "are read for a time after the end" do
      assert request(stdio: :pipe, drain: 0).drain_ms == 0
      refute Map.has_key?(request(stdio: :pipe, drain: 1000), :drain_ms)
      refute Map.has_key?(request(drain: 0), :drain_ms)

      for drain <- [-1, 0x80000000, :infinity],
          do: assert(reason(drain: drain) == {:bad_drain, drain})
    end

    test "are active or not" do
      for mode <- [true, false, :once, 1, 32_767],
          do:
            assert(
              {:ok, %{streams: %{mode: ^mode}}} = validate(@argv ++ [stdio: :pipe, active: mode])
            )

      for mode <- [0, -1, 32_768, nil, :twice],
          do: assert(reason(active: mode) == {:bad_active, mode})
    end
  end

  test "single values" do
    assert request(cwd: "/tmp").cwd == "/tmp"
    for cwd <- ["", :tmp, "/\0", ~c"/tmp"], do: assert(reason(cwd: cwd) == {:bad_cwd, cwd})

    assert request(no_new_privs: true).no_new_privs
    refute Map.has_key?(request(no_new_privs: false), :no_new_privs)
    assert reason(no_new_privs: 1) == {:bad_no_new_privs, 1}

    assert request(orphan_policy: :linger).orphan_policy == :linger
    assert request(orphan_policy: {:kill, 0}).orphan_policy == {:kill, 0}

    for policy <- [:kill, {:kill, -1}, {:kill, 1.0}, {:kill, 4_294_967_296}, 5000],
        do: assert(reason(orphan_policy: policy) == {:bad_orphan_policy, policy})
  end

  test "limits have the names and ranges of the kernel" do
    assert request(rlimits: %{nofile: {1, 2}}).rlimits == [{:nofile, 1, 2}]

    assert request(rlimits: [core: :infinity, as: 0]).rlimits ==
             [{:core, :infinity, :infinity}, {:as, 0, 0}]

    for limits <- [
          :nofile,
          [:nofile],
          [files: 1],
          [nofile: -1],
          [nofile: 1.0],
          [nofile: {2, 1}],
          [nofile: {:infinity, 1}],
          [nofile: 1, nofile: 1],
          [nofile: 0xFFFFFFFFFFFFFFFF],
          [{:nofile, 1} | :core],
          %{"nofile" => 1},
          1..2
        ],
        do: assert(reason(rlimits: limits) == {:bad_rlimits, limits})

    assert %{nice: -20, umask: 0o777, cpus: [0, 8191]} =
             request(nice: -20, umask: 0o777, cpus: [0, 8191])

    for nice <- [-21, 20, 1.0, :low], do: assert(reason(nice: nice) == {:bad_nice, nice})
    for mask <- [-1, 0o1000, "022"], do: assert(reason(umask: mask) == {:bad_umask, mask})

    for cpus <- [[], 0, [-1], [8192], [0 | 1], 0..1],
        do: assert(reason(cpus: cpus) == {:bad_cpus, cpus})
  end

  test "ids are what the kernel takes for ids" do
    assert %{uid: 0, gid: 4_294_967_294, groups: [1, 2]} =
             request(uid: 0, gid: 4_294_967_294, groups: [1, 2])

    assert request(groups: []).groups == []

    for id <- [4_294_967_295, 4_294_967_296, -1, "1x", 1.0, :root] do
      assert reason(uid: id) == {:bad_uid, id}
      assert reason(gid: id) == {:bad_gid, id}
      assert reason(groups: [0, id]) == {:bad_groups, [0, id]}
    end

    too_many = List.duplicate(1, 65_537)
    assert reason(groups: too_many) == {:bad_groups, too_many}
  end

  test "an init is asked for unless the kernel does its work" do
    assert request(namespaces: [:user]).init
    refute Map.has_key?(request(namespaces: [:user, :pid]), :init)
    assert request(namespaces: [:user, :pid], init: true).init
    refute Map.has_key?(request(init: false), :init)
    assert request([namespaces: [:pid]], :enter).init
  end

  test "how a session ends" do
    assert {:ok, %{kill: 15, timeout: :infinity}} = validate(@argv)
    own = [kill: :sigint, timeout: 0]
    assert {:ok, %{kill: 2, timeout: 0} = options} = validate(@argv ++ own)
    assert Map.keys(options.request) == [:argv, :fail_closed, :init]
    for kill <- [0, 65, "TERM", :term, nil], do: assert(reason(kill: kill) == {:bad_kill, kill})

    for timeout <- [-1, 4_294_967_296, 1.5, nil],
        do: assert(reason(timeout: timeout) == {:bad_timeout, timeout})
  end

  test ":forking takes an init" do
    {:ok, forks} = validate(argv: ["/d"], forking: true, namespaces: [:pid])
    assert %{forking: true, init: true} = forks.request
    assert reason(forking: true, init: false) == {:bad_forking, true}
    assert reason(forking: 1) == {:bad_forking, 1}
  end

  test ":prefork is a script in place of all that a process is made with" do
    {:ok, run} = validate(prefork: {:connect, "s"}, argv: ["-x", ""], env: %{"A" => "1"})
    assert run.request[:prefork] == {:connect, "s"}
    assert run.request[:argv] == ["-x", ""]
    refute Map.has_key?(run.request, :init)
    assert {:ok, %{request: %{argv: []}}} = validate(prefork: {:socketpair, "s"})
    assert {:ok, _} = validate(prefork: {:connect_unix, "/run/s"})

    for script <- ["s", {:listener, "s"}, {:connect, ""}, {:connect_unix, "a\0"}],
        do: assert({:error, {:bad_prefork, ^script}} = validate(prefork: script))

    assert validate(prefork: {:connect, "s"}, argv: ["a\0"]) == {:error, {:bad_argv, ["a\0"]}}

    for {key, value} <- [path: "/x", cwd: "/", uid: 0, sandbox: Linx.Sandbox.new(), init: true] do
      assert validate([{key, value}, prefork: {:connect, "s"}]) ==
               {:error, {:not_with_prefork, key}}

      assert Reason.message({:not_with_prefork, key}) =~
               "option :#{key} does not go with :prefork"
    end
  end

  test ":wait is a title in place of all that a program gets" do
    {:ok, waits} = validate(wait: "bell", auto_proceed: true, uid: 5)
    assert waits.request == %{wait: "bell", auto_proceed: true, uid: 5}
    assert {:ok, _} = validate(wait: String.duplicate("x", 255), argv: nil)

    for title <- ["", "a\0", String.duplicate("x", 256), :bell, 1],
        do: assert({:error, {:bad_wait, ^title}} = validate(wait: title))

    for {key, value} <- [argv: ["/x"], path: "/x", env: [], cwd: "/", stdio: :pty, log: :info] do
      assert validate([{key, value}, wait: "bell"]) == {:error, {:not_with_wait, key}}
      assert Reason.message({:not_with_wait, key}) =~ "option :#{key} does not go with :wait"
    end

    sandbox =
      Linx.Sandbox.new() |> Linx.Sandbox.seccomp(<<6::little-16, 0, 0, 0x7FFF0000::little-32>>)

    {:ok, waits} = validate(wait: "bell", sandbox: sandbox)
    assert [:env, :cwd, :seccomp] -- Map.keys(waits.request) == [:env, :cwd, :seccomp]
  end

  test "who waits inherits ids and cgroups, but nothing that a program gets" do
    {:ok, options} = Options.validate(:enter, wait: "bell")
    target = %{uid: 7, cgroup: true, seccomp: ["f"], env: [], landlock: %{}, capabilities: %{}}
    request = Options.inherit(options, target).request
    assert request == %{wait: "bell", fail_closed: true, uid: 7, cgroup: :target}
  end

  test ":cgroup can be the target's for who enters" do
    assert {:ok, options} = Options.validate(:enter, argv: ["/x"], cgroup: :target)
    assert options.request.cgroup == :target
    assert reason(cgroup: :target) == {:bad_cgroup, :target}
  end

  test ":cgroup is names below the root of the hierarchy" do
    refute Map.has_key?(request(cgroup: false), :cgroup)
    for cgroup <- [true, "jobs", "a/b.c/d"], do: assert(request(cgroup: cgroup).cgroup == cgroup)

    for cgroup <- ["", "/a", "a/", "a//b", "..", "a/../b", ".", "a\0", :a, ["a"]],
        do: assert(reason(cgroup: cgroup) == {:bad_cgroup, cgroup})
  end

  test "a refused restriction is to count where there can be one" do
    assert request([]).fail_closed
    refute Map.has_key?(request(auto_proceed: true), :fail_closed)
  end

  test "what concerns this side alone stays here" do
    own = [owner: self(), linger: false, tag: nil]
    assert {:ok, options} = validate(@argv ++ own)
    assert Map.keys(options.request) == [:argv, :fail_closed, :init]
    assert options.owner == self()
    assert options.tag == {:ok, nil}

    for {key, value} <- [owner: :me, linger: 0, auto_proceed: "yes", init: 1, agent: :own],
        do: assert(reason([{key, value}]) == {:"bad_#{key}", value})
  end

  test "unknown options" do
    assert reason(envv: []) == {:unknown_option, :envv}
    assert reason([:stdio]) == {:unknown_option, :stdio}
    assert reason([{:uid, 1, 2}]) == {:unknown_option, {:uid, 1, 2}}
  end

  test "the first bad option in the documented order is the error, wherever it stands" do
    bad = [
      argv: [""],
      namespaces: [:x],
      env: 1,
      stdio: 1,
      cwd: 1,
      no_new_privs: 1,
      orphan_policy: 1,
      uid: -1,
      gid: -1,
      groups: -1,
      rlimits: 1,
      nice: 20,
      umask: -1,
      cpus: 1,
      nonsense: 1
    ]

    expected =
      ~w(bad_argv bad_namespaces bad_env bad_stdio bad_cwd bad_no_new_privs bad_orphan_policy
         bad_uid bad_gid bad_groups bad_rlimits bad_nice bad_umask bad_cpus unknown_option)a

    for {expected, index} <- Enum.with_index(expected) do
      valid = if index == 0, do: [], else: @argv
      assert {:error, {^expected, _}} = validate(Enum.reverse(Enum.drop(bad, index)) ++ valid)
    end
  end

  test "nil stands for what is not given where nothing is the default" do
    nothing = ~w(namespaces env cwd uid gid groups rlimits nice umask cpus owner)a
    assert validate(@argv ++ Enum.map(nothing, &{&1, nil})) == validate(@argv)
  end

  test "every reason has a message that names the option and the value" do
    for {key, value} <- [
          namespaces: :x,
          env: 1,
          stdio: 1,
          cwd: 1,
          no_new_privs: 1,
          orphan_policy: 1,
          uid: -1,
          gid: -1,
          groups: -1,
          rlimits: 1,
          nice: 20,
          umask: -1,
          cpus: 1,
          owner: 1,
          linger: 1,
          auto_proceed: 1,
          init: 1,
          agent: 1
        ] do
      assert Reason.message(reason([{key, value}])) =~
               "invalid option #{inspect(key)}: #{inspect(value)}, expected "
    end

    assert Reason.message(:argv_required) =~ ":argv"
    assert Reason.message({:bad_argv, ["x"]}) =~ ~s(:argv: ["x"])
    assert Reason.message({:bad_namespaces, [:usr]}) =~ "[:usr]"
  end
end
