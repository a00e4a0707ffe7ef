defmodule Linx.Group.Channel do
  @moduledoc """
  The BEAM's end of one instance's channel: a process for each, so that a slow instance keeps nobody else
  waiting.

  What is to be sent waits here while the instance does not read (`Linx.Group.Outbox`). What comes goes to
  the group's owner (`Linx.Group.Inbox`); while 64 fds of an instance are open it is not read. An instance that says what is no frame is reported to the group,
  which ends it, and nothing more of it is read.
  """

  use GenServer, restart: :temporary

  alias Linx.Group.{Fd, Frame, Inbox, Message, Outbox, Receiver}

  # An instance may have that many fds open in the BEAM: with more it is not read.
  @max_held 64

  defstruct [
    :socket,
    :group,
    :owner,
    :id,
    :name,
    # How many messages the owner still takes, or `true`.
    :active,
    # The selects that reading and writing wait for.
    :reading,
    :writing,
    # Whether the instance may send fds, and how many of them are open.
    :fds?,
    held: 0,
    inbox: %Inbox{},
    outbox: %Outbox{},
    # Whether there may be more to read, and whether something may still be written.
    open?: true,
    writable?: true
  ]

  @doc """
  Takes over a socket of the caller, which is the group.

  `:id`, `:name`, `:owner`, `:active` and `:fds?` are options.
  """
  @spec start_link(:socket.socket(), keyword) :: {:ok, pid}
  def start_link(socket, options) do
    {:ok, channel} = GenServer.start_link(__MODULE__, {socket, self(), options})
    :ok = :socket.setopt(socket, {:otp, :controlling_process}, channel)
    send(channel, :read)
    {:ok, channel}
  end

  @doc """
  Asks to send a frame. The answer comes when it is queued; with an fd that stays the caller's, when that
  is sent, or has not been for `timeout` milliseconds.
  """
  @spec request(pid, Frame.t(), {:own, non_neg_integer} | {:held, Fd.t()} | nil, timeout) ::
          :gen_server.request_id()
  def request(channel, frame, fd, timeout),
    do: :gen_server.send_request(channel, {:send, encode(frame), fd, timeout})

  @doc "Sends a frame with a socket that the caller owns, and closes it here."
  @spec pass(pid, Frame.t(), :socket.socket()) :: :ok
  def pass(channel, frame, socket) do
    _ = :socket.setopt(socket, {:otp, :controlling_process}, channel)
    GenServer.cast(channel, {:pass, encode(frame), socket})
  end

  @doc "The instance is to see the end: nothing more is sent."
  @spec shut(pid) :: :ok
  def shut(channel), do: GenServer.cast(channel, :shut)

  @doc "The instance is dead: what it has sent still goes to the owner, then the channel ends."
  @spec drain(pid) :: :ok
  def drain(channel), do: GenServer.cast(channel, :drain)

  @doc "How many messages the owner takes from now on, or `true`."
  @spec set_active(pid, true | pos_integer) :: :ok
  def set_active(channel, mode), do: GenServer.cast(channel, {:set_active, mode})

  defp encode(frame), do: Frame.encode(%{frame | pid: String.to_integer(System.pid())})

  @impl true
  def init({socket, group, options}) do
    # Ends with the group, and closes what it holds then.
    Process.flag(:trap_exit, true)
    {:ok, struct!(%__MODULE__{socket: socket, group: group}, options)}
  end

  @impl true
  def handle_call({:send, bytes, fd, timeout}, from, state) do
    cond do
      not state.writable? -> {:reply, {:error, :closed}, state}
      not Outbox.room?(state.outbox, bytes) -> {:reply, {:error, :full}, state}
      true -> {:noreply, queue(state, bytes, source(fd, from, timeout))}
    end
  end

  defp source({:own, number}, from, timeout) do
    if timeout != :infinity, do: Process.send_after(self(), {:overdue, from}, timeout)
    {:own, number, from}
  end

  defp source(other, from, _timeout) do
    GenServer.reply(from, :ok)
    other
  end

  defp queue(state, bytes, source),
    do: write(%{state | outbox: Outbox.put(state.outbox, bytes, source)})

  @impl true
  def handle_cast({:pass, bytes, socket}, %{writable?: true} = state),
    do: {:noreply, queue(state, bytes, {:socket, socket})}

  def handle_cast({:pass, _bytes, socket}, state) do
    :socket.close(socket)
    {:noreply, state}
  end

  def handle_cast(:shut, state), do: {:noreply, shut_output(state)}

  def handle_cast(:drain, state) do
    if state.reading, do: :socket.cancel(state.socket, state.reading)
    {:stop, :normal, drain_all(%{state | reading: nil, active: true})}
  end

  def handle_cast({:set_active, mode}, state) do
    send(self(), :read)
    {:noreply, %{state | active: mode}}
  end

  @impl true
  def handle_info(:read, state), do: {:noreply, state |> deliver() |> read()}

  def handle_info({:"$socket", _socket, :select, ref}, %{reading: {_, _, ref}} = state),
    do: {:noreply, read(%{state | reading: nil})}

  def handle_info({:"$socket", _socket, :select, ref}, %{writing: ref} = state),
    do: {:noreply, write(%{state | writing: nil})}

  def handle_info({:overdue, from}, state) do
    # The head of the queue may be under way; then its fd is sent, and it is no longer found.
    {:noreply, %{state | outbox: Outbox.take_back(state.outbox, from)}}
  end

  # An fd is closed.
  def handle_info({:DOWN, _monitor, :process, _holder, _reason}, state),
    do: {:noreply, read(%{state | held: state.held - 1})}

  def handle_info({:EXIT, group, reason}, %{group: group} = state), do: {:stop, reason, state}
  def handle_info(_late, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    Outbox.drop(state.outbox)
    Enum.each(state.inbox.fds, &Fd.close/1)
    :socket.close(state.socket)
  end

  defp write(%{writing: nil, writable?: true} = state) do
    case Outbox.write(state.outbox, state.socket) do
      {:done, outbox} -> %{state | outbox: outbox}
      {{:wait, ref}, outbox} -> %{state | outbox: outbox, writing: ref}
      {{:closed, _reason}, outbox} -> shut_output(%{state | outbox: outbox})
    end
  end

  defp write(state), do: state

  defp shut_output(state) do
    :socket.shutdown(state.socket, :write)
    %{state | outbox: Outbox.drop(state.outbox), writable?: false}
  end

  # One piece a turn, so that who writes without end does not keep what is to be sent waiting.
  defp read(%{open?: true, reading: nil, active: active, held: held} = state)
       when active != 0 and held < @max_held do
    case Receiver.receive(state.socket, state.fds?) do
      {:ok, piece} ->
        send(self(), :read)
        take(state, piece)

      {:wait, info} ->
        %{state | reading: info}

      {:error, reason} ->
        stop_reading(state, reason)
    end
  end

  defp read(state), do: state

  # A socket of a dead instance holds what the kernel has room for, and nothing follows.
  defp drain_all(%{open?: true} = state) do
    case Receiver.receive(state.socket, state.fds?) do
      {:ok, piece} -> state |> take(piece) |> deliver() |> drain_all()
      {:wait, info} -> tap(state, &:socket.cancel(&1.socket, info))
      {:error, _reason} -> state
    end
  end

  defp drain_all(state), do: state

  # Where there were too many the kernel has closed those that had no room.
  defp take(state, piece) do
    users = Enum.reject([state.owner, state.group], &is_nil/1)
    fds = for number <- piece.fds, do: Fd.hold(number, users)
    for fd <- fds, do: Process.monitor(fd.holder)
    inbox = Inbox.put(state.inbox, piece.bytes, fds)
    state = %{state | inbox: inbox, held: state.held + length(fds)}
    if piece.whole?, do: state, else: violated(state, :too_many_fds)
  end

  defp deliver(%{open?: true, active: active} = state) when active != 0 do
    case Inbox.next(state.inbox) do
      {:ok, frame, fd, inbox} -> deliver(told(%{state | inbox: inbox}, frame, fd))
      :more -> state
      {:error, reason} -> violated(state, reason)
    end
  end

  defp deliver(state), do: state

  defp told(state, frame, fd) do
    {role, number} = state.name

    message = %Message{
      type: frame.type,
      peer: frame.peer,
      pid: frame.pid,
      payload: :binary.copy(frame.payload),
      fd: fd
    }

    if state.owner,
      do: send(state.owner, {:linx_group, state.group, {:message, role, number, message}}),
      else: fd && Fd.close(fd)

    spend(state)
  end

  defp spend(%{active: true} = state), do: state

  defp spend(%{active: 1, name: {role, number}} = state) do
    if state.owner, do: send(state.owner, {:linx_group, state.group, {:passive, role, number}})
    %{state | active: 0}
  end

  defp spend(state), do: %{state | active: state.active - 1}

  defp violated(state, reason) do
    send(state.group, {__MODULE__, self(), state.id, {:violation, reason}})
    Enum.each(state.inbox.fds, &Fd.close/1)
    %{state | inbox: %Inbox{}, open?: false}
  end

  # What is left over is a frame that was cut off: it ends with who sent it.
  defp stop_reading(state, _reason), do: %{state | open?: false}
end
