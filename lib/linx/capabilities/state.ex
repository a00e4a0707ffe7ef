defmodule Linx.Capabilities.State do
  @moduledoc """
  The five capability sets of a thread, as `MapSet`s of atoms.

      iex> {:ok, state} = Linx.Capabilities.State.parse(\"""
      ...> CapInh:\\t0000000000000000
      ...> CapPrm:\\t0000000000000009
      ...> CapEff:\\t0000000000000008
      ...> CapBnd:\\t000001ffffffffff
      ...> CapAmb:\\t0000000000000000
      ...> \""")
      iex> state.effective
      MapSet.new([:cap_fowner])
      iex> MapSet.size(state.bounding)
      41

  `capabilities(7)` says what each set is for. `inspect/1` shows a set that holds all named
  capabilities as `:all`, and one that lacks a few as `{:all_but, list}`.
  """

  alias Linx.Capabilities.Constants

  @enforce_keys [:effective, :permitted, :inheritable, :bounding, :ambient]
  defstruct @enforce_keys

  @type set :: MapSet.t(Constants.capability())
  @type t :: %__MODULE__{
          effective: set,
          permitted: set,
          inheritable: set,
          bounding: set,
          ambient: set
        }

  @fields [
    effective: "CapEff",
    permitted: "CapPrm",
    inheritable: "CapInh",
    bounding: "CapBnd",
    ambient: "CapAmb"
  ]

  @doc """
  Reads the sets out of the text of `/proc/PID/status`.

      iex> Linx.Capabilities.State.parse("Name:\\tcat\\n")
      {:error, {:missing, "CapEff"}}
  """
  @spec parse(String.t()) :: {:ok, t} | {:error, {:missing, String.t()}}
  def parse(status) do
    lines =
      for line <- String.split(status, "\n"),
          [name, value] <- [String.split(line, ":\t", parts: 2)],
          into: %{},
          do: {name, value}

    Enum.reduce_while(@fields, {:ok, []}, fn {field, name}, {:ok, sets} ->
      case lines |> Map.get(name, "") |> Integer.parse(16) do
        {mask, ""} -> {:cont, {:ok, [{field, Constants.from_bits(mask)} | sets]}}
        _ -> {:halt, {:error, {:missing, name}}}
      end
    end)
    |> case do
      {:ok, sets} -> {:ok, struct!(__MODULE__, sets)}
      error -> error
    end
  end

  defimpl Inspect do
    import Inspect.Algebra

    @fields [:effective, :permitted, :inheritable, :bounding, :ambient]
    @named MapSet.new(Linx.Capabilities.Constants.all())

    def inspect(state, opts) do
      sets = for field <- @fields, do: {field, state |> Map.fetch!(field) |> brief()}
      concat(["#Linx.Capabilities.State<", to_doc(sets, opts), ">"])
    end

    # A large set is told by what it lacks.
    defp brief(set) do
      missing = MapSet.difference(@named, set)

      cond do
        set == @named ->
          :all

        MapSet.subset?(set, @named) and MapSet.size(missing) < 10 ->
          {:all_but, Enum.sort(missing)}

        true ->
          Enum.sort(set)
      end
    end
  end
end
