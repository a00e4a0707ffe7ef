defmodule Linx.Process.Flow do
  @moduledoc """
  What a session does about its streams (`Linx.Process.Streams`), as a part of
  `Linx.Process.Machine`.

  It knows of the session what the streams do not: whether it has any, how far it is, and that its
  end is told to the owner after the output that is still the owner's.

      iex> alias Linx.Process.{Flow, Machine}
      iex> session = Machine.new(mode: :spawn, linger: true)
      iex> {_session, actions} = Flow.call(session, :caller, :close_stdin)
      iex> actions
      [{:reply, :caller, {:error, :no_pipe}}]
  """

  alias Linx.Process.{Machine, Outcome, Streams}
  alias Linx.Process.Streams.Input

  @epipe 32

  @doc "The agent takes input from now on."
  @spec open(Machine.t()) :: {Machine.t(), [Machine.action()]}
  def open(%{streams: nil} = m), do: {m, []}
  def open(m), do: input(m, &Input.open/1)

  @doc "The agent has said something of a stream."
  @spec event(Machine.t(), Linx.Protocol.event()) :: {Machine.t(), [Machine.action()]}
  def event(%{streams: nil} = m, _event), do: {m, []}
  def event(m, {:stdin_ack, bytes}), do: input(m, &Input.acked(&1, bytes))
  def event(m, {:stdin, :closed}), do: change(m, &Streams.shut_input(&1, unwritten(m)))
  def event(m, {name, :eof}), do: change(m, &Streams.eof(&1, name))
  def event(m, {name, bytes}), do: change(m, &Streams.arrived(&1, name, bytes))

  @doc "A refusal: `:error` unless it is that of bytes for a pipe, which is closed then."
  @spec refused(Machine.t(), integer, atom) :: {:ok, {Machine.t(), [Machine.action()]}} | :error
  def refused(%{streams: %{input: %{command: :stdin}}} = m, code, :stdin) do
    {m, unwritten} = change(m, &Streams.shut_input(&1, {:error, :closed}))
    # The workload has closed its end before the agent could say so.
    tell = if code == @epipe, do: [], else: [{:tell, {:refused, code, :stdin}}]
    {:ok, {m, unwritten ++ tell}}
  end

  def refused(_m, _code, _name), do: :error

  @doc "A caller wants something of a stream."
  @spec call(Machine.t(), Machine.from(), term) :: {Machine.t(), [Machine.action()]}
  def call(%{pty?: false} = m, from, {:pty_write, _, _}), do: refuse(m, from, :no_pty)

  def call(%{result: result} = m, from, {:pty_write, _, _}) when result != nil,
    do: refuse(m, from, :no_process)

  def call(%{stage: :running} = m, from, {:pty_write, ref, bytes}),
    do: input(m, &Input.write(&1, from, ref, bytes))

  def call(m, from, {:pty_write, _, _}), do: refuse(m, from, :not_running)

  def call(%{streams: %{input: %{command: :stdin}}} = m, from, {:write, ref, bytes}),
    do: input(m, &Input.write(&1, from, ref, bytes))

  def call(%{streams: %{input: %{command: :stdin}}} = m, from, :close_stdin) do
    {m, actions} = input(m, &Input.close/1)
    {m, [{:reply, from, :ok} | actions]}
  end

  def call(%{streams: %{}} = m, from, {:recv, ref, name, timeout}),
    do: change(m, &Streams.recv(&1, from, ref, name, timeout))

  def call(%{streams: %{}, told?: false} = m, from, {:set_active, mode}),
    do: change(m, &Streams.set_active(&1, from, mode))

  def call(%{streams: %{}} = m, from, {:set_active, _mode}), do: refuse(m, from, :no_process)
  def call(m, from, {:recv, _, :pty_out, _}), do: refuse(m, from, :no_pty)
  def call(m, from, _request), do: refuse(m, from, :no_pipe)

  @doc "Who waited for a stream is dead."
  @spec gone(Machine.t(), reference) :: {Machine.t(), []}
  def gone(%{streams: nil} = m, _ref), do: {m, []}
  def gone(m, ref), do: {%{m | streams: Streams.gone(m.streams, ref)}, []}

  @doc "Who waits for output has waited long enough."
  @spec overdue(Machine.t(), reference) :: {Machine.t(), [Machine.action()]}
  def overdue(%{streams: nil} = m, _ref), do: {m, []}
  def overdue(m, ref), do: change(m, &Streams.overdue(&1, ref))

  @doc """
  The workload has ended: what is answered now, and what is told and done as soon as nobody is owed
  any output.
  """
  @spec over(Machine.t()) :: {Machine.t(), [Machine.action()]}
  def over(%{streams: nil} = m), do: {m, []}

  def over(m) do
    {streams, actions} = Streams.over(m.streams, unwritten(m))
    {%{m | streams: streams}, actions}
  end

  @doc """
  What the end of the session comes to, once it is known: the message to the owner, which comes after
  the output that is the owner's, and the end of the process, which waits for who reads.
  """
  @spec conclude(Machine.t()) :: {Machine.t(), told :: [Machine.action()], [Machine.action()]}
  def conclude(m) do
    told = not m.told? and not Streams.owed?(m.streams)
    m = %{m | told?: m.told? or told}
    {m, if(told, do: [{:tell, Outcome.message(m.result)}], else: []), stop(m)}
  end

  defp stop(%{told?: false}), do: []

  defp stop(%{linger: false} = m) do
    if Streams.unread?(m.streams) and not m.leaving?,
      do: [],
      else: [{:stop, Outcome.stop_reason(m.result)}]
  end

  defp stop(%{leaving?: true}), do: [{:stop, :normal}]
  defp stop(_lingering), do: []

  defp input(m, change), do: change(m, &Streams.input(&1, change))

  defp change(%{result: result} = m, change) do
    {streams, actions} = change.(m.streams)
    m = %{m | streams: streams}

    if result == nil do
      {m, actions}
    else
      {m, told, stop} = conclude(m)
      {m, actions ++ told ++ stop}
    end
  end

  # To a PTY nobody writes once its workload has ended; a pipe is closed.
  defp unwritten(%{pty?: true}), do: {:error, :no_process}
  defp unwritten(_m), do: {:error, :closed}

  defp refuse(m, from, reason), do: {m, [{:reply, from, {:error, reason}}]}
end
