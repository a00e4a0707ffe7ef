defmodule Linx.Process.Outcome do
  @moduledoc """
  How a session ended, and what each of those who want to know is told.

      iex> alias Linx.Process.Outcome
      iex> result = Outcome.of({:status, :signaled, 9})
      {:signaled, 9}
      iex> {Outcome.answer(result), Outcome.message(result), Outcome.stop_reason(result)}
      {{:ok, {:signaled, 9}}, {:signaled, 9}, {:signaled, 9}}
  """

  alias Linx.Process.{Error, Info}

  @type result :: Info.result()

  @doc "What a terminal event says."
  @spec of(Linx.Protocol.event()) :: result
  def of({:status, :aborted, _pid}), do: :aborted
  def of({:status, how, number}), do: {how, number}
  def of({:error, code, stage, detail}), do: {:error, Error.new(code, stage, detail)}

  @doc "The session's stage from then on."
  @spec stage(result) :: Info.stage()
  def stage(:aborted), do: :aborted
  def stage({:error, _error}), do: :errored
  def stage({how, _number}), do: how

  @doc "For who waits."
  @spec answer(result) :: {:ok, term} | {:error, Error.t()}
  def answer({:error, error}), do: {:error, error}
  def answer(result), do: {:ok, result}

  @doc "For the owner, without what every message starts with."
  @spec message(result) :: tuple
  def message(:aborted), do: {:aborted}
  def message({:error, %Error{code: code, stage: stage}}), do: {:error, code, stage}
  def message(result), do: result

  @doc """
  For the supervisor of a session that does not linger.

      iex> Linx.Process.Outcome.stop_reason({:exited, 0})
      :normal
  """
  @spec stop_reason(result) :: term
  def stop_reason({:exited, 0}), do: :normal
  def stop_reason(:aborted), do: {:shutdown, :aborted}
  def stop_reason(result), do: result
end
