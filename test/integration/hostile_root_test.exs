defmodule Linx.Integration.HostileRootTest do
  use Linx.Case

  import Linx.Test.Sandboxed

  alias Linx.Sandbox
  alias Linx.Sandbox.Files
  alias Linx.Test.{FixtureProgram, RootFs}

  for {way, namespaces} <- [host_ids: [], user_namespace: [:user]] do
    describe "#{way}:" do
      setup do
        root = RootFs.make()
        outside = tmp_dir()
        File.mkdir!(Path.join(outside, "dir"))
        File.write!(Path.join(outside, "file"), "the host's")
        image = Sandbox.root(sandbox(unquote(namespaces)), root)
        %{root: root, outside: outside, image: image}
      end

      test "no link in a root leads a mount out of it", context do
        %{root: root, outside: outside, image: image} = context
        before = RootFs.contents(outside)
        up = String.duplicate("../", 40) <> String.trim_leading(outside, "/")

        for {link, to} <- [absolute: outside, relative: up, magic: "/proc/self/root", slash: "/"],
            path = "/#{link}",
            File.ln_s!(to, Path.join(root, path)) == :ok,
            below <- ["", "/dir", "/missing", "/missing/deeper", "/file"],
            kind <- [:tmpfs, :dir, :file, :mask, :bind] do
          sandbox = mount(image, kind, path <> below)
          assert {{:mount, :exdev, _}, _, _} = {failure(sandbox), link, {kind, below}}
        end

        assert RootFs.contents(outside) == before
      end

      test "proc and dev are mounted on no link, wherever it leads", context do
        for name <- ["dev", "proc"], to <- [context.outside, "../../..", "var"] do
          path = Path.join(context.root, name)
          File.rm_rf!(path)
          File.ln_s!(to, path)
          sandbox = if name == "dev", do: &Sandbox.dev/1, else: &Sandbox.proc/1
          assert {:mount, errno, detail} = failure(sandbox.(context.image))
          assert errno in [:eloop, :exdev]
          assert detail == "#{name} /#{name}"
          File.rm!(path)
          File.mkdir!(path)
        end

        assert length(RootFs.contents(context.outside)) == 2
      end

      test "nothing is made through a link that leads to nothing", context do
        for to <- ["missing", "missing/below"] do
          link = Path.join(context.root, "link")
          File.ln_s!(to, link)
          assert {:mount, :eexist, _} = failure(Sandbox.tmpfs(context.image, "/link"))
          assert {:mount, :eexist, _} = failure(Sandbox.file(context.image, "/link", ""))
          refute File.exists?(Path.join(context.root, "missing"))
          File.rm!(link)
        end
      end

      test "a link within the root is followed", context do
        File.ln_s!("../tmp", Path.join(context.root, "var/tmp"))
        sandbox = Sandbox.tmpfs(context.image, "/var/tmp", mode: 0o700)
        assert {"700\n", 0} = run(sandbox, "stat -c %a /tmp")
      end

      test "the devices are the host's, whatever the root has in their place", context do
        %{root: root, outside: outside, image: image} = context
        null = Path.join(root, "dev/null")
        zero = Path.join(root, "dev/zero")
        File.ln_s!(Path.join(outside, "file"), null)
        File.write!(zero, "no zeros")

        sandbox = image |> Sandbox.dev() |> Sandbox.mask("/etc/passwd")
        assert {"1 3\n", 0} = run(sandbox, "echo x > /dev/null; stat -c '%t %T' /dev/null")
        assert {"", 0} = run(sandbox, "cat /etc/passwd")
        # What masks a file is no more the root's.
        assert {"", 0} = run(Sandbox.mask(image, "/etc/passwd"), "cat /etc/passwd")
        assert File.read!(Path.join(outside, "file")) == "the host's"
        assert File.read!(zero) == "no zeros"
      end

      test "below /proc nothing is mounted but on a procfs", context do
        %{root: root, image: image} = context
        File.mkdir!(Path.join(root, "proc/sys"))
        File.write!(Path.join(root, "proc/kcore"), "")

        for sandbox <- [image, Sandbox.tmpfs(image, "/proc")],
            path <- ["/proc/kcore", "/proc/sys", "/proc/missing"],
            kind <- [:mask, :read_only, :tmpfs, :file, :dir, :bind] do
          assert {:mount, :emediumtype, detail} = failure(mount(sandbox, kind, path))
          assert detail =~ path
        end

        assert {"", 0} =
                 run(image |> Sandbox.proc() |> Sandbox.mask("/proc/keys"), "cat /proc/keys")
      end

      test "a link at /proc is no procfs, even where it leads to one", context do
        File.rm_rf!(Path.join(context.root, "proc"))
        File.ln_s!("var", Path.join(context.root, "proc"))
        sandbox = Sandbox.bind(context.image, "/proc", "/var", read_only: false)
        assert {:mount, :eloop, _} = failure(Sandbox.mask(sandbox, "/proc/kcore"))

        for path <- Files.default_masks(), path =~ "/proc/" do
          assert {:mount, :eloop, "mask " <> ^path} = failure(Sandbox.mask(sandbox, path))
        end
      end

      test "a working directory that came by an open file of the host is refused", context do
        image = Sandbox.proc(context.image)

        for fd <- 0..20 do
          assert {:chdir, errno, _} = failure(image, cwd: "/proc/self/fd/#{fd}")
          assert errno in [:enoent, :enotdir]
        end

        options = [argv: sh("exec sleep 60"), sandbox: image, stdio: :devnull, init: true]
        {_session, pid} = running(options)
        assert File.ls!("/proc/#{pid}/fd") |> Enum.sort() == ["0", "1", "2"]
        assert File.read_link!("/proc/#{pid}/cwd") == "/"
        assert {"/\n", 0} = run(image, "cd .. && pwd -P")
      end

      test "the old root is not to be had back", context do
        sandbox = Sandbox.proc(context.image)
        assert {_, 1} = run(sandbox, "umount -l /; ls #{context.outside}")
        assert {_, 1} = run(sandbox, "ls /proc/1/root#{context.outside}")
        {pid, mounts} = idle(sandbox)
        assert Map.keys(mounts) == ["/", "/proc"]
        assert File.read_link!("/proc/#{pid}/root") == "/"
      end
    end
  end

  test "a workload cannot type into a terminal that it was given" do
    program = FixtureProgram.path("type_into")
    {owner, pid} = running(argv: sh("exec sleep 60"), stdio: :pty)
    terminal = File.read_link!("/proc/#{pid}/fd/0")

    sandbox =
      sandbox([:user])
      |> Sandbox.root(:tmpfs)
      |> Sandbox.bind(program, "/type_into")

    stdio = [stdin: {:file, terminal, :append}, stdout: :pipe, stderr: :stdout]
    read = [auto_proceed: true, active: false]
    options = [argv: ["/type_into"], sandbox: sandbox, stdio: stdio] ++ read
    {:ok, session} = Linx.Process.spawn(options)
    said = for {:stdout, bytes} <- Linx.Process.stream!(session), into: "", do: bytes
    # A terminal that is no console knows no TIOCLINUX.
    assert ["TIOCSTI EPERM", "TIOCLINUX " <> refused] = String.split(said, "\n", trim: true)
    assert refused in ["EPERM", "ENOTTY", "EINVAL"]
    assert {:ok, _} = Linx.Process.stop(owner)
  end

  defp mount(sandbox, :bind, target), do: Sandbox.bind(sandbox, "/etc", target)
  defp mount(sandbox, :file, target), do: Sandbox.file(sandbox, target, "content")
  defp mount(sandbox, :tmpfs, target), do: Sandbox.tmpfs(sandbox, target)
  defp mount(sandbox, :dir, target), do: Sandbox.dir(sandbox, target)
  defp mount(sandbox, :mask, target), do: Sandbox.mask(sandbox, target)
  defp mount(sandbox, :read_only, target), do: Sandbox.read_only_path(sandbox, target)

  defp idle(sandbox) do
    # SIGTERM ends it at once, which it would not if it were PID 1.
    options = [argv: sh("exec sleep 60"), sandbox: sandbox, stdio: :devnull, init: true]
    {_session, pid} = running(options)
    {pid, mounts(pid)}
  end
end
