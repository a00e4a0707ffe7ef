defmodule Linx.Seccomp.Names do
  @moduledoc """
  Which system calls this machine's libseccomp knows, for rules that were written for more than one.
  """

  alias Linx.Seccomp.Cache

  # As many rules as an agent takes at once.
  @chunk 1024

  @doc """
  The names, of those given, that are of no call here. An agent is asked once for each set.

  Names are strings: that of an unknown call need not become an atom.
  """
  @spec unknown([String.t()]) :: {:ok, MapSet.t(String.t())} | {:error, term}
  def unknown(names) do
    names = names |> Enum.uniq() |> Enum.sort()
    Cache.fetch({:unknown, names}, fn -> ask(Enum.chunk_every(names, @chunk), MapSet.new()) end)
  end

  # Rules that repeat the default cost libseccomp nothing, and the agent names the first that fails.
  defp ask([], unknown), do: {:ok, unknown}

  defp ask([names | rest], unknown) do
    wire = %{default: :allow, rules: for(name <- names, do: {:allow, name, []})}

    case Linx.Agent.compile_seccomp(wire) do
      {:ok, _bpf} ->
        ask(rest, unknown)

      {:error, {:einval, detail} = reason} ->
        if detail in names,
          do: ask([names -- [detail] | rest], MapSet.put(unknown, detail)),
          else: {:error, reason}

      error ->
        error
    end
  end

  @doc "Rules without these names, and without rules that are left with none."
  @spec leave_out([tuple], MapSet.t(String.t())) :: [tuple]
  def leave_out(rules, unknown) do
    for rule <- rules,
        kept = Enum.reject(elem(rule, 1), &(to_string(&1) in unknown)),
        kept != [],
        do: put_elem(rule, 1, kept)
  end
end
