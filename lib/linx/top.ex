defmodule Linx.Top do
  @moduledoc """
  What the live sessions of a node are doing: the numbers behind `mix linx.top`.

      Linx.Top.print()

  prints the table once, which is of use in a shell on the node.
  """

  alias Linx.Process.Stats
  alias Linx.Top.View

  @typedoc """
    * `:name` - the session's pid as its node writes it
    * `:age_ms` - since the session was started
    * `:command` - what `/proc` says that runs there, `nil` while nothing does
    * `:stats` - `nil` where there are none yet
  """
  @type row :: %{
          name: String.t(),
          stage: Linx.Process.Info.stage(),
          paused?: boolean,
          host_pid: pos_integer | nil,
          age_ms: non_neg_integer,
          command: String.t() | nil,
          stats: Stats.t() | nil
        }

  @typedoc "`:at` is a moment of that node, in milliseconds; `:silent` counts what did not answer."
  @type sample :: %{node: node, at: integer, sessions: [row], silent: non_neg_integer}

  @at_once 32
  @patience_ms 2_000

  @doc "Asks every live session of this node."
  @spec sample() :: sample
  def sample do
    at = now()

    answers =
      Linx.Process.list()
      |> Task.async_stream(&row/1,
        max_concurrency: @at_once,
        timeout: @patience_ms,
        on_timeout: :kill_task,
        ordered: false
      )
      |> Enum.to_list()

    %{
      node: node(),
      at: at,
      sessions: for({:ok, {:ok, row}} <- answers, do: row),
      silent: Enum.count(answers, &match?({:exit, _}, &1))
    }
  end

  @doc "Prints the sessions of this node."
  @spec print() :: :ok
  def print, do: sample() |> View.text(nil) |> IO.write()

  # One that has ended in the meantime is left out.
  defp row(session) do
    with {:ok, %{result: nil} = info} <- Linx.Process.info(session) do
      {:ok,
       %{
         name: session |> :erlang.pid_to_list() |> to_string(),
         stage: info.stage,
         paused?: info.paused?,
         host_pid: info.host_pid,
         age_ms: max(now() - System.convert_time_unit(info.started_at, :native, :millisecond), 0),
         command: if(info.stage == :running, do: command(info.host_pid)),
         stats: stats(session)
       }}
    end
  end

  defp stats(session) do
    case Linx.Process.stats(session) do
      {:ok, stats} -> stats
      {:error, _} -> nil
    end
  end

  defp command(host_pid) do
    case File.read("/proc/#{host_pid}/cmdline") do
      {:ok, arguments} when arguments != "" ->
        arguments |> String.split("\0", trim: true) |> Enum.join(" ")

      _ ->
        nil
    end
  end

  defp now, do: System.monotonic_time(:millisecond)
end
