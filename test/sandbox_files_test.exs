defmodule Linx.Sandbox.FilesTest do
  use ExUnit.Case, async: true

  doctest Linx.Sandbox.Files

  alias Linx.Sandbox
  alias Linx.Sandbox.Files

  defp request(sandbox) do
    with {:ok, request} <- Sandbox.request(sandbox, :spawn),
         do: request |> Map.take([:root, :mounts]) |> Map.put(:namespaces, named(request))
  end

  # An ordinary user has :user as well.
  defp named(request), do: request.namespaces -- [:user]

  defp mounts(sandbox), do: request(sandbox)[:mounts]

  test "nothing is asked for where nothing is said" do
    assert request(Sandbox.new()) == %{namespaces: []}
  end

  test "a root is a directory, the host's, or empty" do
    assert %{namespaces: [:mount], root: root} = request(Sandbox.root(Sandbox.new(), "/srv"))
    assert root == %{kind: :dir, source: "/srv", nosuid: true, nodev: true}

    assert %{root: %{kind: :host, read_only: true} = root} =
             request(Sandbox.root(Sandbox.new(), :host, read_only: true))

    assert map_size(root) == 2

    assert %{root: %{kind: :tmpfs, size: 0x4000000, mode: 0o755, nosuid: true, nodev: true}} =
             request(Sandbox.root(Sandbox.new(), :tmpfs))
  end

  test "mounts keep the order in which they were asked for" do
    sandbox =
      Sandbox.new()
      |> Sandbox.tmpfs("/a", size: 4096, nosuid: false)
      |> Sandbox.bind("/b")
      |> Sandbox.bind("/b", "/c", read_only: false, recursive: false)
      |> Sandbox.bind("/b", noexec: true)
      |> Sandbox.mask(["/d", "/e"])
      |> Sandbox.read_only_path("/f")
      |> Sandbox.file("/g", <<0>>, mode: 0o600)
      |> Sandbox.dir("/h")

    assert [tmpfs, same, elsewhere, noexec, mask, mask2, read_only, file, dir] = mounts(sandbox)
    assert tmpfs == %{kind: :tmpfs, target: "/a", size: 4096, mode: 0o1777, nodev: true}
    inert = %{kind: :bind, source: "/b", nosuid: true, nodev: true}
    assert same == Map.merge(inert, %{target: "/b", read_only: true})
    assert elsewhere == Map.merge(inert, %{target: "/c", recursive: false})
    assert noexec == Map.merge(same, %{noexec: true})
    assert mask == %{kind: :mask, target: "/d"}
    assert mask2 == %{kind: :mask, target: "/e"}
    assert read_only == %{kind: :read_only, target: "/f"}
    assert file == %{kind: :file, target: "/g", content: <<0>>, mode: 0o600}
    assert dir == %{kind: :dir, target: "/h", mode: 0o755}
  end

  test "a file system brings the namespace whose things it shows" do
    assert %{namespaces: [:mount, :pid]} = request(Sandbox.proc(Sandbox.new()))
    assert %{namespaces: [:mount, :net]} = request(Sandbox.sysfs(Sandbox.new()))
    assert %{namespaces: [:mount, :ipc]} = request(Sandbox.mqueue(Sandbox.new()))

    assert [%{hidepid: 2, subset: :pid}] =
             mounts(Sandbox.proc(Sandbox.new(), hidepid: :invisible, subset: :pid))
  end

  test "what the container runtimes hide is a list of paths" do
    paths = Files.default_masks() ++ Files.default_read_only()
    assert length(mounts(Sandbox.mask(Sandbox.new(), paths))) == length(paths)
    assert "/proc/kcore" in paths
  end

  test "any term may be given, and is named where it is wrong" do
    none = Sandbox.new()
    many = String.duplicate("x", 0x100001)

    for {sandbox, what, value} <- [
          {Sandbox.root(none, "srv"), :root, "srv"},
          {Sandbox.root(none, "/srv/.."), :root, "/srv/.."},
          {Sandbox.root(none, :none), :root, :none},
          {Sandbox.root(none, "/srv", size: 1), :root, {:size, 1}},
          {Sandbox.root(none, "/srv", read_only: :yes), :root, {:read_only, :yes}},
          {Sandbox.root(none, "/srv", :read_only), :root, :read_only},
          {Sandbox.bind(none, "/srv", "/"), :bind, "/"},
          {Sandbox.bind(none, "srv", "/srv"), :bind, {:source, "srv"}},
          {Sandbox.bind(none, nil, "/srv"), :bind, {:source, nil}},
          {Sandbox.bind(none, "/a\0b"), :bind, "/a\0b"},
          {Sandbox.bind(none, "/a", "/b", idmap: 1), :bind, {:idmap, 1}},
          {Sandbox.bind(none, "/a", %{}, 1), :bind, %{}},
          {Sandbox.tmpfs(none, "/a//b"), :tmpfs, "/a//b"},
          {Sandbox.tmpfs(none, "/a", size: "64x"), :tmpfs, {:size, "64x"}},
          {Sandbox.tmpfs(none, "/a", size: 0), :tmpfs, {:size, 0}},
          {Sandbox.tmpfs(none, "/a", mode: 0o10000), :tmpfs, {:mode, 0o10000}},
          {Sandbox.tmpfs(none, "/a", [:size | 1]), :tmpfs, [:size | 1]},
          {Sandbox.overlay(none, "/a", lower: ["/b"]), :overlay, [lower: ["/b"]]},
          {Sandbox.overlay(none, "/a", lower: ["/b"], upper: "/c"), :overlay,
           [lower: ["/b"], upper: "/c"]},
          {Sandbox.overlay(none, "/a", lower: ["b"]), :overlay, {:lower, ["b"]}},
          {Sandbox.proc(none, hidepid: 3), :proc, {:hidepid, 3}},
          {Sandbox.mask(none, ["/a", :b]), :mask, :b},
          {Sandbox.mask(none, ["/a" | "/b"]), :mask, ["/a" | "/b"]},
          {Sandbox.file(none, "/a", many), :file, {:content, many}},
          {Sandbox.file(none, "/a", nil), :file, {:content, nil}},
          {Sandbox.dir(none, "/a", mode: -1), :dir, {:mode, -1}}
        ] do
      assert Sandbox.request(sandbox, :spawn) == {:error, {:bad_sandbox, {what, value}}}
    end
  end

  test "who enters another's file system does not get one of its own" do
    assert {:error, {:bad_sandbox, {:mounts, :enter}}} =
             Sandbox.request(Sandbox.tmpfs(Sandbox.new(), "/tmp"), :enter)
  end
end
