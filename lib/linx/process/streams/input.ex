defmodule Linx.Process.Streams.Input do
  @moduledoc """
  What is written to a workload: its pipe at stdin, or its PTY.

  At most one window of bytes is on its way to the workload, that is, sent to the agent and not yet
  acknowledged. What does not fit waits here in the order of the calls, and so does who wrote it: a
  writer is answered when the last of its bytes has been sent. Between two pieces of one write there
  is never a piece of another.

      iex> alias Linx.Process.Streams.Input
      iex> {input, []} = Input.open(Input.new(:stdin, 4))
      iex> {input, actions} = Input.write(input, :writer, :ref, "123456")
      iex> actions
      [{:watch, :ref, :writer, :infinity}, {:write, {:stdin, "1234"}, nil}]
      iex> {_input, actions} = Input.acked(input, 4)
      iex> actions
      [{:write, {:stdin, "56"}, :writer}, {:unwatch, :ref}]
  """

  # The largest piece that one frame carries.
  @max_piece 256 * 1024
  # The agent keeps no more for one session.
  @max_window 16 * 1024 * 1024

  @typedoc """
  `sent` counts bytes on their way. Before it is `ready?` the agent takes none. What waits is
  written while it is `:closing`, too.
  """
  @type t :: %__MODULE__{
          command: :stdin | :pty_in,
          window: pos_integer,
          sent: non_neg_integer,
          ready?: boolean,
          state: :open | :closing | :closed,
          waiting: :queue.queue({reference, from :: term, binary, begun? :: boolean})
        }

  @type action ::
          {:write, term, from :: term}
          | {:reply, from :: term, term}
          | {:watch, reference, from :: term, timeout}
          | {:unwatch, reference}

  @enforce_keys [:command, :window]
  defstruct [:command, :window, sent: 0, ready?: false, state: :open, waiting: {[], []}]

  @doc "An input that is written to by `command`; `window` is in bytes."
  @spec new(:stdin | :pty_in, pos_integer) :: t
  def new(command, window), do: %__MODULE__{command: command, window: min(window, @max_window)}

  @doc "From now on the agent takes what is written."
  @spec open(t) :: {t, [action]}
  def open(input), do: pump(%{input | ready?: true}, [])

  @doc "Somebody writes."
  @spec write(t, from :: term, reference, binary) :: {t, [action]}
  def write(%__MODULE__{state: state} = input, from, _ref, _bytes) when state != :open,
    do: {input, [{:reply, from, {:error, :closed}}]}

  def write(input, from, _ref, ""), do: {input, [{:reply, from, :ok}]}

  def write(input, from, ref, bytes) do
    size = byte_size(bytes)

    if input.ready? and :queue.is_empty(input.waiting) and size <= @max_piece and
         size <= room(input) do
      {%{input | sent: input.sent + size}, [{:write, {input.command, bytes}, from}]}
    else
      waiting = :queue.in({ref, from, bytes, false}, input.waiting)
      pump(%{input | waiting: waiting}, [{:watch, ref, from, :infinity}])
    end
  end

  @doc "So many bytes have reached the workload."
  @spec acked(t, non_neg_integer) :: {t, [action]}
  def acked(input, bytes), do: pump(%{input | sent: max(input.sent - bytes, 0)}, [])

  @doc "Nothing is to be written after what waits already."
  @spec close(t) :: {t, [action]}
  def close(%__MODULE__{state: :open} = input), do: pump(%{input | state: :closing}, [])
  def close(input), do: {input, []}

  @doc "The workload takes no more: who waits is answered so."
  @spec shut(t, answer :: term) :: {t, [action]}
  def shut(input, answer) do
    actions =
      for {ref, from, _, _} <- :queue.to_list(input.waiting),
          from != nil,
          action <- [{:reply, from, answer}, {:unwatch, ref}],
          do: action

    {%{input | state: :closed, waiting: :queue.new()}, actions}
  end

  @doc "A writer has died. What it has begun is written to its end, so that a write stays whole."
  @spec gone(t, reference) :: t
  def gone(input, ref) do
    waiting =
      :queue.filter(
        fn
          {^ref, _from, bytes, true} -> [{ref, nil, bytes, true}]
          {other, _, _, _} -> other != ref
        end,
        input.waiting
      )

    %{input | waiting: waiting}
  end

  defp room(input), do: input.window - input.sent

  defp pump(%__MODULE__{ready?: false} = input, actions), do: {input, actions}

  defp pump(input, actions) do
    case :queue.peek(input.waiting) do
      :empty -> end_of_input(input, actions)
      {:value, write} -> send_some(input, write, actions)
    end
  end

  defp end_of_input(%__MODULE__{state: :closing} = input, actions),
    do: {%{input | state: :closed}, actions ++ [{:write, {input.command, :eof}, nil}]}

  defp end_of_input(input, actions), do: {input, actions}

  # Room for a few bytes is left alone until it is a quarter of a window: pieces stay large, and the
  # next is there before the workload has read the last.
  defp send_some(input, {ref, from, bytes, _begun?}, actions) do
    size = byte_size(bytes)
    room = room(input)

    if room >= min(size, div(input.window + 3, 4)) do
      piece = size |> min(room) |> min(@max_piece)
      <<now::binary-size(piece), later::binary>> = bytes
      waiting = :queue.drop(input.waiting)
      input = %{input | sent: input.sent + piece}

      if later == "" do
        sent = [{:write, {input.command, now}, from}, {:unwatch, ref}]
        pump(%{input | waiting: waiting}, actions ++ sent)
      else
        waiting = :queue.in_r({ref, from, later, true}, waiting)
        pump(%{input | waiting: waiting}, actions ++ [{:write, {input.command, now}, nil}])
      end
    else
      {input, actions}
    end
  end
end
