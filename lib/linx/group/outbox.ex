defmodule Linx.Group.Outbox do
  @moduledoc """
  What waits for an instance that does not read, and how it is written when it does. Owned by a channel.

  A frame's fd goes with its first byte. From then on it is the instance's, too, and the BEAM's own is
  done with: the caller is answered, or it is closed.
  """

  alias Linx.Group.Fd

  # Bytes that may wait; a single frame always may.
  @limit 4_194_304

  defstruct items: :queue.new(), size: 0

  @typedoc "An fd that is the caller's, that was received, or a socket of the channel's; how many bytes."
  @type source ::
          {:own, non_neg_integer, GenServer.from()}
          | {:held, Fd.t()}
          | {:socket, :socket.socket()}
          | nil
  @type t :: %__MODULE__{items: :queue.queue({binary, source}), size: non_neg_integer}

  @doc "Whether there is room for one more frame."
  @spec room?(t, binary) :: boolean
  def room?(%__MODULE__{size: size}, bytes), do: size == 0 or size + byte_size(bytes) <= @limit

  @doc "Adds a frame."
  @spec put(t, binary, source) :: t
  def put(%__MODULE__{} = outbox, bytes, source) do
    %{
      outbox
      | items: :queue.in({bytes, source}, outbox.items),
        size: outbox.size + byte_size(bytes)
    }
  end

  @doc """
  Writes what can be written now. `{:wait, ref}` where the rest has to wait for that select.
  """
  @spec write(t, :socket.socket()) :: {:done | {:wait, reference} | {:closed, term}, t}
  def write(%__MODULE__{} = outbox, socket) do
    case :queue.out(outbox.items) do
      {:empty, _items} -> {:done, outbox}
      {{:value, item}, items} -> write(transmit(socket, item), item, outbox, items, socket)
    end
  end

  defp write(:ok, {bytes, source}, outbox, items, socket) do
    sent(source, :ok)
    write(%{outbox | items: items, size: outbox.size - byte_size(bytes)}, socket)
  end

  defp write({:ok, rest}, item, outbox, items, socket),
    do: write(partly(outbox, item, rest, items), socket)

  defp write({:select, {{:select_info, _, ref}, rest}}, item, outbox, items, _socket),
    do: {{:wait, ref}, partly(outbox, item, rest, items)}

  defp write({:select, {:select_info, _, ref}}, _item, outbox, _items, _socket),
    do: {{:wait, ref}, outbox}

  # No such fd: nothing was written.
  defp write({:error, :ebadf}, {bytes, source}, outbox, items, socket) when source != nil do
    sent(source, {:error, :ebadf})
    write(%{outbox | items: items, size: outbox.size - byte_size(bytes)}, socket)
  end

  defp write({:error, {reason, _rest}}, _item, outbox, _items, _socket),
    do: {{:closed, reason}, outbox}

  defp write({:error, reason}, _item, outbox, _items, _socket), do: {{:closed, reason}, outbox}

  defp partly(outbox, {bytes, source}, rest, items) do
    sent(source, :ok)
    rest = IO.iodata_to_binary(rest)
    size = outbox.size - byte_size(bytes) + byte_size(rest)
    %{outbox | items: :queue.in_r({rest, nil}, items), size: size}
  end

  defp transmit(socket, {bytes, nil}), do: :socket.send(socket, bytes, [], :nowait)

  defp transmit(socket, {bytes, source}) do
    rights = %{level: :socket, type: :rights, data: <<number(source)::native-32>>}
    :socket.sendmsg(socket, %{iov: [bytes], ctrl: [rights]}, [], :nowait)
  end

  defp number({:own, number, _from}), do: number
  defp number({:held, fd}), do: fd.number

  defp number({:socket, socket}) do
    {:ok, number} = :socket.getopt(socket, {:otp, :fd})
    number
  end

  @doc "Takes back the frame of a caller who waits no longer."
  @spec take_back(t, GenServer.from()) :: t
  def take_back(%__MODULE__{} = outbox, from) do
    {gone, kept} =
      Enum.split_with(:queue.to_list(outbox.items), &match?({_, {:own, _, ^from}}, &1))

    for {_bytes, source} <- gone, do: sent(source, {:error, :timeout})
    size = Enum.reduce(kept, 0, fn {bytes, _source}, sum -> sum + byte_size(bytes) end)
    %{outbox | items: :queue.from_list(kept), size: size}
  end

  @doc "Nothing more is written: who waits is told so, and what is open is closed."
  @spec drop(t) :: t
  def drop(%__MODULE__{} = outbox) do
    for {_bytes, source} <- :queue.to_list(outbox.items), do: sent(source, {:error, :closed})
    %__MODULE__{}
  end

  @doc "The BEAM's part in a frame's fd is over."
  @spec sent(source, :ok | {:error, term}) :: :ok
  def sent(nil, _answer), do: :ok
  def sent({:own, _number, from}, answer), do: GenServer.reply(from, answer)
  def sent({:held, fd}, _answer), do: Fd.close(fd)

  def sent({:socket, socket}, _answer) do
    :socket.close(socket)
    :ok
  end
end
