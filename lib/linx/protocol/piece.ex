defmodule Linx.Protocol.Piece do
  @moduledoc """
  Frames that carry output, taken apart where they lie.

  `:erlang.binary_to_term/2` copies what is in a frame. Of output, which may be gigabytes, only the few
  bytes around it are looked at here, and what is answered is a part of the frame itself.

      iex> Linx.Protocol.Piece.take(:erlang.term_to_binary({7, {:status, :running}}))
      nil

  It knows the spelling that the agent uses, and leaves everything else to be decoded.
  """

  @type stream :: :stdout | :stderr | :pty_out

  @doc """
  The session's id, `nil` in a bare frame, and its piece of output; or `nil` for any other frame.
  """
  @spec take(binary) :: {non_neg_integer | nil, {stream, binary}} | nil
  def take(<<131, ?h, 2, ?a, id, rest::binary>>), do: of_session(id, rest)
  def take(<<131, ?h, 2, ?b, 0::1, id::31, rest::binary>>), do: of_session(id, rest)

  def take(<<131, ?h, 2, ?n, size, 0, id::unit(8)-size(size)-little, rest::binary>>)
      when size in 1..8,
      do: of_session(id, rest)

  def take(<<131, event::binary>>), do: of_session(nil, event)
  def take(_frame), do: nil

  defp of_session(id, <<?h, 2, ?w, 6, "stdout", ?m, size::32, bytes::binary-size(size)>>),
    do: {id, {:stdout, bytes}}

  defp of_session(id, <<?h, 2, ?w, 6, "stderr", ?m, size::32, bytes::binary-size(size)>>),
    do: {id, {:stderr, bytes}}

  defp of_session(id, <<?h, 2, ?w, 7, "pty_out", ?m, size::32, bytes::binary-size(size)>>),
    do: {id, {:pty_out, bytes}}

  defp of_session(_id, _event), do: nil
end
