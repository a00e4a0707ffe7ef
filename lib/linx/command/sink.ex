defmodule Linx.Command.Sink do
  @moduledoc """
  Where the output of commands goes: stdout into a collectable, each stderr that is separate into a
  binary.

      iex> alias Linx.Command.Sink
      iex> sink = Sink.open([], lines: true, max_output: 8)
      iex> {:ok, sink} = Sink.put(sink, {0, :stdout}, "one\\ntw")
      iex> {:ok, sink} = Sink.put(sink, {0, :stderr}, "oh")
      iex> {:full, sink} = Sink.put(sink, {0, :stdout}, "wo")
      iex> {Sink.close(sink), Sink.stderr(sink, 0)}
      {["one", "tw"], "oh"}
  """

  alias Linx.Command.{Lines, Run}
  alias Linx.Log

  @enforce_keys [:collected, :collect, :left]
  defstruct [:collected, :collect, :left, :lines, :log, stderr: %{}]

  @opaque t :: %__MODULE__{
            collected: term,
            collect: (term, Collectable.command() -> term),
            left: non_neg_integer | :infinity,
            lines: Lines.t() | nil,
            log: Log.t() | nil,
            stderr: %{non_neg_integer => iodata}
          }

  @doc """
  Opens a collectable.

    * `:lines` - boolean, whether it gets lines rather than pieces as they come, default `false`
    * `:log` - a `t:Linx.Log.t/0` that gets everything, too, default `nil`
    * `:max_output` - how many bytes are taken, of all streams together, default `:infinity`
  """
  @spec open(Collectable.t(), keyword) :: t
  def open(into, opts \\ []) do
    {collected, collect} = Collectable.into(into)

    %__MODULE__{
      collected: collected,
      collect: collect,
      left: Keyword.get(opts, :max_output, :infinity),
      log: Keyword.get(opts, :log),
      lines: if(Keyword.get(opts, :lines, false), do: Lines.new())
    }
  end

  @doc "Takes a piece of output; `:full` where it does not fit, and then what fits of it."
  @spec put(t, Run.source(), binary) :: {:ok | :full, t}
  def put(%__MODULE__{left: left} = sink, source, bytes) when byte_size(bytes) > left,
    do: {:full, take(%{sink | left: 0}, source, binary_part(bytes, 0, left))}

  def put(%__MODULE__{left: :infinity} = sink, source, bytes),
    do: {:ok, take(sink, source, bytes)}

  def put(%__MODULE__{left: left} = sink, source, bytes),
    do: {:ok, take(%{sink | left: left - byte_size(bytes)}, source, bytes)}

  defp take(%{log: nil} = sink, source, bytes), do: keep(sink, source, bytes)

  defp take(sink, source, bytes),
    do: keep(%{sink | log: Log.put(sink.log, source, bytes)}, source, bytes)

  defp keep(sink, {index, :stderr}, bytes),
    do: %{sink | stderr: Map.update(sink.stderr, index, bytes, &[&1 | bytes])}

  defp keep(%{lines: nil} = sink, _stdout, bytes), do: collect(sink, [bytes])

  defp keep(sink, _stdout, bytes) do
    {lines, rest} = Lines.push(sink.lines, bytes)
    collect(%{sink | lines: rest}, lines)
  end

  defp collect(%{collect: collect} = sink, items) do
    collected = Enum.reduce(items, sink.collected, &collect.(&2, {:cont, &1}))
    %{sink | collected: collected}
  end

  @doc "The collectable when nothing more is to come."
  @spec close(t) :: Collectable.t()
  def close(%__MODULE__{} = sink) do
    if sink.log, do: Log.flush(sink.log)
    last = if sink.lines, do: Lines.flush(sink.lines), else: []
    sink.collect.(collect(sink, last).collected, :done)
  end

  @doc "Gives the collectable up. The sink as it was opened will do."
  @spec halt(t) :: term
  def halt(%__MODULE__{} = sink), do: sink.collect.(sink.collected, :halt)

  @doc "What a command wrote to a stderr of its own."
  @spec stderr(t, non_neg_integer) :: binary
  def stderr(%__MODULE__{} = sink, index),
    do: sink.stderr |> Map.get(index, "") |> IO.iodata_to_binary()
end
