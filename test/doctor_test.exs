defmodule Linx.DoctorTest do
  use ExUnit.Case, async: true

  alias Linx.Doctor
  alias Linx.Doctor.{Check, Hierarchy, Report, View}

  doctest Linx.Doctor
  doctest Linx.Doctor.Check
  doctest Linx.Doctor.Hierarchy
  doctest Linx.Doctor.Report
  doctest Linx.Doctor.View
  doctest Linx.Json

  @all [:user, :mount, :uts, :ipc, :cgroup, :net, :time, :pid]
  @works Map.new(@all, &{&1, :ok})

  # A machine on which root and users can do everything.
  defp report(changes \\ []) do
    defaults = %Report{
      kernel: "6.18.4",
      uid: 0,
      capabilities: capabilities(Linx.Capabilities.Constants.all()),
      agent: {:ok, "0.1.0", [:clone3, :pidfd, :seccomp, :landlock]},
      landlock_abi: 7,
      library_version: "0.1.0",
      privileged: @works,
      unprivileged: @works,
      pty: :ok,
      filter: :ok,
      notify: :ok,
      id_maps: :ok,
      hostname: :ok,
      loopback: :ok,
      time_offsets: :ok,
      files: %{root: :ok, proc: :ok, dev: :ok, overlay: :ok, idmap: :ok},
      presets: %{strict: :ok, container: :ok, build: :ok},
      cgroup_limits: :ok,
      namespaces: @all,
      sysctls:
        Map.merge(Map.new(@all, &{Report.max_sysctl(&1), 63_000}), %{
          "kernel/pty/nr" => 3,
          "kernel/pty/max" => 4_096,
          "kernel/pid_max" => 4_194_304,
          "kernel/threads-max" => 126_000
        }),
      seccomp_actions: ~w(kill_process kill_thread trap errno log allow),
      lsms: ~w(capability landlock yama),
      cgroups: [
        %{version: 2, path: "/sys/fs/cgroup", controllers: ~w(cpu memory), writable: true}
      ],
      limits: %{open_files: 20_000, processes: 63_000},
      ptmx?: true,
      systemd?: true
    }

    struct!(defaults, changes)
  end

  defp ordinary_user(changes) do
    untried = Map.new(@all, &{&1, {:untried, "not root"}})
    report([uid: 1000, privileged: untried, capabilities: capabilities([])] ++ changes)
  end

  defp capabilities(held) do
    set = MapSet.new(held)

    %Linx.Capabilities.State{
      effective: set,
      permitted: set,
      inheritable: MapSet.new(),
      bounding: MapSet.new(Linx.Capabilities.Constants.all()),
      ambient: MapSet.new()
    }
  end

  defp sysctls(changes), do: Map.merge(report().sysctls, changes)

  defp check(report, name) do
    assert %Check{} = check = Enum.find(Doctor.examine(report), &(&1.name == name))
    check
  end

  test "a machine that can do everything passes every check" do
    for report <- [report(), ordinary_user([])] do
      checks = Doctor.examine(report)
      assert [] == Enum.reject(checks, &(&1.status == :pass))
      assert Doctor.able?(checks)
    end
  end

  test "each check has its own name, and a fix exactly where it does not pass" do
    broken =
      report(
        agent: {:missing, "/x"},
        privileged: Map.new(@all, &{&1, {:untried, "the agent is not built"}}),
        unprivileged: Map.new(@all, &{&1, {:untried, "the agent is not built"}}),
        pty: {:untried, "the agent is not built"},
        filter: {:untried, "the agent is not built"},
        notify: {:untried, "the agent is not built"},
        presets: Map.new(Report.presets(), &{&1, {:untried, "the agent is not built"}}),
        id_maps: {:untried, "the agent is not built"},
        hostname: {:untried, "the agent is not built"},
        loopback: {:error, 1, :loopback},
        time_offsets: {:error, 95, :time_offsets},
        cgroup_limits: {:error, 16, :cgroup_controls},
        lsms: nil,
        cgroups: [],
        limits: %{open_files: 10, processes: 10}
      )

    for report <- [report(), broken] do
      checks = Doctor.examine(report)
      assert checks == Enum.uniq_by(checks, & &1.name)
      for check <- checks, do: assert(check.status == :pass == is_nil(check.fix))
    end
  end

  describe "agent" do
    test "fails where it is not built" do
      assert %{status: :fail, found: "/x/linx_process is not built", fix: "mix compile" <> _} =
               check(report(agent: {:missing, "/x/linx_process"}), "agent")
    end

    test "fails where it does not start, and knows the sysctl that forbids it" do
      report = report(agent: {:broken, "exited with status 1 before its greeting"})
      assert %{status: :fail, fix: "mix compile --force"} = check(report, "agent")

      barred = %{report | sysctls: sysctls(%{"vm/memfd_noexec" => 2})}
      assert %{fix: "sysctl -w vm.memfd_noexec=1"} = check(barred, "agent")
    end

    test "warns of another version" do
      assert %{status: :warn, found: "0.0.9, but Linx is 0.1.0", fix: "mix compile --force"} =
               check(report(agent: {:ok, "0.0.9", []}), "agent")
    end
  end

  test "kernel: too old, old, and new enough" do
    assert %{status: :fail, fix: "boot Linux" <> _} = check(report(kernel: "4.19.0-26"), "kernel")
    assert %{status: :warn} = check(report(kernel: "5.4.0-150-generic"), "kernel")
    assert %{status: :pass} = check(report(kernel: "5.10.0"), "kernel")
    assert %{status: :fail} = check(report(kernel: "unknown"), "kernel")
  end

  test "file systems: what each of them takes" do
    works = report().files

    for {what, name, errno, stage, words} <- [
          {:root, "root", 38, :propagation, "5.8"},
          {:root, "root", 22, :pivot_root, "chroot"},
          {:proc, "proc with subset=pid", 1, :mount, "systempaths=unconfined"},
          {:overlay, "overlay", 19, :mount, "modprobe overlay"},
          {:idmap, "id-mapped binds", 1, :mount, "as root"},
          {:idmap, "id-mapped binds", 22, :mount, "overlay since Linux 5.19"},
          {:idmap, "id-mapped binds", 38, :mount, "Linux 5.12"},
          {:dev, "dev", 2, :mount, "namespaces and capabilities"}
        ] do
      report = ordinary_user(files: %{works | what => {:error, errno, stage}})
      assert %{status: :warn, fix: fix} = check(report, name)
      assert fix =~ words
    end
  end

  test "presets: which part of one is in the way" do
    for {preset, errno, stage, words} <- [
          {:strict, 95, :landlock, "best_effort"},
          {:strict, 1, :clone, "the namespaces above"},
          {:container, 1, :mount, "root, proc and dev above"},
          {:build, 22, :seccomp_install, "seccomp above"},
          {:build, 1, :uid, "capabilities above"}
        ] do
      report = report(presets: %{report().presets | preset => {:error, errno, stage}})
      assert %{status: :warn, found: found, fix: fix} = check(report, "preset #{preset}")
      assert found =~ "in #{stage}"
      assert fix =~ words
    end
  end

  test "limits of cgroups: what is in the way is what is to be changed" do
    for {errno, stage, words} <- [
          {16, :cgroup_controls, "beside"},
          {19, :cgroup_controls, "subtree_control"},
          {13, :cgroup_mkdir, "Delegate=yes"}
        ] do
      report = ordinary_user(cgroup_limits: {:error, errno, stage})
      assert %{status: :warn, found: found, fix: fix} = check(report, "cgroup limits")
      assert found =~ "in #{stage}"
      assert fix =~ words
    end
  end

  describe "what is done in fresh namespaces" do
    test "an ordinary user without ids of its own is told how to get some" do
      untried = {:untried, "/etc/subuid gives this user no ids"}

      assert %{status: :warn, found: "its own id alone: " <> _, fix: fix} =
               check(ordinary_user(id_maps: untried), "id maps")

      assert fix =~ "usermod --add-subuids"
      assert %{fix: fix} = check(ordinary_user(id_maps: {:error, 2, :gid_map}), "id maps")
      assert fix =~ "uidmap"
      assert %{found: found} = check(ordinary_user(id_maps: {:error, 1, :gid_map}), "id maps")
      assert found =~ "EPERM in gid_map"
    end

    test "root whose own user namespace has too few ids is told the setting" do
      assert %{status: :warn, fix: fix} = check(report(id_maps: {:error, 1, :uid_map}), "id maps")
      assert fix =~ ":subordinate_ids"
    end

    test "what fails is a warning" do
      for {key, name} <- [hostname: "host name", loopback: "loopback"] do
        assert %{status: :warn, found: found} = check(report([{key, {:error, 1, key}}]), name)
        assert found =~ "EPERM in #{key}"
      end

      assert %{status: :warn, fix: fix} =
               check(report(time_offsets: {:error, 95, :time_offsets}), "time offsets")

      assert fix =~ "6.1"
    end
  end

  describe "namespaces" do
    test "root without rights fails on what a shell needs, warns on the rest" do
      denied = Map.new(@all, &{&1, {:error, 1, :clone}})
      report = report(privileged: denied, unprivileged: denied)

      for name <- [:user, :mount, :uts, :ipc, :net, :pid] do
        assert %{status: :fail, found: "as root: EPERM in clone", fix: fix} =
                 check(report, "namespace #{name}")

        assert fix =~ "CAP_SYS_ADMIN"
      end

      for name <- [:cgroup, :time],
          do: assert(%{status: :warn} = check(report, "namespace #{name}"))

      refute Doctor.able?(Doctor.examine(report))
    end

    test "as root, what only users cannot do is a warning" do
      report = report(unprivileged: %{@works | net: {:error, 1, :clone}})

      assert %{status: :warn, found: "works as root; without root: EPERM in clone"} =
               check(report, "namespace net")
    end

    test "as root, what could not be tried without rights is a warning" do
      untried = Map.new(@all, &{&1, {:untried, "this user namespace has no uid 65534"}})
      check = check(report(unprivileged: untried), "namespace pid")
      assert check.status == :warn
      assert check.found == "works as root; without root: this user namespace has no uid 65534"
      assert check.fix =~ "as an ordinary user"
    end

    test "an ordinary user is told the sysctl that forbids user namespaces" do
      denied = %{@works | user: {:error, 1, :clone}}

      for {path, value, fix} <- [
            {"kernel/unprivileged_userns_clone", 0,
             "sysctl -w kernel.unprivileged_userns_clone=1"},
            {"kernel/apparmor_restrict_unprivileged_userns", 1,
             "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"}
          ] do
        report = ordinary_user(unprivileged: denied, sysctls: sysctls(%{path => value}))
        assert %{status: :fail, fix: ^fix} = check(report, "namespace user")
        assert %{status: :warn, fix: ^fix} = check(report, "user namespace limits")
      end
    end

    test "a limit that is used up is named, the user namespace's first" do
      full = %{@works | net: {:error, 28, :clone}}

      assert %{status: :fail, fix: "sysctl -w user.max_net_namespaces=15000"} =
               check(ordinary_user(unprivileged: full), "namespace net")

      assert %{fix: "sysctl -w user.max_user_namespaces=15000"} =
               [unprivileged: full, sysctls: sysctls(%{"user/max_user_namespaces" => 0})]
               |> ordinary_user()
               |> check("namespace net")
    end

    test "a kernel without one needs an option" do
      report = report(namespaces: @all -- [:time, :uts])
      assert %{status: :warn, fix: fix} = check(report, "namespace time")
      assert fix =~ "CONFIG_TIME_NS=y"
      assert %{status: :fail, fix: fix} = check(report, "namespace uts")
      assert fix =~ "CONFIG_UTS_NS=y"
    end

    test "limits: what is zero, and what is least" do
      zero = report(sysctls: sysctls(%{"user/max_mnt_namespaces" => 0}))

      assert %{
               status: :warn,
               found: "none allowed: mount",
               fix: "sysctl -w user.max_mnt_namespaces=15000"
             } = check(zero, "user namespace limits")

      least = report(sysctls: sysctls(%{"user/max_pid_namespaces" => 50}))

      assert %{status: :pass, found: "at least 50 of each (pid)"} =
               check(least, "user namespace limits")
    end
  end

  describe "clone3 and pidfd" do
    test "a call that the agent misses is filtered, or the kernel is old" do
      filtered = report(agent: {:ok, "0.1.0", []})
      assert %{status: :warn, found: "filtered" <> _} = check(filtered, "clone3")
      assert %{status: :fail, found: "filtered" <> _} = check(filtered, "pidfd")

      old = %{filtered | kernel: "5.2.0"}
      assert %{status: :warn, found: "came with Linux 5.3"} = check(old, "clone3")
      assert %{status: :fail, found: "came with Linux 5.3"} = check(old, "pidfd")
    end

    test "without an agent they are only presumed" do
      report = report(agent: {:missing, "/x"})
      assert %{status: :warn} = check(report, "clone3")
      assert %{status: :warn} = check(report, "pidfd")
    end

    test "without clone3 there is no time namespace" do
      filtered = %{@works | time: {:error, 38, :clone}}
      report = report(privileged: filtered, unprivileged: filtered)
      assert %{status: :warn, fix: "allow clone3" <> _} = check(report, "namespace time")
    end
  end

  describe "seccomp, landlock, capabilities" do
    test "seccomp fails where the kernel has none or refuses a filter" do
      assert %{status: :fail, fix: fix} = check(report(seccomp_actions: []), "seccomp")
      assert fix =~ "CONFIG_SECCOMP_FILTER"

      assert %{status: :fail, found: found} =
               check(report(filter: {:error, 22, :seccomp_install}), "seccomp")

      assert found =~ "seccomp_install"
    end

    test "user notification: the kernel, or who has the filter already" do
      for {errno, words} <- [{16, "outside of a container"}, {22, "Linux 5.8"}] do
        report = report(notify: {:error, errno, :seccomp_install})
        assert %{status: :warn, fix: fix} = check(report, "user notification")
        assert fix =~ words
      end
    end

    test "landlock: what the agent says, else the list of security modules" do
      assert %{status: :pass, found: "ABI 7"} = check(report(lsms: nil), "landlock")

      assert %{status: :warn, found: found, fix: fix} = check(report(landlock_abi: 4), "landlock")

      assert found == "ABI 4, which lacks ioctl_dev abstract_unix_socket signal"
      assert fix =~ "best_effort"

      without = report(landlock_abi: 0, lsms: ["yama"])
      assert %{status: :warn, found: "not active", fix: fix} = check(without, "landlock")
      assert fix =~ "lsm=landlock,yama"

      no_agent = report(agent: {:missing, "/x"}, landlock_abi: nil)
      assert %{status: :pass, found: "active"} = check(no_agent, "landlock")
      assert %{status: :warn} = check(%{no_agent | lsms: ["yama"]}, "landlock")
      assert %{status: :warn, found: found} = check(%{no_agent | lsms: nil}, "landlock")
      assert found =~ "cannot be seen"
    end

    test "root without a capability that Linx needs is told which to add" do
      held = Linx.Capabilities.Constants.all() -- [:cap_setuid, :cap_sys_resource]

      assert %{status: :warn, found: found, fix: fix} =
               check(report(capabilities: capabilities(held)), "capabilities")

      assert found == "all but cap_setuid cap_sys_resource"
      assert fix =~ "--cap-add=SETUID"
      refute fix =~ "SYS_RESOURCE"
    end

    test "an ordinary user's set is shown as it is" do
      assert %{found: "none: an ordinary user"} = check(ordinary_user([]), "capabilities")
      report = ordinary_user(capabilities: capabilities([:cap_net_raw, :cap_kill]))
      assert %{status: :pass, found: "cap_kill cap_net_raw"} = check(report, "capabilities")
    end
  end

  describe "resources" do
    test "pty: none, all in use, refused" do
      assert %{status: :fail, fix: "mount -t devpts" <> _} = check(report(ptmx?: false), "pty")

      full = report(sysctls: sysctls(%{"kernel/pty/nr" => 4_096}))
      assert %{status: :fail, fix: "sysctl -w kernel.pty.max=8192"} = check(full, "pty")

      assert %{status: :fail, found: "error 13 in posix_openpt"} =
               check(report(pty: {:error, 13, :posix_openpt}), "pty")
    end

    test "cgroups: what is mounted and what is writable" do
      assert %{status: :warn, fix: "mount -t cgroup2" <> _} =
               check(report(cgroups: []), "cgroup v2")

      assert %{status: :pass, found: "not mounted"} = check(report(), "cgroup v1")

      fixed = [
        %{version: 2, path: "/sys/fs/cgroup/user.slice", controllers: [], writable: false},
        %{version: 1, path: "/c/pids", controllers: ["pids"], writable: false},
        %{version: 1, path: "/c/cpu", controllers: ["cpu"], writable: true}
      ]

      assert %{status: :warn, fix: "systemd-run --user" <> _} =
               check(ordinary_user(cgroups: fixed), "cgroup v2")

      assert %{fix: "as root: mkdir /sys/fs/cgroup/user.slice/linx && chown -R 1000 " <> _} =
               check(ordinary_user(cgroups: fixed, systemd?: false), "cgroup v2")

      assert %{status: :warn, found: "writable: cpu; not writable: pids"} =
               check(report(cgroups: fixed), "cgroup v1")
    end

    test "limits: the least one counts" do
      assert %{status: :warn, found: "only 256 allowed", fix: "ulimit -n 65536"} =
               check(report(limits: %{open_files: 256, processes: :unlimited}), "open files")

      unlimited = report(limits: %{open_files: :unlimited, processes: :unlimited})
      assert %{status: :pass, found: "unlimited allowed"} = check(unlimited, "open files")
      assert %{status: :pass, found: "126000 allowed"} = check(unlimited, "processes")
    end
  end

  test "hierarchies: v1, v2, named ones, and a container's partial mount" do
    mountinfo = """
    31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
    32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
    35 31 0:32 /docker/ab /sys/fs/cgroup/memory ro,relatime shared:4 - cgroup cgroup rw,memory
    40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
    41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
    """

    own = "9:name=systemd:/\n4:memory:/docker/ab/x\n1:cpuacct,cpu:/\n0::/init.scope\n"

    assert Hierarchy.mounts(mountinfo, own) == [
             {1, ["cpu", "cpuacct"], "/sys/fs/cgroup/cpu,cpuacct"},
             {1, ["memory"], "/sys/fs/cgroup/memory/x"},
             {2, [], "/sys/fs/cgroup/unified/init.scope"}
           ]
  end

  describe "view" do
    test "one line a check, in columns, coloured only when told" do
      checks = [Check.pass("a", "fine"), Check.fail("longer", "bad", "do this")]
      plain = checks |> View.lines(false) |> IO.iodata_to_binary()
      assert plain == "pass  a       fine\nfail  longer  bad. Fix: do this\n"

      coloured = checks |> View.lines(true) |> IO.iodata_to_binary()
      assert coloured =~ IO.ANSI.green() <> "pass"
      assert String.replace(coloured, ~r/\e\[\d+m/, "") == plain
    end

    test "JSON escapes what JSON must, and takes bytes that are no text" do
      assert Linx.Json.encode("a\"\\\t\xFFé") == ~S("a\"\\\u0009) <> "\uFFFDé\""
    end
  end
end
