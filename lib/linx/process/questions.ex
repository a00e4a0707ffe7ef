defmodule Linx.Process.Questions do
  @moduledoc """
  What a session asks its agent and answers its callers when the agent has: `:stats`, `:pause` and
  `:resume`. A part of `Linx.Process.Machine`.

      iex> alias Linx.Process.{Machine, Questions}
      iex> running = Machine.new(mode: :spawn, linger: true, stage: :running, host_pid: 41)
      iex> {session, actions} = Questions.ask(running, :caller, :pause)
      iex> actions
      [{:write, :pause, nil}]
      iex> {session, actions} = Questions.answered(session, {:status, :paused})
      iex> {session.paused?, actions}
      {true, [{:reply, :caller, :ok}]}

  Answers to one question come in the order in which it was asked.
  """

  alias Linx.Errno
  alias Linx.Process.{Machine, Stats}

  @type question :: :stats | :pause | :resume

  @ebusy 16

  @doc "A caller asks; of a workload that has not ended."
  @spec ask(Machine.t(), Machine.from(), question) :: {Machine.t(), [Machine.action()]}
  def ask(%{host_pid: nil} = m, from, :stats), do: {m, [{:reply, from, {:error, :not_ready}}]}
  def ask(m, from, :stats), do: write(m, from, :stats)
  def ask(%{stage: :running} = m, from, question), do: write(m, from, question)
  def ask(m, from, _question), do: {m, [{:reply, from, {:error, :not_running}}]}

  defp write(m, from, question),
    do: {%{m | asked: m.asked ++ [{question, from}]}, [{:write, question, nil}]}

  @doc "The agent's answer."
  @spec answered(Machine.t(), {:stats, map} | {:status, :paused | :resumed}) ::
          {Machine.t(), [Machine.action()]}
  def answered(m, {:stats, map}), do: reply(m, :stats, {:ok, Stats.new(map)})
  def answered(m, {:status, :paused}), do: reply(%{m | paused?: true}, :pause, :ok)
  def answered(m, {:status, :resumed}), do: reply(%{m | paused?: false}, :resume, :ok)

  @doc "The agent refuses: `:error` where nobody has asked this."
  @spec refused(Machine.t(), code :: integer, name :: atom) ::
          {:ok, {Machine.t(), [Machine.action()]}} | :error
  def refused(m, code, name) do
    if List.keymember?(m.asked, name, 0),
      do: {:ok, reply(m, name, {:error, reason(code, name)})},
      else: :error
  end

  defp reason(@ebusy, :stats), do: :not_ready
  defp reason(@ebusy, _question), do: :not_running

  defp reason(code, _question) do
    case Errno.to_name(code) do
      {:ok, name} -> name
      :error -> code
    end
  end

  # Without an asker it was this side's own doing.
  defp reply(m, question, answer) do
    case List.keytake(m.asked, question, 0) do
      {{^question, from}, asked} -> {%{m | asked: asked}, [{:reply, from, answer}]}
      nil -> {m, []}
    end
  end

  @doc "Whether the workload is paused, or will be when the agent has answered."
  @spec pausing?(Machine.t()) :: boolean
  def pausing?(m), do: m.paused? or List.keymember?(m.asked, :pause, 0)

  @doc "Nobody will answer any more."
  @spec over(Machine.t()) :: {Machine.t(), [Machine.action()]}
  def over(m) do
    replies = for {_question, from} <- m.asked, do: {:reply, from, {:error, :no_process}}
    {%{m | asked: [], paused?: false}, replies}
  end
end
