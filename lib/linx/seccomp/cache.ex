defmodule Linx.Seccomp.Cache do
  @moduledoc """
  What an agent was asked about filters, so that it is asked once.

  libseccomp takes milliseconds for a long filter, during which an agent serves no other session.
  """

  # A program is at most 32 KiB. Who makes ever new filters loses the old ones, and nothing else.
  @most 256

  @doc false
  @spec new() :: :ets.table()
  def new, do: :ets.new(__MODULE__, [:named_table, :public, :set, read_concurrency: true])

  @doc """
  What is known under a key; otherwise what `find` answers, which is kept if it is `{:ok, answer}`.
  """
  @spec fetch(term, (() -> {:ok, term} | error)) :: {:ok, term} | error when error: term
  def fetch(key, find) do
    # Without a table the application is not started, which `find` is told by the agents.
    case :ets.whereis(__MODULE__) != :undefined and :ets.lookup(__MODULE__, key) do
      [{_key, answer}] -> {:ok, answer}
      [] -> with {:ok, answer} <- find.(), do: keep(key, answer)
      false -> find.()
    end
  end

  defp keep(key, answer) do
    if :ets.info(__MODULE__, :size) >= @most, do: :ets.delete_all_objects(__MODULE__)
    :ets.insert(__MODULE__, {key, answer})
    {:ok, answer}
  end
end
