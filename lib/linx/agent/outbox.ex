defmodule Linx.Agent.Outbox do
  @moduledoc """
  Frames on their way to an agent's port, from one process.

  A port takes frames from any process that knows it, so a session writes its own. While the port is
  busy, because the agent has not read for a moment, a plain `Port.command/2` would suspend the
  writer; here the frame waits instead, and those after it too. The writer then gets the message
  `{Linx.Agent.Outbox, :flush}` until nothing waits, and is to call `flush/1`. Each frame carries a
  tag, which comes back when it has been written.

      outbox = Linx.Agent.Outbox.new(port)
      {:ok, [:first], outbox} = Linx.Agent.Outbox.push(outbox, frame, :first)
  """

  @retry_ms 2

  @opaque t :: %__MODULE__{port: port, waiting: :queue.queue({iodata, term}) | nil}

  @typedoc """
  What is up, and the tags of the frames written: `:ok`, nothing waits; `:busy`, some do; `:closed`,
  the port is no more and the frames are lost.
  """
  @type outcome :: {:ok | :busy | :closed, [tag :: term], t}

  @enforce_keys [:port]
  defstruct [:port, :waiting]

  @doc "An outbox with nothing in it."
  @spec new(port) :: t
  def new(port), do: %__MODULE__{port: port}

  @doc "The port it writes to."
  @spec port(t) :: port
  def port(%__MODULE__{port: port}), do: port

  @doc "The tags of the frames that wait."
  @spec waiting(t) :: [term]
  def waiting(%__MODULE__{waiting: nil}), do: []
  def waiting(%__MODULE__{waiting: queue}), do: for({_, tag} <- :queue.to_list(queue), do: tag)

  @doc "Writes a frame, after those that wait."
  @spec push(t, iodata, tag :: term) :: outcome
  def push(%__MODULE__{waiting: nil} = outbox, frame, tag) do
    case write(outbox.port, frame) do
      :ok -> {:ok, [tag], outbox}
      :busy -> {:busy, [], retry(%{outbox | waiting: :queue.from_list([{frame, tag}])})}
      :closed -> {:closed, [], outbox}
    end
  end

  def push(%__MODULE__{waiting: queue} = outbox, frame, tag),
    do: {:busy, [], %{outbox | waiting: :queue.in({frame, tag}, queue)}}

  @doc "Writes what waits, as far as the port takes it."
  @spec flush(t) :: outcome
  def flush(%__MODULE__{waiting: nil} = outbox), do: {:ok, [], outbox}
  def flush(%__MODULE__{} = outbox), do: flush(outbox, [])

  defp flush(outbox, written) do
    case :queue.peek(outbox.waiting) do
      :empty ->
        {:ok, Enum.reverse(written), %{outbox | waiting: nil}}

      {:value, {frame, tag}} ->
        case write(outbox.port, frame) do
          :ok -> flush(%{outbox | waiting: :queue.drop(outbox.waiting)}, [tag | written])
          :busy -> {:busy, Enum.reverse(written), retry(outbox)}
          :closed -> {:closed, Enum.reverse(written), outbox}
        end
    end
  end

  defp retry(outbox) do
    Process.send_after(self(), {__MODULE__, :flush}, @retry_ms)
    outbox
  end

  defp write(port, frame) do
    if Port.command(port, frame, [:nosuspend]), do: :ok, else: :busy
  rescue
    ArgumentError -> :closed
  end
end
