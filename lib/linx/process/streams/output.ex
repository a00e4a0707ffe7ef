defmodule Linx.Process.Streams.Output do
  @moduledoc """
  One stream of a workload's output: what has come and nobody has taken yet, and how much the agent
  has to hear of.

  The agent sends at most one window of bytes beyond those it was told are taken, so that is what
  can wait here. It is told when half a window has been taken, not for each piece.

      iex> alias Linx.Process.Streams.Output
      iex> output = Output.new(8) |> Output.put(1, "12") |> Output.put(2, "345")
      iex> {"12345", output} = Output.take(output)
      iex> {_output, acknowledged} = Output.count(output, 5)
      iex> acknowledged
      5
  """

  # Pieces smaller than this are put together: each on its own costs more than its bytes.
  @small 4096

  @typedoc """
  `taken` counts bytes that the agent has not heard of. The end is `:none` until it is `:there`, or
  the session's end without it (`:silent`), and `:told` once somebody knows.
  """
  @type t :: %__MODULE__{
          window: pos_integer,
          taken: non_neg_integer,
          waiting: :queue.queue({order :: integer, binary}),
          end: :none | :there | :silent | :told,
          read?: boolean
        }

  @enforce_keys [:window]
  defstruct [:window, taken: 0, waiting: {[], []}, end: :none, read?: false]

  @doc "A stream of which nothing has come; `window` is in bytes."
  @spec new(pos_integer) :: t
  def new(window), do: %__MODULE__{window: window}

  @doc "Whether bytes wait."
  @spec empty?(t) :: boolean
  def empty?(output), do: :queue.is_empty(output.waiting)

  @doc "When its first piece came, compared with other streams."
  @spec order(t) :: integer | :none
  def order(output) do
    case :queue.peek(output.waiting) do
      {:value, {order, _}} -> order
      :empty -> :none
    end
  end

  @doc "Keeps a piece."
  @spec put(t, order :: integer, binary) :: t
  def put(output, order, bytes) do
    waiting =
      case :queue.peek_r(output.waiting) do
        {:value, {first, last}} when byte_size(last) + byte_size(bytes) <= @small ->
          :queue.in({first, last <> bytes}, :queue.drop_r(output.waiting))

        _ ->
          :queue.in({order, bytes}, output.waiting)
      end

    %{output | waiting: waiting}
  end

  @doc "Takes the first piece of those that wait. What is taken is still to be counted."
  @spec take(t) :: {binary, t}
  def take(output) do
    {{:value, {_order, bytes}}, waiting} = :queue.out(output.waiting)
    {bytes, %{output | waiting: waiting}}
  end

  @doc "So many bytes are taken; answers how much is to be acknowledged, if anything."
  @spec count(t, non_neg_integer) :: {t, pos_integer | nil}
  def count(%__MODULE__{taken: taken, window: window} = output, bytes) do
    taken = taken + bytes

    if 2 * taken >= window and taken > 0,
      do: {%{output | taken: 0}, taken},
      else: {%{output | taken: taken}, nil}
  end
end
