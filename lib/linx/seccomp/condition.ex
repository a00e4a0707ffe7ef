defmodule Linx.Seccomp.Condition do
  @moduledoc """
  Conditions on the arguments of a system call, and what the agent gets for them.

  The agent compares 64 bits. A condition on an argument of fewer (`Linx.Seccomp.Widths`) becomes
  rules with masks, of which each leaves the upper bits out:

      iex> Linx.Seccomp.Condition.to_wire(:socket, [{0, :eq, 38}])
      {:ok, [[{0, :masked_eq, 0xFFFFFFFF, 38}]]}
      iex> {:ok, rules} = Linx.Seccomp.Condition.to_wire(:socket, [{0, :ne, 38}])
      iex> length(rules)
      32

  The list is of alternatives: a call matches if all conditions of one of them hold.
  """

  import Bitwise

  alias Linx.Seccomp.Widths

  @ordered [:lt, :le, :gt, :ge]
  @ops [:eq, :ne | @ordered]
  @all_ones 0xFFFFFFFFFFFFFFFF

  @typedoc """
  What must hold of an argument, whose index comes first.

  Values and masks are 0..2^64-1. A negative number is what C passes for it; it can be compared by
  `:eq`, `:ne` and `:masked_eq`, since order is that of unsigned numbers. Beyond what the argument
  holds a value is refused, as is a condition that always or never holds.
  """
  @type t ::
          {0..5, :eq | :ne | :lt | :le | :gt | :ge, value :: integer}
          | {0..5, :masked_eq, mask :: integer, value :: integer}

  @type wire :: {0..5, atom, non_neg_integer} | {0..5, :masked_eq, non_neg_integer, integer}

  @doc """
  The alternatives for a call, or the condition that is none.

      iex> Linx.Seccomp.Condition.to_wire(:read, [{2, :lt, 0}])
      {:error, {2, :lt, 0}}
  """
  @spec to_wire(Linx.Seccomp.Filter.syscall(), [t]) :: {:ok, [[wire]]} | {:error, term}
  def to_wire(name, conditions) do
    with :ok <- check_list(conditions),
         do: alternatives(name, conditions, [[]])
  end

  defp check_list(list) when is_list(list) do
    cond do
      List.improper?(list) -> {:error, list}
      repeated = repeated(list) -> {:error, repeated}
      true -> :ok
    end
  end

  defp check_list(other), do: {:error, other}

  # Each argument is compared once: libseccomp holds one condition for each.
  defp repeated(list) do
    seen = for condition <- list, is_tuple(condition), condition != {}, do: elem(condition, 0)
    if again = List.first(seen -- Enum.uniq(seen)), do: List.keyfind(Enum.reverse(list), again, 0)
  end

  defp alternatives(_name, [], sofar), do: {:ok, Enum.map(sofar, &Enum.reverse/1)}

  defp alternatives(name, [condition | rest], sofar) do
    case one(name, condition) do
      [] -> {:error, condition}
      ways -> alternatives(name, rest, for(before <- sofar, way <- ways, do: [way | before]))
    end
  end

  # The ways in which one condition can hold; none for what is no condition.
  defp one(name, {index, :masked_eq, mask, value}) when index in 0..5 do
    width = Widths.of(name, index)

    with mask when is_integer(mask) <- reduce(mask, width),
         value when is_integer(value) <- reduce(value, width),
         true <- mask != 0 and band(value, bnot(mask)) == 0 do
      [{index, :masked_eq, mask, value}]
    else
      _ -> []
    end
  end

  defp one(name, {index, op, value}) when index in 0..5 and op in @ops do
    width = Widths.of(name, index)
    reduced = if op in @ordered, do: unsigned(value, width), else: reduce(value, width)
    most = (1 <<< width) - 1

    cond do
      reduced == nil -> []
      {op, reduced} in [{:lt, 0}, {:ge, 0}, {:gt, most}, {:le, most}] -> []
      width == 64 -> [{index, op, reduced}]
      true -> for {mask, bits} <- masks(op, reduced, width), do: {index, :masked_eq, mask, bits}
    end
  end

  defp one(_name, _other), do: []

  defp unsigned(value, width) when is_integer(value) and value in 0..((1 <<< width) - 1),
    do: value

  defp unsigned(_value, _width), do: nil

  # A negative int may be written as such, or with its sign extended to 64 bits.
  defp reduce(value, width) when is_integer(value) do
    extended = if value < 0, do: value + @all_ones + 1, else: value
    most = (1 <<< width) - 1

    cond do
      extended in 0..most -> extended
      extended in (@all_ones - (most >>> 1))..@all_ones -> band(extended, most)
      true -> nil
    end
  end

  defp reduce(_value, _width), do: nil

  # Masks and the values within them that hold together for exactly the numbers that compare so.
  defp masks(:eq, value, width), do: [{(1 <<< width) - 1, value}]
  defp masks(:ne, value, width), do: for(i <- 0..(width - 1), do: bit(i, 1 - bit_of(value, i)))
  defp masks(:le, value, width), do: masks(:lt, value + 1, width)
  defp masks(:ge, value, width), do: masks(:gt, value - 1, width)
  # Smaller: equal down to a bit that is set, and not set there. Greater: the other way round.
  defp masks(:lt, value, width), do: first_difference(value, 1, width)
  defp masks(:gt, value, width), do: first_difference(value, 0, width)

  defp first_difference(value, set, width) do
    for i <- 0..(width - 1), bit_of(value, i) == set do
      mask = (1 <<< width) - (1 <<< i)
      {mask, band(bxor(value, 1 <<< i), mask)}
    end
  end

  defp bit(i, set), do: {1 <<< i, set <<< i}
  defp bit_of(value, i), do: value >>> i &&& 1
end
