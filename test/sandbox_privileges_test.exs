defmodule Linx.SandboxPrivilegesTest do
  use ExUnit.Case, async: true

  doctest Linx.Sandbox.Privileges

  alias Linx.Sandbox
  alias Linx.Sandbox.Privileges

  @context %{mode: :spawn, namespaces: [], uid: 0, gid: 0}
  @allow <<6::little-16, 0, 0, 0x7FFF0000::little-32>>

  defp request(change) do
    change.(Sandbox.new()).parts |> Map.fetch!(Privileges) |> Privileges.request(@context)
  end

  test "a sandbox is without capabilities and no_new_privs unless it is told" do
    none = %{effective: 0, permitted: 0, inheritable: 0, bounding: 0, ambient: 0}
    assert request(& &1) == {:ok, %{capabilities: none, no_new_privs: true}}

    assert request(&(&1 |> Sandbox.capabilities([]) |> Sandbox.no_new_privs(false))) ==
             {:ok, %{}}
  end

  test "each set by itself" do
    assert {:ok, %{capabilities: capabilities}} =
             request(&Sandbox.capabilities(&1, bounding: [:cap_chown, :cap_kill], ambient: []))

    assert capabilities == %{bounding: 0b100001, ambient: 0}
  end

  test "securebits and programs go as they are" do
    assert {:ok, %{securebits: [:noroot, :noroot_locked], seccomp: [@allow, @allow]}} =
             request(
               &(&1
                 |> Sandbox.securebits([:noroot, :noroot_locked])
                 |> Sandbox.seccomp([@allow, {:bpf, @allow}]))
             )
  end

  test "what is wrong is named" do
    many = List.duplicate(@allow, 17)

    for {change, what, value} <- [
          {&Sandbox.capabilities(&1, :all), :capabilities, :all},
          {&Sandbox.capabilities(&1, {:keep, [:chown]}), :capabilities, {:keep, [:chown]}},
          {&Sandbox.capabilities(&1, {:keep, :cap_chown}), :capabilities, {:keep, :cap_chown}},
          {&Sandbox.capabilities(&1, ambient: 7), :capabilities, [ambient: 7]},
          {&Sandbox.capabilities(&1, usable: []), :capabilities, [usable: []]},
          {&Sandbox.capabilities(&1, [{:ambient, []} | :x]), :capabilities,
           [{:ambient, []} | :x]},
          {&Sandbox.capabilities(&1, ambient: [], ambient: []), :capabilities,
           [ambient: [], ambient: []]},
          {&Sandbox.securebits(&1, [:keep_caps]), :securebits, [:keep_caps]},
          {&Sandbox.securebits(&1, :noroot), :securebits, :noroot},
          {&Sandbox.seccomp(&1, "1234567"), :seccomp, "1234567"},
          {&Sandbox.seccomp(&1, [:strict]), :seccomp, :strict},
          {&Sandbox.seccomp(&1, many), :seccomp, many},
          {&Sandbox.no_new_privs(&1, 1), :no_new_privs, 1}
        ] do
      assert request(change) == {:error, {:bad_sandbox, {what, value}}}
    end
  end
end
