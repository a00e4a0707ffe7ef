defmodule Linx.Integration.SandboxIdmapTest do
  use Linx.Case

  import Linx.Test.Sandboxed

  alias Linx.Sandbox
  alias Linx.Test.RootFs

  @moduletag :user_namespaces

  defp owner(path), do: File.lstat!(path).uid

  defp given do
    dir = tmp_dir()
    File.write!(Path.join(dir, "given"), "")
    dir
  end

  @tag :idmap
  test "files belong to whom they belong on the host" do
    dir = given()

    for {options, inside, outside} <- [{[idmap: true], "0", 0}, {[], "65534", nil}] do
      sandbox =
        sandbox([:user])
        |> Sandbox.user(0)
        |> Sandbox.bind(dir, "/mnt", [read_only: false] ++ options)

      {text, _} = run(sandbox, "stat -c %u /mnt/given; touch /mnt/made 2>/dev/null && echo made")
      assert hd(String.split(text)) == inside
      assert "made" in String.split(text) == (outside != nil)
      if outside, do: assert(owner(Path.join(dir, "made")) == outside)
    end
  end

  @tag :idmap
  test "a root is its own root's, and what is put into it, too" do
    root = RootFs.make()

    sandbox =
      sandbox([:user])
      |> Sandbox.user(0)
      |> Sandbox.root(root, idmap: true)
      |> Sandbox.bind(given(), "/data", idmap: true)

    script =
      "stat -c %u /etc/passwd /data/given; echo x > /made; touch /data/x 2>/dev/null || echo ro"

    assert {"0\n0\nro\n", 0} = run(sandbox, script)
    assert owner(Path.join(root, "made")) == 0

    assert {"0\n", 0} =
             run(Sandbox.root(sandbox, root, idmap: true, read_only: true), "stat -c %u /")
  end

  @tag :idmap
  test "a file system that cannot be mapped is named" do
    sandbox = sandbox([:user]) |> Sandbox.bind("/proc/sys", "/mnt", idmap: true)
    assert failure(sandbox) == {:mount, :einval, "bind /mnt <- /proc/sys"}
    sandbox = sandbox([:user]) |> Sandbox.root("/proc/sys", idmap: true)
    assert failure(sandbox) == {:root, :einval, "/proc/sys"}
  end

  @tag :idmap
  test "a bind brings the user namespace whose ids are meant" do
    sandbox = Sandbox.new() |> Sandbox.bind(given(), "/mnt", idmap: true)
    assert {:ok, %{namespaces: [:user, :mount]}} = Sandbox.request(sandbox, :spawn)
    assert {"", 0} = run(sandbox, "true")
  end

  test "it takes the host's leave" do
    dir = given()
    sandbox = Sandbox.new() |> Sandbox.bind(dir, "/mnt", idmap: true)

    if Sandbox.Host.self().uid != 0,
      do: assert({:mount, :eperm, "bind /mnt <- " <> ^dir} = failure(sandbox))
  end

  @tag :root
  test "a source that is not there is told before anything runs" do
    sandbox = Sandbox.new() |> Sandbox.bind("/no/such", "/mnt", idmap: true)
    assert {:mount, :enoent, "bind /mnt <- /no/such"} = failure(sandbox)
  end
end
