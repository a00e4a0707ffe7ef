defmodule Linx.Landlock do
  @moduledoc """
  What the landlock of this kernel can restrict, see landlock(7).

      {:ok, abi} = Linx.Landlock.abi()
      Linx.Landlock.lacking([:execute, :refer, :connect_tcp], abi)

  Landlock lets any user restrict its own processes, root's included. Which accesses it knows grows with
  its ABI: 1 came with Linux 5.13, 2 with 5.19, 3 with 6.2, 4 with 6.7, 5 with 6.10, 6 with 6.12.
  The rules of a session are those of its `Linx.Sandbox`.
  """

  @definition Path.expand("../../c_src/protocol.def", __DIR__)
  @external_resource @definition

  abis =
    for [_, name, abi] <-
          Regex.scan(
            ~r/^LINX_(?:FSRIGHT|NETRIGHT|SCOPE)\((\w+), (\d+)\)/m,
            File.read!(@definition)
          ),
        do: {String.to_atom(name), String.to_integer(abi)}

  @abis Map.new(abis)
  @names Linx.Protocol.names()

  @typedoc "Access to files, to TCP ports, or a scope, by its name in landlock(7)."
  @type name :: atom

  @doc "What can be done with files and directories."
  @spec file_rights() :: [name]
  def file_rights, do: @names.fsright

  @doc "What can be done with TCP ports."
  @spec port_rights() :: [name]
  def port_rights, do: @names.netright

  @doc "What can be kept from reaching beyond the sandbox."
  @spec scopes() :: [name]
  def scopes, do: @names.scope

  @doc """
  The ABI of this kernel's landlock, 0 where it has none or has it turned off. Errors are those of
  starting an agent, which is asked.
  """
  @spec abi() :: {:ok, non_neg_integer} | {:error, term}
  def abi do
    with {:ok, hello} <- Linx.Agent.hello(), do: {:ok, hello.landlock_abi}
  end

  @doc "Whether this kernel has landlock."
  @spec supported?() :: boolean
  def supported?, do: match?({:ok, abi} when abi > 0, abi())

  @doc """
  Which of these an ABI lacks.

      iex> Linx.Landlock.lacking([:execute, :refer, :signal], 2)
      [:signal]
      iex> Linx.Landlock.lacking([:execute], 0)
      [:execute]
  """
  @spec lacking([name], non_neg_integer) :: [name]
  def lacking(names, abi), do: Enum.filter(names, &(Map.fetch!(@abis, &1) > abi))

  @doc """
  What an ABI enforces of the rules of a request (docs/protocol.md), and what it lacks for the rest. With
  `best_effort` that is what holds; otherwise rules that lack anything are refused.

      iex> rules = %{handled_fs: [:execute, :refer], paths: [{"/usr", [:execute, :refer]}]}
      iex> Linx.Landlock.enforced(rules, 1)
      {%{handled_fs: [:execute], paths: [{"/usr", [:execute]}]}, [:refer]}
  """
  @spec enforced(map, non_neg_integer) :: {map, lacking :: [name]}
  def enforced(rules, abi) do
    handled = for key <- [:handled_fs, :handled_net, :scopes], do: Map.get(rules, key, [])
    lacking = handled |> Enum.concat() |> lacking(abi)

    {Map.new(rules, fn
       {key, names} when key in [:handled_fs, :handled_net, :scopes] -> {key, names -- lacking}
       {key, list} when key in [:paths, :ports] -> {key, Enum.map(list, &less(&1, lacking))}
       other -> other
     end), lacking}
  end

  defp less({place, rights}, lacking), do: {place, rights -- lacking}
end
