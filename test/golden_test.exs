defmodule Linx.GoldenTest do
  # The agent's own suite reads the same files.
  use ExUnit.Case, async: true

  @directory Path.expand("fixtures/protocol", __DIR__)

  setup_all do
    {terms, _bindings} = Code.eval_file(Path.join(@directory, "terms.exs"))
    %{terms: Map.new(terms)}
  end

  defp read(name), do: File.read!(Path.join(@directory, "#{name}.etf"))

  test "each file holds its term, and each term has a file", %{terms: terms} do
    files = Path.wildcard(Path.join(@directory, "*.etf"))

    assert Enum.sort(Enum.map(files, &Path.basename(&1, ".etf"))) ==
             terms |> Map.keys() |> Enum.map(&Atom.to_string/1) |> Enum.sort()

    for {name, term} <- terms do
      assert :erlang.binary_to_term(read(name)) === term, "#{name}"
      assert :erlang.binary_to_term(Linx.Protocol.encode(nil, term)) === term, "#{name}"
    end
  end

  test "every event decodes to itself", %{terms: terms} do
    for {name, term} <- terms do
      case Atom.to_string(name) do
        "envelope_event_" <> _ ->
          assert {:ok, {id, event}} = Linx.Protocol.decode(read(name)), "#{name}"
          assert term == if(id, do: {id, event}, else: event), "#{name}"

        "event_" <> _ ->
          assert {:ok, event} = Linx.Protocol.decode_bare(read(name)), "#{name}"
          assert term == event or Tuple.append(term, nil) == event, "#{name}"

        _ ->
          :ok
      end
    end
  end

  test "the terms cover every command, event and key of the protocol", %{terms: terms} do
    atoms = terms |> Map.values() |> Enum.flat_map(&atoms/1) |> MapSet.new()
    names = Linx.Protocol.names()

    for kind <- [:command, :event, :key, :field, :namespace, :value], name <- names[kind] do
      assert name in atoms, "no golden frame has #{name}"
    end
  end

  defp atoms(term) when is_atom(term), do: [term]
  defp atoms(term) when is_tuple(term), do: term |> Tuple.to_list() |> Enum.flat_map(&atoms/1)
  defp atoms(%{} = map), do: map |> Map.to_list() |> Enum.flat_map(&atoms/1)
  defp atoms([head | tail]), do: atoms(head) ++ atoms(tail)
  defp atoms(_term), do: []
end
