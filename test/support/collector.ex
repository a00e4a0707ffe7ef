defmodule Linx.Test.Collector do
  @moduledoc """
  A collectable that sends what it gets to a process, as `{:collected, item}`.
  """

  @enforce_keys [:to]
  defstruct [:to]

  @type t :: %__MODULE__{to: pid}

  defimpl Collectable do
    @impl true
    def into(%{to: pid} = collector) do
      collect = fn
        :ok, {:cont, item} ->
          send(pid, {:collected, item})
          :ok

        :ok, :done ->
          collector

        :ok, :halt ->
          :ok
      end

      {:ok, collect}
    end
  end
end
