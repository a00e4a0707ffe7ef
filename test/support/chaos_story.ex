defmodule Linx.Test.Chaos.Story do
  @moduledoc """
  What the owner of a round is told, and whether that can be.

      {:ready, pid} = Story.await_first(round)
      [{:ready, ^pid}, {:aborted}] = Story.tell(round, "an abort")
  """

  import ExUnit.Assertions

  alias Linx.Test.Chaos
  alias Linx.Test.Chaos.Processes

  @doc "Waits for the first message, without what every message starts with. It stays in the story."
  @spec await_first(Chaos.t()) :: tuple
  def await_first(%{token: token}) do
    assert_receive message when elem(message, 0) == :linx_process and elem(message, 1) == token,
                   10_000

    first = untagged(message)
    Process.put({__MODULE__, token}, [first])
    first
  end

  defp untagged(message), do: message |> Tuple.delete_at(0) |> Tuple.delete_at(0)

  @doc """
  What the owner was told, without the tag, once everything of the round is gone. Fails unless it is
  a legal story: in order, with exactly one end.
  """
  @spec tell(Chaos.t(), String.t()) :: [tuple]
  def tell(%{token: token} = round, what) do
    # The port closes when the guard is dead; whatever it had to say has then been heard.
    Processes.await(fn -> no_port?(round.session) end, fn -> "#{what}: the port is open" end)
    {:ok, info} = Linx.Process.info(round.session)
    story = Process.get({__MODULE__, token}, []) ++ told(token)
    assert legal?(story), "#{what}: told #{inspect(story)}, and info is #{inspect(info)}"
    story
  end

  defp no_port?(session) do
    {:links, links} = Process.info(session, :links)
    not Enum.any?(links, &is_port/1)
  end

  defp told(token) do
    receive do
      message when elem(message, 0) == :linx_process and elem(message, 1) == token ->
        [untagged(message) | told(token)]
    after
      0 -> []
    end
  end

  @doc "Whether this is what an owner may be told, from the first message to the last."
  @spec legal?([tuple]) :: boolean
  def legal?([{:ready, _} | rest]), do: legal_from_ready?(rest)
  def legal?(rest), do: ended_before_exec?(rest)

  defp legal_from_ready?([:running | _]), do: false
  defp legal_from_ready?([{:running} | rest]), do: ended_after_exec?(rest)
  defp legal_from_ready?(rest), do: ended_before_exec?(rest)

  defp ended_before_exec?([{:aborted}]), do: true
  defp ended_before_exec?([{:signaled, _}]), do: true
  defp ended_before_exec?([{:error, _, _}]), do: true
  defp ended_before_exec?(_), do: false

  defp ended_after_exec?([{:exited, _}]), do: true
  defp ended_after_exec?([{:signaled, _}]), do: true
  defp ended_after_exec?([{:error, _, _}]), do: true
  defp ended_after_exec?(_), do: false
end
