defmodule Linx.Seccomp.ConditionTest do
  use ExUnit.Case, async: true

  import Bitwise

  alias Linx.Seccomp.{Condition, Filter, Widths}

  doctest Condition
  doctest Widths

  # Arguments that count with 16, 32 and 64 bits.
  @calls [openat: 3, ioctl: 1, read: 2]
  @ops [:eq, :ne, :lt, :le, :gt, :ge]

  test "the widths that the others build on" do
    assert for({name, index} <- @calls, do: Widths.of(name, index)) == [16, 32, 64]
  end

  test "a condition holds for what the kernel takes the argument for" do
    for {name, index} <- @calls,
        width = Widths.of(name, index),
        value <- numbers(width),
        op <- @ops,
        {:ok, alternatives} <- [Condition.to_wire(name, [{index, op, value}])],
        argument <- numbers(64) do
      taken_for = band(argument, (1 <<< width) - 1)

      assert matches?(alternatives, index, argument) == holds?(op, taken_for, value),
             "#{name}: #{argument} #{op} #{value}"
    end
  end

  test "masks leave out what the kernel drops" do
    assert Condition.to_wire(:ioctl, [{1, :masked_eq, 0xFFFFFFFFFFFFFFFF, 7}]) ==
             {:ok, [[{1, :masked_eq, 0xFFFFFFFF, 7}]]}

    assert Condition.to_wire(:read, [{2, :masked_eq, 0xFFFFFFFFFFFFFFFF, 7}]) ==
             {:ok, [[{2, :masked_eq, 0xFFFFFFFFFFFFFFFF, 7}]]}
  end

  test "a negative int is what C passes" do
    at_fdcwd = [[{0, :masked_eq, 0xFFFFFFFF, 0xFFFFFF9C}]]
    assert Condition.to_wire(:openat, [{0, :eq, -100}]) == {:ok, at_fdcwd}
    assert Condition.to_wire(:openat, [{0, :eq, 0xFFFFFFFFFFFFFF9C}]) == {:ok, at_fdcwd}
    assert Condition.to_wire(:read, [{2, :eq, -1}]) == {:ok, [[{2, :eq, 0xFFFFFFFFFFFFFFFF}]]}
  end

  test "all conditions of a rule hold together" do
    {:ok, alternatives} = Condition.to_wire(:socket, [{0, :eq, 1}, {1, :lt, 3}])
    assert length(alternatives) == 2

    for [family, type] <- alternatives do
      assert family == {0, :masked_eq, 0xFFFFFFFF, 1}
      assert {1, :masked_eq, _, _} = type
    end
  end

  test "what is no condition is named, and what always or never holds" do
    for bad <- [
          {6, :eq, 0},
          {-1, :eq, 0},
          {0, :is, 0},
          {0, :eq},
          {0, :eq, 0, 0},
          {0, :eq, 1.0},
          {0, :eq, 1 <<< 64},
          {0, :eq, 1 <<< 32},
          {0, :lt, -1},
          {0, :lt, 0},
          {0, :ge, 0},
          {0, :gt, 0xFFFFFFFF},
          {0, :le, 0xFFFFFFFF},
          {0, :masked_eq, 0, 0},
          {0, :masked_eq, 0xFFFFFFFF00000000, 0},
          {0, :masked_eq, 1, 2},
          :family
        ] do
      assert Condition.to_wire(:socket, [bad]) == {:error, bad}
      assert Filter.new([{:allow, [:socket], [bad]}], :log) == {:error, {:bad_rule, bad}}
    end

    assert Condition.to_wire(:socket, [{0, :eq, 1}, {0, :eq, 2}]) == {:error, {0, :eq, 2}}
    assert Condition.to_wire(:socket, :family) == {:error, :family}
    assert Condition.to_wire(:socket, [{0, :eq, 1} | :more]) == {:error, [{0, :eq, 1} | :more]}
  end

  defp numbers(width) do
    for(i <- 0..(width - 1)//5, d <- [-1, 0, 1], do: (1 <<< i) + d)
    |> Enum.concat([(1 <<< width) - 1, band(0x1234_5678_9ABC_DEF0, (1 <<< width) - 1)])
    |> Enum.uniq()
  end

  defp matches?(alternatives, index, argument) do
    Enum.any?(alternatives, fn
      [{^index, :masked_eq, mask, value}] -> band(argument, mask) == value
      [{^index, op, value}] -> holds?(op, argument, value)
    end)
  end

  defp holds?(:eq, a, b), do: a == b
  defp holds?(:ne, a, b), do: a != b
  defp holds?(:lt, a, b), do: a < b
  defp holds?(:le, a, b), do: a <= b
  defp holds?(:gt, a, b), do: a > b
  defp holds?(:ge, a, b), do: a >= b
end
