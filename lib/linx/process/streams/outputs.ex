defmodule Linx.Process.Streams.Outputs do
  @moduledoc """
  The output streams of a session together: which has bytes, which of them first, which has ended.

      iex> alias Linx.Process.Streams.Outputs
      iex> outputs = Outputs.new([:stdout, :stderr], 8)
      iex> outputs = outputs |> Outputs.put(:stderr, "oops!") |> Outputs.put(:stdout, "so")
      iex> {:stderr, "oops!", outputs} = Outputs.take(outputs, :all)
      iex> {_outputs, actions} = Outputs.count(outputs, :stderr, 5, true)
      iex> actions
      [{:write, {:ack, :stderr, 5}, nil}]
  """

  alias Linx.Process.Streams.Output

  @type name :: :stdout | :stderr | :pty_out
  @type wanted :: name | :all

  @typedoc "`clock` orders pieces of different streams; once it is `over?` the agent hears no more."
  @type t :: %__MODULE__{
          streams: %{name => Output.t()},
          clock: non_neg_integer,
          over?: boolean
        }

  defstruct streams: %{}, clock: 0, over?: false

  @doc "Streams of which nothing has come; `window` is in bytes."
  @spec new([name], pos_integer) :: t
  def new(names, window), do: %__MODULE__{streams: Map.new(names, &{&1, Output.new(window)})}

  @doc "Whether there is such a stream."
  @spec any?(t, wanted) :: boolean
  def any?(outputs, :all), do: outputs.streams != %{}
  def any?(outputs, name), do: is_map_key(outputs.streams, name)

  @doc "Keeps a piece."
  @spec put(t, name, binary) :: t
  def put(outputs, name, bytes) do
    outputs = update(outputs, name, &Output.put(&1, outputs.clock, bytes))
    %{outputs | clock: outputs.clock + 1}
  end

  @doc "Takes the piece that has waited longest. What is taken is still to be counted."
  @spec take(t, wanted) :: {name, binary, t} | nil
  def take(outputs, wanted) do
    case for {name, stream} <- wanted(outputs, wanted), not Output.empty?(stream), do: name do
      [] ->
        nil

      names ->
        name = Enum.min_by(names, &Output.order(outputs.streams[&1]))
        {bytes, stream} = Output.take(outputs.streams[name])
        {name, bytes, update(outputs, name, fn _ -> stream end)}
    end
  end

  @doc "So many bytes are taken, by who reads or for the owner; answers what the agent is told."
  @spec count(t, name, non_neg_integer, read? :: boolean) :: {t, [{:write, tuple, nil}]}
  def count(outputs, name, size, read?) do
    {stream, ack} = Output.count(outputs.streams[name], size)
    outputs = update(outputs, name, fn _ -> %{stream | read?: read? or stream.read?} end)

    if ack == nil or outputs.over?,
      do: {outputs, []},
      else: {outputs, [{:write, {:ack, name, ack}, nil}]}
  end

  @doc "A stream has come to its end."
  @spec eof(t, name) :: t
  def eof(outputs, name), do: update(outputs, name, &%{&1 | end: :there})

  @doc "Nothing more will come of any."
  @spec over(t) :: t
  def over(outputs) do
    streams =
      Map.new(outputs.streams, fn
        {name, %{end: :none} = stream} -> {name, %{stream | end: :silent}}
        other -> other
      end)

    %{outputs | streams: streams, over?: true}
  end

  @doc "Somebody knows of the end."
  @spec told(t, wanted) :: t
  def told(outputs, wanted) do
    for {name, _} <- wanted(outputs, wanted), reduce: outputs do
      outputs -> update(outputs, name, &%{&1 | end: :told})
    end
  end

  @doc "Whether nothing is to be had any more."
  @spec ended?(t, wanted) :: boolean
  def ended?(outputs, wanted) do
    Enum.all?(wanted(outputs, wanted), fn {_, stream} ->
      stream.end != :none and Output.empty?(stream)
    end)
  end

  @doc "The streams whose end is there, after all of their bytes, and nobody knows of it."
  @spec ends(t) :: [name]
  def ends(outputs),
    do: for({name, %{end: :there} = stream} <- outputs.streams, Output.empty?(stream), do: name)

  @doc "Whether bytes wait."
  @spec waiting?(t) :: boolean
  def waiting?(outputs), do: Enum.any?(outputs.streams, fn {_, s} -> not Output.empty?(s) end)

  @doc "Whether bytes wait, or the end of a stream that somebody reads."
  @spec unread?(t) :: boolean
  def unread?(outputs) do
    waiting?(outputs) or
      Enum.any?(outputs.streams, fn {_, stream} -> stream.read? and stream.end != :told end)
  end

  defp wanted(outputs, :all), do: outputs.streams
  defp wanted(outputs, name), do: Map.take(outputs.streams, [name])

  defp update(outputs, name, change),
    do: %{outputs | streams: Map.update!(outputs.streams, name, change)}
end
