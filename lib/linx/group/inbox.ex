defmodule Linx.Group.Inbox do
  @moduledoc """
  The bytes and fds of a channel, as they come, and the frames that they make.

      iex> alias Linx.Group.{Frame, Inbox}
      iex> inbox = Inbox.put(%Inbox{}, Frame.encode(%Frame{type: 7, payload: "x"}) <> <<0, 0>>, [])
      iex> {:ok, frame, nil, inbox} = Inbox.next(inbox)
      iex> frame.payload
      "x"
      iex> Inbox.next(inbox)
      :more

  An fd is its frame's by the order in which they come. One that no frame speaks of is an error: nothing
  would ever close it.
  """

  alias Linx.Group.Frame

  defstruct bytes: "", fds: []

  @type fd :: term
  @type t :: %__MODULE__{bytes: binary, fds: [fd]}

  @doc "Adds what was read."
  @spec put(t, binary, [fd]) :: t
  def put(%__MODULE__{} = inbox, bytes, fds),
    do: %{inbox | bytes: inbox.bytes <> bytes, fds: inbox.fds ++ fds}

  @doc "The next frame, with its fd."
  @spec next(t) :: {:ok, Frame.t(), fd | nil, t} | :more | {:error, term}
  def next(%__MODULE__{bytes: bytes, fds: fds} = inbox) do
    case {Frame.decode(bytes), fds} do
      {{:ok, %{fd?: true} = frame, rest}, [fd | more]} ->
        {:ok, frame, fd, %{inbox | bytes: rest, fds: more}}

      {{:ok, %{fd?: true}, _rest}, []} ->
        {:error, :no_fd}

      {{:ok, frame, rest}, _fds} ->
        {:ok, frame, nil, %{inbox | bytes: rest}}

      # One fd may be that of the frame which has begun.
      {:more, []} ->
        :more

      {:more, [_fd]} when bytes != "" ->
        :more

      {:more, _fds} ->
        {:error, :stray_fd}

      {{:error, reason}, _fds} ->
        {:error, reason}
    end
  end
end
