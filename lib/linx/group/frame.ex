defmodule Linx.Group.Frame do
  @moduledoc """
  What goes over the channel between a group and an instance, in both directions.

  | bytes | what |
  |---|---|
  | 4 | length of the payload, at most 1048576 |
  | 2 | type: 0..65279 is the program's own, what is above is the group's |
  | 2 | flags: 1 says that a file descriptor comes with the frame, the other bits are 0 |
  | 4 | peer id: which instance it is about, 0 for none |
  | 4 | pid of who sends, as it sees itself |
  | | payload |

  All numbers are unsigned, the most significant byte first. A file descriptor is sent with the
  frame's first byte (SCM_RIGHTS, unix(7)), one a frame.

      iex> frame = %Linx.Group.Frame{type: 7, peer: 2, pid: 99, payload: "hello"}
      iex> bytes = Linx.Group.Frame.encode(frame)
      iex> bytes
      <<0, 0, 0, 5, 0, 7, 0, 0, 0, 0, 0, 2, 0, 0, 0, 99, "hello">>
      iex> Linx.Group.Frame.decode(bytes <> "more")
      {:ok, frame, "more"}
      iex> Linx.Group.Frame.decode(<<0, 0, 0, 5, 0, 7>>)
      :more
      iex> Linx.Group.Frame.decode(<<-1::32, 0::96>>)
      {:error, {:too_long, 4294967295}}
  """

  @max_payload 1_048_576
  @max_type 65_279
  @link 65_535
  @fd 1

  defstruct type: 0, peer: 0, pid: 0, payload: "", fd?: false

  @type t :: %__MODULE__{
          type: 0..65_535,
          peer: 0..0xFFFFFFFF,
          pid: 0..0xFFFFFFFF,
          payload: binary,
          fd?: boolean
        }

  @doc "The longest payload."
  @spec max_payload() :: pos_integer
  def max_payload, do: @max_payload

  @doc "The highest type of a program's own."
  @spec max_type() :: pos_integer
  def max_type, do: @max_type

  @doc "Tells an instance that the fd which comes along is the new end of its link to `peer`."
  @spec link(peer :: pos_integer, role :: atom, number :: pos_integer) :: t
  def link(peer, role, number),
    do: %__MODULE__{type: @link, peer: peer, payload: "#{role}/#{number}", fd?: true}

  @doc "The bytes of a frame."
  @spec encode(t) :: binary
  def encode(%__MODULE__{} = frame) do
    flags = if frame.fd?, do: @fd, else: 0

    <<byte_size(frame.payload)::32, frame.type::16, flags::16, frame.peer::32, frame.pid::32,
      frame.payload::binary>>
  end

  @doc "The first frame of these bytes, and what follows."
  @spec decode(binary) ::
          {:ok, t, rest :: binary}
          | :more
          | {:error,
             {:too_long, pos_integer} | {:bad_flags, pos_integer} | {:bad_type, pos_integer}}
  def decode(<<length::32, _::binary>>) when length > @max_payload,
    do: {:error, {:too_long, length}}

  def decode(<<_::32, type::16, _::binary>>) when type > @max_type,
    do: {:error, {:bad_type, type}}

  def decode(<<_::48, flags::16, _::binary>>) when flags > @fd, do: {:error, {:bad_flags, flags}}

  def decode(
        <<n::32, type::16, flags::16, peer::32, pid::32, payload::binary-size(n), rest::binary>>
      ) do
    {:ok, %__MODULE__{type: type, peer: peer, pid: pid, payload: payload, fd?: flags == @fd},
     rest}
  end

  def decode(_bytes), do: :more
end
