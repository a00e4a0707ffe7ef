defmodule Linx.Group.Receiver do
  @moduledoc """
  Reads what an instance has sent, with the fds that came along, and waits for nothing.

      case Linx.Group.Receiver.receive(socket, true) do
        {:ok, %{bytes: bytes, fds: numbers, whole?: true}} -> {bytes, numbers}
        {:wait, select_info} -> select_info
        {:error, :closed} -> :closed
      end

  The fds are open then, and the caller's to close.
  """

  alias Linx.Group.Fd

  # The room for fds: one, and the alignment makes it two. The kernel closes others.
  @ctrl_size 24
  @piece 65_536

  @type piece :: %{bytes: binary, fds: [non_neg_integer], whole?: boolean}

  @doc """
  What is there. `whole?` is false where fds came that had no room; where there are to be none, the kernel
  closes them all.
  """
  @spec receive(:socket.socket(), fds? :: boolean) ::
          {:ok, piece} | {:wait, :socket.select_info()} | {:error, term}
  def receive(socket, fds?) do
    # Without a way to close them there must not be any.
    if fds? and Fd.supported?(), do: receive_message(socket), else: receive_bytes(socket)
  end

  defp receive_message(socket) do
    case :socket.recvmsg(socket, @piece, @ctrl_size, [:cmsg_cloexec], :nowait) do
      {:ok, %{iov: iov, ctrl: ctrl, flags: flags}} ->
        ended(IO.iodata_to_binary(iov), numbers(ctrl), :ctrunc not in flags)

      {:select, info} ->
        {:wait, info}

      {:error, reason} ->
        {:error, reason}
    end
  end

  defp ended("", [], true), do: {:error, :closed}
  defp ended(bytes, fds, whole?), do: {:ok, %{bytes: bytes, fds: fds, whole?: whole?}}

  defp numbers(ctrl) do
    for %{level: :socket, type: :rights, data: data} <- ctrl, <<fd::native-32 <- data>>, do: fd
  end

  defp receive_bytes(socket) do
    case :socket.recv(socket, 0, [], :nowait) do
      {:ok, bytes} ->
        ended(bytes, [], true)

      {:select, {info, bytes}} ->
        :socket.cancel(socket, info)
        ended(bytes, [], true)

      {:select, info} ->
        {:wait, info}

      {:error, reason} ->
        {:error, reason}
    end
  end
end
