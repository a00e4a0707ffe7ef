defmodule Linx.Top.Remote do
  @moduledoc """
  Another node's sessions, over Erlang distribution.

      :ok = Linx.Top.Remote.connect(:"app@host", :secret)
      {:ok, sample} = Linx.Top.Remote.sample(:"app@host")

  The node that asks is hidden, and listens for nobody: it can be reached only by whom it reaches.
  """

  @timeout_ms 10_000

  @doc """
  Connects to a node, and makes this BEAM a node for that where it is none. With `nil` the cookie is
  this user's.
  """
  @spec connect(node, cookie :: atom | nil) :: :ok | {:error, String.t()}
  def connect(node, cookie) do
    with :ok <- be_node(node) do
      if cookie, do: Node.set_cookie(node, cookie)

      if Node.connect(node) == true,
        do: :ok,
        else: {:error, "#{node} cannot be reached: is it up, and is this its cookie?"}
    end
  end

  defp be_node(other) do
    if Node.alive?(), do: :ok, else: start(name_domain(other))
  end

  # Nodes with short and with long names do not talk to each other.
  defp name_domain(node) do
    [_, host] = node |> Atom.to_string() |> String.split("@", parts: 2)
    if String.contains?(host, "."), do: :longnames, else: :shortnames
  end

  defp start(domain) do
    options = %{name_domain: domain, hidden: true, dist_listen: false}

    case :net_kernel.start(own_name(domain), options) do
      {:ok, _} -> :ok
      {:error, reason} -> {:error, "this BEAM cannot become a node: #{inspect(reason)}"}
    end
  end

  defp own_name(:shortnames), do: unique_name()
  defp own_name(:longnames), do: :"#{unique_name()}@127.0.0.1"

  # Unlike a pid alone: askers on several hosts may call themselves 127.0.0.1.
  defp unique_name, do: :"linx_top_#{System.pid()}_#{:rand.uniform(0xFFFFFFFF)}"

  @doc "What `Linx.Top.sample/0` answers there."
  @spec sample(node) :: {:ok, Linx.Top.sample()} | {:error, String.t()}
  def sample(node) do
    {:ok, :erpc.call(node, Linx.Top, :sample, [], @timeout_ms)}
  rescue
    error in ErlangError -> {:error, "#{node} #{what(error.original)}"}
    # On that node.
    UndefinedFunctionError -> {:error, "#{node} runs no Linx that knows this task"}
  end

  defp what({:erpc, :noconnection}), do: "cannot be reached any more"
  defp what({:erpc, :timeout}), do: "does not answer"
  defp what({:exception, :undef, _stack}), do: "runs no Linx that knows this task"
  defp what(reason), do: "fails: #{inspect(reason)}"
end
