defmodule Linx.Seccomp.ProfileTest do
  use ExUnit.Case, async: true

  import Bitwise

  alias Linx.Seccomp.{Filter, Profile}

  test "the rules of every architecture are a filter" do
    for arch <- [:x86_64, :aarch64, :s390x] do
      {rules, default} = Profile.rules(arch)
      assert {:ok, %Filter{}} = Filter.new(rules, default)
      assert default == {:errno, :eperm}
    end
  end

  test "every family of sockets is allowed but two" do
    {rules, _default} = Profile.rules(:x86_64)
    masks = for {:allow, [:socket], [{0, :masked_eq, mask, value}]} <- rules, do: {mask, value}

    allowed? = fn family ->
      Enum.any?(masks, fn {mask, value} -> band(family, mask) == value end)
    end

    assert Enum.reject(0..63, allowed?) == [38, 40]
    for bit <- 6..31, family <- [0, 1, 38, 40], do: refute(allowed?.(family ||| 1 <<< bit))
  end

  test "the flags of clone are where the architecture has them" do
    for {arch, index} <- [x86_64: 0, aarch64: 0, s390x: 1] do
      {rules, _default} = Profile.rules(arch)
      assert [[{^index, :masked_eq, 0x7E020000, 0}]] = for({:allow, [:clone], c} <- rules, do: c)
    end
  end
end
