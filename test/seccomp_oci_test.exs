defmodule Linx.Seccomp.OciTest do
  use ExUnit.Case, async: true

  alias Linx.Seccomp

  # What is wrong in a profile is said before an agent is asked.
  @valid %{
    "defaultAction" => "SCMP_ACT_ERRNO",
    "syscalls" => [%{"names" => ["read"], "action" => "SCMP_ACT_ALLOW"}]
  }

  test "what Linx has no equal for is named, and so is what nobody knows" do
    for {key, value} <- [
          {"defaultAction", nil},
          {"defaultAction", "SCMP_ACT_TRACE"},
          {"defaultAction", "SCMP_ACT_NOTIFY"},
          {"defaultErrnoRet", 0},
          {"defaultErrnoRet", "EPERM"},
          {"defaultErrno", "ENONSENSE"},
          {"flags", ["SECCOMP_FILTER_FLAG_LOG"]},
          {"listenerPath", "/run/listener"},
          {"architectures", ["SCMP_ARCH_PDP11"]},
          {"syscalls", %{}},
          {"defaultAktion", "SCMP_ACT_ALLOW"}
        ] do
      assert Seccomp.from_oci(Map.put(@valid, key, value)) ==
               {:error, {:bad_profile, {key, value}}}
    end

    assert Seccomp.from_oci(7) == {:error, {:bad_profile, {"", 7}}}
  end

  test "an entry's fault is named by its place" do
    for {key, value} <- [
          {"names", nil},
          {"names", "read"},
          {"action", "SCMP_ACT_TRACE"},
          {"action", "allow"},
          {"args", %{}},
          {"includes", []},
          {"comments", ""}
        ] do
      assert entry(%{key => value}) == {:error, {:bad_profile, {"syscalls[0].#{key}", value}}}
    end

    assert entry(%{"names" => ["read", "no name"]}) ==
             {:error, {:bad_profile, {"syscalls[0].names[1]", "no name"}}}

    # Nobody would get it.
    assert entry(%{"action" => "SCMP_ACT_ALLOW", "errnoRet" => 1}) ==
             {:error, {:bad_profile, {"syscalls[0].action", "SCMP_ACT_ALLOW"}}}

    assert entry(%{"includes" => %{"minKernel" => "new"}}) ==
             {:error, {:bad_profile, {"syscalls[0].includes.minKernel", "new"}}}

    assert entry(%{"excludes" => %{"users" => ["root"]}}) ==
             {:error, {:bad_profile, {"syscalls[0].excludes.users", ["root"]}}}
  end

  test "an argument's fault is named by its place" do
    arg = %{"index" => 0, "value" => 1, "op" => "SCMP_CMP_EQ"}

    for {key, value} <- [
          {"index", 6},
          {"index", nil},
          {"value", -1},
          {"value", 0x10000000000000000},
          {"valueTwo", 1},
          {"op", "SCMP_CMP_LIKE"},
          {"mask", 1}
        ] do
      assert entry(%{"args" => [arg, Map.put(arg, key, value)]}) ==
               {:error, {:bad_profile, {"syscalls[0].args[1].#{key}", value}}}
    end

    # Runtimes would allow everything by this.
    ne = %{arg | "op" => "SCMP_CMP_NE"}
    assert {:error, {:bad_profile, {"syscalls[0].args", _}}} = entry(%{"args" => [ne, ne]})
  end

  test "no JSON, and options" do
    assert Seccomp.from_oci("{") == {:error, {:bad_json, 1}}
    assert Seccomp.from_oci(@valid, cap: []) == {:error, {:unknown_option, :cap}}
    assert Seccomp.from_oci(@valid, arch: :pdp11) == {:error, {:bad_option, {:arch, :pdp11}}}
    assert Seccomp.from_oci(@valid, kernel: "6.1") == {:error, {:bad_option, {:kernel, "6.1"}}}
    assert Seccomp.from_oci(@valid, caps: :all) == {:error, {:bad_option, {:caps, :all}}}
  end

  defp entry(change) do
    [entry] = @valid["syscalls"]
    Seccomp.from_oci(%{@valid | "syscalls" => [Map.merge(entry, change)]})
  end
end
