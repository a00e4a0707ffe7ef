defmodule Linx.SandboxLandlockTest do
  use ExUnit.Case, async: true

  doctest Linx.Landlock, except: [abi: 0, supported?: 0]
  doctest Linx.Sandbox.Landlock

  alias Linx.Sandbox
  alias Linx.Sandbox.Landlock

  @context %{mode: :spawn, namespaces: [], uid: 0, gid: 0, writable: []}

  defp request(change) do
    change.(Sandbox.new()).parts |> Map.fetch!(Landlock) |> Landlock.request(@context)
  end

  test "nothing asked for is nothing restricted" do
    assert request(& &1) == {:ok, %{}}
    assert request(&Sandbox.best_effort(&1, true)) == {:ok, %{}}
  end

  test "paths deny all else, in the order in which they were named" do
    assert {:ok, %{landlock: %{handled_fs: handled, paths: paths} = landlock}} =
             request(
               &(&1
                 |> Sandbox.executable("/usr")
                 |> Sandbox.readable(["/etc", "/var"])
                 |> Sandbox.writable("/tmp")
                 |> Sandbox.access("/dev/tty", [:ioctl_dev])
                 |> Sandbox.best_effort(true))
             )

    assert handled == Linx.Landlock.file_rights()
    assert [{"/usr", run}, {"/etc", read}, {"/var", read}, {"/tmp", write}, tty] = paths
    assert read == [:read_file, :read_dir]
    assert :execute in run
    assert :make_reg in write and :make_char not in write and :execute not in write
    assert tty == {"/dev/tty", [:ioctl_dev]}
    assert landlock.best_effort
    refute Map.has_key?(landlock, :handled_net)
  end

  test "no path and no port are restrictions too" do
    assert {:ok, %{landlock: landlock}} =
             request(&(&1 |> Sandbox.readable([]) |> Sandbox.tcp_bind([])))

    assert landlock == %{handled_fs: Linx.Landlock.file_rights(), handled_net: [:bind_tcp]}
  end

  test "what is wrong is named" do
    for {change, what, value} <- [
          {&Sandbox.readable(&1, "etc"), :readable, "etc"},
          {&Sandbox.writable(&1, ["/tmp", 7]), :writable, ["/tmp", 7]},
          {&Sandbox.executable(&1, ["/usr" | :x]), :executable, ["/usr" | :x]},
          {&Sandbox.access(&1, "/x", [:read]), :access, {"/x", [:read]}},
          {&Sandbox.access(&1, "/x", :read_file), :access, {"/x", :read_file}},
          {&Sandbox.tcp_bind(&1, 65_536), :tcp_bind, 65_536},
          {&Sandbox.tcp_connect(&1, [443, "80"]), :tcp_connect, [443, "80"]},
          {&Sandbox.scope(&1, [:ptrace]), :scope, [:ptrace]},
          {&Sandbox.best_effort(&1, :yes), :best_effort, :yes}
        ] do
      assert request(change) == {:error, {:bad_sandbox, {what, value}}}
    end
  end

  test "what an ABI enforces of rules, and what it lacks" do
    {:ok, %{landlock: rules}} =
      request(&(&1 |> Sandbox.writable("/tmp") |> Sandbox.tcp_bind(80) |> Sandbox.scope(:signal)))

    assert {^rules, []} = Linx.Landlock.enforced(rules, 6)
    assert {enforced, lacking} = Linx.Landlock.enforced(rules, 3)
    assert lacking == [:ioctl_dev, :bind_tcp, :signal]
    assert enforced.scopes == []
    assert enforced.ports == [{80, []}]
    assert {_, all} = Linx.Landlock.enforced(rules, 0)
    assert length(all) == 18
  end
end
