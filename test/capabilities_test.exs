defmodule Linx.CapabilitiesTest do
  use ExUnit.Case, async: true

  alias Linx.Capabilities
  alias Linx.Capabilities.{Constants, State}

  doctest Linx.Capabilities
  doctest Linx.Capabilities.Constants
  doctest Linx.Capabilities.State

  # A status file as the kernel writes it, down to what stands around the sets.
  @status """
  Name:\tsh
  Groups:\t0 \nNSpid:\t4711\t1
  CapInh:\t0000000000000000
  CapPrm:\t000001ffffffffff
  CapEff:\t0000000000003000
  CapBnd:\t000001fffffffffe
  CapAmb:\t0000000000000000
  NoNewPrivs:\t0
  """

  describe "Constants" do
    test "names 41 capabilities, each with a bit of its own, in order" do
      assert length(Constants.all()) == 41
      assert Enum.map(Constants.all(), &Constants.to_bit/1) == Enum.map(0..40, &{:ok, &1})
      assert Constants.last_cap() == List.last(Constants.all())
    end

    # Spot checks against include/uapi/linux/capability.h.
    test "has the kernel's numbers" do
      assert Constants.to_bit(:cap_setpcap) == {:ok, 8}
      assert Constants.to_bit(:cap_sys_admin) == {:ok, 21}
      assert Constants.to_bit(:cap_setfcap) == {:ok, 31}
      assert Constants.to_bit(:cap_audit_read) == {:ok, 37}
    end

    test "any mask comes back whole, also with bits that have no name yet" do
      for mask <- [0, 1, 0x1FFFFFFFFFF, 0x20000000000, 0xFFFFFFFFFFFFFFFF] do
        assert mask |> Constants.from_bits() |> Constants.to_bits() == {:ok, mask}
      end

      assert Constants.from_bit(41) == {:ok, :cap_41}
      refute :cap_41 in Constants.all()
    end

    test "says which name is wrong" do
      assert Constants.to_bits([:cap_chown, :cap_nonsense]) ==
               {:error, {:bad_capability, :cap_nonsense}}

      assert Constants.to_bits(:cap_chown) == {:error, {:bad_capability, :cap_chown}}
      assert Constants.to_bits([:cap_chown | 7]) == {:error, {:bad_capability, 7}}
      assert Constants.to_bits(MapSet.new([1])) == {:error, {:bad_capability, 1}}
      assert Constants.from_bit(-1) == {:error, {:bad_capability, -1}}
    end
  end

  describe "State.parse/1" do
    test "reads the five sets" do
      assert {:ok, state} = State.parse(@status)
      assert state.effective == MapSet.new([:cap_net_admin, :cap_net_raw])
      assert state.permitted == MapSet.new(Constants.all())
      assert state.bounding == MapSet.delete(state.permitted, :cap_chown)
      assert state.inheritable == MapSet.new()
      assert state.ambient == MapSet.new()
    end

    test "names the set that is missing or unreadable" do
      assert State.parse(String.replace(@status, "CapAmb", "Other")) ==
               {:error, {:missing, "CapAmb"}}

      assert State.parse(String.replace(@status, "0000000000003000", "?")) ==
               {:error, {:missing, "CapEff"}}
    end

    test "is short where it is inspected" do
      {:ok, state} = State.parse(@status)

      assert inspect(state, width: :infinity) ==
               "#Linx.Capabilities.State<[effective: [:cap_net_admin, :cap_net_raw], " <>
                 "permitted: :all, inheritable: [], bounding: {:all_but, [:cap_chown]}, ambient: []]>"
    end
  end

  describe "read/1" do
    test "agrees with /proc" do
      {:ok, state} = Capabilities.read(:self)
      {:ok, mask} = Constants.to_bits(state.bounding)
      [_, hex] = Regex.run(~r/^CapBnd:\t(\w+)$/m, File.read!("/proc/self/status"))
      assert String.to_integer(hex, 16) == mask
    end

    test "of a pid that no process has" do
      assert Capabilities.read(2_147_483_647) == {:error, :no_process}
    end

    test "takes pids only" do
      assert_raise FunctionClauseError, fn -> Capabilities.read(0) end
      assert_raise FunctionClauseError, fn -> Capabilities.read("1") end
    end
  end

  # Wrong arguments are answered before the session is asked, so none is needed here.
  describe "arguments at the checkpoint" do
    test "a wrong capability" do
      bad = {:error, {:bad_capability, :net_admin}}
      assert Capabilities.drop_bounding(self(), [:net_admin]) == bad
      assert Capabilities.set_ambient(self(), [:cap_chown, :net_admin]) == bad

      assert Capabilities.set_thread_sets(self(),
               effective: [],
               permitted: [:net_admin],
               inheritable: []
             ) == bad
    end

    test "a missing, unknown or shapeless set" do
      assert Capabilities.set_thread_sets(self(), effective: [], permitted: []) ==
               {:error, {:bad_thread_sets, {:missing, :inheritable}}}

      assert Capabilities.set_thread_sets(self(), effective: [], ambient: []) ==
               {:error, {:bad_thread_sets, {:unknown, :ambient}}}

      assert Capabilities.set_thread_sets(self(), [:cap_chown]) ==
               {:error, {:bad_thread_sets, {:not_a_keyword_list, [:cap_chown]}}}
    end
  end
end
