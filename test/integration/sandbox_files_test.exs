defmodule Linx.Integration.SandboxFilesTest do
  use Linx.Case

  import Linx.Test.Sandboxed

  alias Linx.Sandbox
  alias Linx.Sandbox.Files
  alias Linx.Test.{Parked, RootFs}

  # An ordinary user gets a user namespace in any case.
  @ways [host_ids: [], user_namespace: [:user]]

  for {way, namespaces} <- @ways do
    describe "#{way}:" do
      setup do
        root = RootFs.make()
        image = Sandbox.root(sandbox(unquote(namespaces)), root)
        %{root: root, image: image, empty: sandbox(unquote(namespaces))}
      end

      test "a directory becomes the root, and nothing else is there", context do
        %{root: root, image: image} = context
        before = RootFs.contents(root)
        names = root |> File.ls!() |> Enum.sort() |> Enum.map_join(&(&1 <> "\n"))
        assert run(image, "ls / && pwd && echo /..") == {names <> "/\n/..\n", 0}
        assert {_, 1} = run(image, "ls #{root}")
        assert RootFs.contents(root) == before
      end

      test "what is mounted is seen by nobody else", context do
        outside = mounts(System.pid())
        pid = idle(context.image |> Sandbox.proc() |> Sandbox.tmpfs("/tmp"))
        mounts = mounts(pid)
        assert Map.keys(mounts) == ["/", "/proc", "/tmp"]
        assert Enum.all?(mounts, fn {_, mount} -> mount.tags == [] end)
        assert mounts(System.pid()) == outside
        assert File.read_link!("/proc/#{pid}/cwd") == "/"
      end

      test "a read-only root takes no writing, but what is mounted in it may", context do
        image = context.empty |> Sandbox.root(context.root, read_only: true)
        image = Sandbox.tmpfs(image, "/tmp", size: "1m")
        assert {_, 1} = run(image, "touch /x")
        assert {_, 1} = run(image, "echo >> /etc/passwd")
        assert {"", 0} = run(image, "echo x > /tmp/x")
        # What is not all of it.
        assert {_, 1} = run(image, "cat /bin/busybox > /tmp/x")
        mounts = mounts(idle(image))
        assert "ro" in mounts["/"].flags
        assert ["nodev", "nosuid", "rw"] -- mounts["/tmp"].flags == []
        assert "size=1024k" in mounts["/tmp"].options
      end

      test "an empty root holds what is put into it, in that order", context do
        sandbox =
          context.empty
          |> Sandbox.root(:tmpfs, read_only: true)
          |> Sandbox.bind(Path.join(context.root, "bin"), "/bin")
          |> Sandbox.dir("/a/b", mode: 0o700)
          |> Sandbox.tmpfs("/a/b/c", mode: 0o711)
          |> Sandbox.file("/a/b/c/d", <<"two\nlines", 0, 255>>, mode: 0o440)

        assert {"a\nbin\n", 0} = run(sandbox, "ls /")
        assert {"700 711 440\n", 0} = run(sandbox, "echo $(stat -c %a /a/b /a/b/c /a/b/c/d)")
        assert {<<"two\nlines", 0, 255>>, 0} = run(sandbox, "cat /a/b/c/d")
        assert {_, 1} = run(sandbox, "mkdir /x")
      end

      test "a bind is inert unless more is asked for", context do
        source = tmp_dir()
        File.write!(Path.join(source, "file"), "host")
        target = "/var"

        sandbox =
          context.image
          |> Sandbox.bind(source, target)
          |> Sandbox.bind(source, "/tmp", read_only: false, noexec: true)

        assert {_, 1} = run(sandbox, "echo x > /var/file")
        # Root with the host's ids; in a user namespace the host's root is nobody's.
        chmod_for_all(source)
        assert {"", 0} = run(sandbox, "echo written > /tmp/new")
        assert File.read!(Path.join(source, "new")) == "written\n"
        mounts = mounts(idle(sandbox))
        assert ["nodev", "nosuid", "ro"] -- mounts[target].flags == []
        assert ["nodev", "noexec", "nosuid", "rw"] -- mounts["/tmp"].flags == []
      end

      test "single files are bound, and made if they are missing", context do
        file = Path.join(tmp_dir(), "file")
        File.write!(file, "host")

        sandbox = context.image |> Sandbox.tmpfs("/tmp") |> Sandbox.bind(file, "/tmp/a/file")

        assert {"host", 0} = run(sandbox, "cat /tmp/a/file")
      end

      test "a file goes over what is there, and neither changes", context do
        before = RootFs.contents(context.root)
        sandbox = Sandbox.file(context.image, "/etc/passwd", "other\n")
        assert {"other\n", 0} = run(sandbox, "cat /etc/passwd")
        assert {_, 1} = run(sandbox, "echo x > /etc/passwd")
        assert RootFs.contents(context.root) == before
        assert mounts(idle(sandbox))["/etc/passwd"].type == "tmpfs"
      end

      test "on the host's root nothing is made but in what was mounted", context do
        hidden = Path.join(context.root, "var")
        missing = Path.join(context.root, "missing")
        before = RootFs.contents(context.root)
        sandbox = Sandbox.tmpfs(context.empty, hidden)

        assert failure(Sandbox.tmpfs(sandbox, missing)) ==
                 {:mount, :enoent, "tmpfs #{missing}"}

        # The source is the host's, though it is covered.
        below = Path.join(hidden, "a/etc")
        sandbox = Sandbox.bind(sandbox, Path.join(context.root, "etc"), below)
        assert {"passwd\n/\n", 0} = run(sandbox, "ls #{below}; pwd")
        assert RootFs.contents(context.root) == before
      end

      test "the host's root can be read-only as a whole", context do
        sandbox = context.empty |> Sandbox.root(:host, read_only: true) |> Sandbox.tmpfs("/tmp")
        mounts = mounts(idle(sandbox))
        {"/tmp", writable} = Enum.find(mounts, fn {_, mount} -> "ro" not in mount.flags end)
        assert writable.type == "tmpfs"
        assert {"ro\n", 0} = run(sandbox, "touch /etc 2> /dev/null || echo ro")
      end

      test "a proc shows the workload's own processes, and only what it is to", context do
        image = Sandbox.proc(context.image)
        assert {"1\n", 0} = run(image, "cd /proc && ls -d [1-9]*")
        assert {_, 0} = run(image, "cat /proc/meminfo")
        image = Sandbox.proc(context.image, subset: :pid, hidepid: :invisible)
        assert {_, 1} = run(image, "cat /proc/meminfo")
        mount = mounts(idle(image))["/proc"]
        assert ["nodev", "noexec", "nosuid"] -- mount.flags == []
        assert ["hidepid=invisible", "subset=pid"] -- mount.options == []
      end

      test "a dev has a few devices that work, and takes no others", context do
        image = Sandbox.dev(Sandbox.proc(context.image))
        names = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero\n"
        assert run(image, "echo $(ls /dev)") == {names, 0}

        assert {"0 3\n", 0} =
                 run(image, "echo $(wc -c < /dev/null) $(head -c 3 /dev/zero | wc -c)")

        assert {"", 0} = run(image, "echo x > /dev/null && : > /dev/ptmx && : > /dev/shm/x")
        assert {"1777\n", 0} = run(image, "stat -c %a /dev/shm")
        assert {_, 1} = run(image, "touch /dev/x")
        assert {_, 1} = run(image, "echo x > /dev/full")
        assert {"1 3\n", 0} = run(image, "stat -c '%t %T' /dev/null")
        mounts = mounts(idle(image))
        assert ["noexec", "nosuid", "ro"] -- mounts["/dev"].flags == []
        assert "ptmxmode=666" in mounts["/dev/pts"].options
      end

      test "what is masked is empty, and what is missing is not missed", context do
        image =
          context.image
          |> Sandbox.proc()
          |> Sandbox.mask(Files.default_masks())
          |> Sandbox.mask(["/etc", "/nowhere", "/bin/nothing"])
          |> Sandbox.read_only_path(Files.default_read_only() ++ ["/nowhere"])

        assert {"", 0} = run(image, "cat /proc/timer_list; ls /etc")
        assert {_, 1} = run(image, "echo 1 > /proc/sys/kernel/randomize_va_space")
        mounts = mounts(idle(image))
        assert mounts["/etc"].type == "tmpfs"
        assert mounts["/proc/timer_list"].root == "/null"

        for place <- ["/etc", "/proc/sys", "/proc/timer_list"],
            do: assert("ro" in mounts[place].flags)
      end

      test "an overlay without an upper layer can be read only", context do
        below = tmp_dir()
        File.write!(Path.join(below, "only_here"), "")
        sandbox = Sandbox.overlay(context.image, "/var", lower: [below, context.root])
        assert {said, 0} = run(sandbox, "ls /var")
        assert Enum.all?(["bin", "etc", "only_here"], &(&1 in String.split(said)))
        assert {_, 1} = run(sandbox, "touch /var/x")
      end

      test "the devices and queues of its own namespaces", context do
        image = context.image |> Sandbox.sysfs() |> Sandbox.dev() |> Sandbox.mqueue()
        assert {"lo\n", 0} = run(image, "ls /sys/class/net")
        mounts = mounts(idle(image))
        assert "ro" in mounts["/sys"].flags
        assert mounts["/dev/mqueue"].type == "mqueue"
      end

      test "the working directory is one of the root", context do
        assert {"/etc\n", 0} = run(context.image, "pwd", cd: "/etc")
        assert {:chdir, :enoent, _} = failure(context.image, cwd: context.root)
      end

      test "the program is one of the root", context do
        inside = Path.join(context.root, "bin/inside")
        File.cp!(Path.join(context.root, "bin/busybox"), inside)
        assert {:execve, :enoent, ^inside} = failure(context.image, argv: [inside])
        assert {:execve, :enoent, _} = failure(context.image, argv: ["/usr/bin/env"])
      end

      test "with an init, and parked, it is the same", context do
        for options <- [[init: true], [init: false]] do
          {:ok, session} =
            Linx.Process.spawn([argv: sh("exec sleep 60"), sandbox: context.image] ++ options)

          assert_receive {:linx_process, :ready, pid}
          refute Map.keys(mounts(pid)) == ["/"]
          assert Linx.Process.proceed(session) == :ok
          assert_receive {:linx_process, :running}
          assert Map.keys(mounts(pid)) == ["/"]
          assert {:ok, _} = Linx.Process.stop(session)
        end
      end

      test "what is not there is named", context do
        missing = Path.join(context.root, "missing")
        empty = context.empty
        assert {:root, :enoent, ^missing} = failure(Sandbox.root(empty, missing))

        file = Path.join(context.root, "etc/passwd")
        assert {:root, :enotdir, ^file} = failure(Sandbox.root(empty, file))

        assert failure(Sandbox.bind(context.image, missing, "/etc")) ==
                 {:mount, :enoent, "bind /etc <- #{missing}"}

        assert failure(Sandbox.bind(context.image, file, "/etc")) ==
                 {:mount, :enotdir, "bind /etc <- #{file}"}

        assert failure(Sandbox.tmpfs(context.image, "/etc/passwd/x")) ==
                 {:mount, :enotdir, "tmpfs /etc/passwd/x"}
      end
    end
  end

  test "an overlay keeps changes in its upper layer" do
    root = RootFs.make()
    before = RootFs.contents(root)
    layers = tmp_dir()
    for name <- ["upper", "work"], do: File.mkdir!(Path.join(layers, name))
    paths = [upper: Path.join(layers, "upper"), work: Path.join(layers, "work")]

    sandbox =
      sandbox([]) |> Sandbox.root(root) |> Sandbox.overlay("/var", [lower: [root]] ++ paths)

    assert {"", 0} = run(sandbox, "echo x > /var/etc/new && echo y >> /var/etc/passwd")
    assert File.ls!(Path.join(layers, "upper/etc")) |> Enum.sort() == ["new", "passwd"]
    assert RootFs.contents(root) == before
    # The kernel makes a directory there that nobody may read.
    System.cmd("chmod", ["-R", "u+rwx", layers])
  end

  @tag :root
  test "an overlay whose upper layer could not be changed is an error" do
    root = RootFs.make()
    layers = tmp_dir()
    for name <- ["upper", "work"], do: File.mkdir!(Path.join(layers, name))
    paths = [upper: Path.join(layers, "upper"), work: Path.join(layers, "work")]

    sandbox =
      sandbox([:user]) |> Sandbox.root(root) |> Sandbox.overlay("/var", [lower: [root]] ++ paths)

    assert {:mount, :erofs, "overlay /var <- " <> ^root} = failure(sandbox)
  end

  test "targets that are missing are made in an image that may be changed" do
    root = RootFs.make()

    sandbox =
      sandbox([]) |> Sandbox.root(root) |> Sandbox.tmpfs("/new/dir") |> Sandbox.dir("/other")

    assert {"dir\n", 0} = run(sandbox, "ls /new")
    assert Bitwise.band(File.stat!(Path.join(root, "new/dir")).mode, 0o7777) == 0o755
    assert File.dir?(Path.join(root, "other"))
    sandbox = sandbox([]) |> Sandbox.root(root, read_only: true) |> Sandbox.tmpfs("/newer")
    assert {"", 0} = run(sandbox, "ls /newer")
  end

  defp idle(sandbox) do
    # SIGTERM ends it at once, which it would not if it were PID 1.
    options = [argv: sh("exec sleep 60"), sandbox: sandbox, stdio: :devnull, init: true]
    {_session, pid} = running(options)
    pid
  end

  defp chmod_for_all(directory) do
    if Parked.own("Uid") == 0, do: File.chmod!(directory, 0o777), else: :ok
  end
end
