defmodule Linx.Test.Property do
  @moduledoc """
  PropEr without its macros, which are Erlang's: `forall/2` is what `?FORALL` comes to.

      holds(forall(:proper_types.integer(), fn n -> is_integer(n) end))
  """

  import ExUnit.Assertions

  @tests 2000

  @doc "Fails the test, with what PropEr prints, unless the property holds of many values."
  @spec holds(term) :: :ok
  def holds(property) do
    output = fn format, arguments ->
      send(self(), {:output, :io_lib.format(format, arguments)})
    end

    options = [:noshrink, {:numtests, @tests}, {:on_output, output}]

    if :proper.quickcheck(property, options) != true do
      flunk("the property does not hold:\n#{printed()}")
    end

    :ok
  end

  defp printed do
    receive do
      {:output, text} -> "#{text}#{printed()}"
    after
      0 -> ""
    end
  end

  @doc "That a function is true of every value of a type."
  @spec forall(term, (term -> boolean)) :: term
  def forall(type, property), do: :proper.forall(type, property)

  @doc "The type of what a function makes of a type's values."
  @spec let(term, (term -> term)) :: term
  def let(type, make), do: :proper_types.bind(type, make, false)
end
