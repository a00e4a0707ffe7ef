defmodule Linx.Seccomp.Names do
  @moduledoc """
  Which system calls this machine's libseccomp knows, for rules that were written for more than one.
  """

  alias Linx.Seccomp.{Cache, Filter}

  @doc """
  The names, of those given, that are of no call here. An agent is asked once for each set.
  """
  @spec unknown([Filter.syscall()]) :: {:ok, MapSet.t(Filter.syscall())} | {:error, term}
  def unknown(names) do
    names = names |> Enum.uniq() |> Enum.sort()
    Cache.fetch({:unknown, names}, fn -> ask(names, MapSet.new()) end)
  end

  # Rules that repeat the default cost libseccomp nothing, and the agent names the first that fails.
  defp ask(names, unknown) do
    {:ok, filter} = Filter.new([{:allow, names}], :allow)

    case Linx.Seccomp.compile(filter) do
      {:ok, _bpf} -> {:ok, unknown}
      {:error, {:unknown_syscall, name}} -> ask(names -- [name], MapSet.put(unknown, name))
      error -> error
    end
  end

  @doc "Rules without these names, and without rules that are left with none."
  @spec leave_out([Filter.rule()], MapSet.t(Filter.syscall())) :: [Filter.rule()]
  def leave_out(rules, unknown) do
    for rule <- rules,
        kept = Enum.reject(elem(rule, 1), &MapSet.member?(unknown, &1)),
        kept != [],
        do: put_elem(rule, 1, kept)
  end
end
