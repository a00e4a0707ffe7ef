defmodule Linx.Group.Sending do
  @moduledoc """
  What `Linx.Group.send/5` does in the process of its caller, who alone waits, and only where an fd of
  its own goes along.

      iex> Linx.Group.Sending.frame(7, ["a", "b"], peer: 2)
      %Linx.Group.Frame{type: 7, peer: 2, payload: "ab"}
  """

  alias Linx.Group.{Channel, Fd, Frame}

  @timeout 5000
  @max_peer 0xFFFFFFFF

  @doc "The frame of a type, a payload, and the options of `Linx.Group.send/5`."
  @spec frame(term, iodata, keyword) :: Frame.t()
  def frame(type, payload, options) do
    payload = IO.iodata_to_binary(payload)
    peer = Keyword.get(options, :peer, 0)

    unless is_integer(type) and type in 0..Frame.max_type(),
      do: raise(ArgumentError, "a type is 0..#{Frame.max_type()}, not #{inspect(type)}")

    unless is_integer(peer) and peer in 0..@max_peer,
      do: raise(ArgumentError, "a peer is an id or 0, not #{inspect(peer)}")

    if byte_size(payload) > Frame.max_payload(),
      do: raise(ArgumentError, "a payload has at most #{Frame.max_payload()} bytes")

    %Frame{
      type: type,
      payload: payload,
      peer: peer,
      fd?: Keyword.get(options, :fd) != nil
    }
  end

  @doc """
  Sends a frame over these channels, all at once: a slow one does not keep the others waiting.
  """
  @spec send(Frame.t(), Linx.Group.to(), [{pos_integer, pid | nil}], keyword) ::
          :ok | {:error, Linx.Group.send_error() | [{pos_integer, Linx.Group.send_error()}]}
  def send(frame, to, channels, options) do
    with {:ok, fd} <- fd(Keyword.get(options, :fd), to) do
      answers = request_all(channels, frame, fd, Keyword.get(options, :timeout, @timeout))
      failed = for {number, {:error, reason}} <- answers, do: {number, reason}
      if failed != [], do: keep(fd)
      answer(to, failed)
    end
  end

  defp fd(nil, _to), do: {:ok, nil}
  defp fd(%Fd{}, role) when is_atom(role), do: {:error, :one_instance}
  defp fd(%Fd{} = fd, _to), do: with(:ok <- Fd.claim(fd), do: {:ok, {:held, fd}})
  defp fd(number, _to) when is_integer(number) and number >= 0, do: {:ok, {:own, number}}

  defp fd(port, _to) when is_port(port) do
    case :inet.getfd(port) do
      {:ok, number} -> {:ok, {:own, number}}
      {:error, _closed} -> {:error, :ebadf}
    end
  end

  defp fd({:"$socket", _ref} = socket, _to) do
    case :socket.getopt(socket, {:otp, :fd}) do
      {:ok, number} -> {:ok, {:own, number}}
      {:error, _closed} -> {:error, :ebadf}
    end
  end

  defp fd(other, _to) do
    raise ArgumentError,
          "an fd is a number, a socket or a Linx.Group.Fd, not #{inspect(other)}"
  end

  # A held one that was not queued anywhere.
  defp keep({:held, fd}), do: Fd.disclaim(fd)
  defp keep(_other), do: :ok

  defp request_all(channels, frame, fd, timeout) do
    requests =
      for {number, channel} <- channels do
        {number, channel && Channel.request(channel, frame, fd, timeout)}
      end

    for {number, request} <- requests, do: {number, response(request)}
  end

  defp response(nil), do: {:error, :closed}

  defp response(request) do
    case :gen_server.receive_response(request, :infinity) do
      {:reply, answer} -> answer
      {:error, _gone} -> {:error, :closed}
    end
  end

  defp answer(_to, []), do: :ok
  defp answer(role, failed) when is_atom(role), do: {:error, failed}
  defp answer(_one, [{_number, reason}]), do: {:error, reason}
end
