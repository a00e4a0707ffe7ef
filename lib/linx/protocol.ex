defmodule Linx.Protocol do
  @moduledoc """
  The terms that the BEAM and the agent say to each other, and their form on the wire.

  A frame is one term in External Term Format; the port adds the length. With an agent of many
  sessions each frame is `{id, term}`; with a dedicated one it is the bare term, and `id` is `nil`
  here.

      iex> frame = Linx.Protocol.encode(7, {:signal, 15})
      iex> :erlang.binary_to_term(frame)
      {7, {:signal, 15}}

      iex> frame = :erlang.term_to_binary({7, {:status, :exited, 0}})
      iex> Linx.Protocol.decode(frame)
      {:ok, {7, {:status, :exited, 0}}}

  Decoding makes no atoms. It knows those of `c_src/protocol.def`, the list that the agent is built
  from too, and answers `{:error, :malformed_frame}` for a frame that holds another one, or a term
  that the agent has no business to send.
  """

  alias Linx.Protocol.Piece

  @definition Path.expand("../../c_src/protocol.def", __DIR__)
  @external_resource @definition

  names =
    for [_, kind, name] <- Regex.scan(~r/^LINX_([A-Z]+)\((\w+)/m, File.read!(@definition)),
        reduce: %{} do
      names -> Map.update(names, kind, [String.to_atom(name)], &[String.to_atom(name) | &1])
    end

  @names Map.new(names, fn {kind, list} ->
           {kind |> String.downcase() |> String.to_atom(), Enum.reverse(list)}
         end)

  @version 1
  @max_frame 8 * 1024 * 1024
  # Below this a copy costs less than to do without.
  @much 4096

  @typedoc "A session's number within its agent; `nil` where the agent has only one."
  @type id :: non_neg_integer | nil

  @typedoc """
  What the agent says about a session. The last element of `:error` and `:refused` is the path, name
  or index that failed, or `nil`.
  """
  @type event ::
          {:status, :spawned | :ready | :exited | :signaled | :aborted, non_neg_integer}
          | {:status, :running | :paused | :resumed}
          | {:pty_out, binary}
          | {:stdout | :stderr, binary | :eof}
          | {:stdin_ack, non_neg_integer}
          | {:stdin, :closed}
          | {:refused, integer, name :: atom, detail :: binary | nil}
          | {:error, integer, stage :: atom, detail :: binary | nil}
          | {:seccomp_filter, binary}
          | {:syscall, map}
          | {:usage, map}
          | {:stats, map}

  @typedoc "What the agent says about itself."
  @type answer :: {:hello, map} | {:stats, map} | {:capabilities, [atom]} | event

  @doc """
  The words of the protocol by kind, as `c_src/protocol.def` lists them.

      iex> Linx.Protocol.names().namespace
      [:user, :mount, :uts, :ipc, :cgroup, :net, :time, :pid]
  """
  @spec names() :: %{atom => [atom]}
  def names, do: @names

  @doc "The names of the namespaces, in the order in which they are joined."
  @spec namespaces() :: [atom]
  def namespaces, do: @names.namespace

  @doc "The protocol's version, as `hello` carries it."
  @spec version() :: pos_integer
  def version, do: @version

  @doc "The largest frame that the agent accepts, in bytes."
  @spec max_frame() :: pos_integer
  def max_frame, do: @max_frame

  @doc """
  A request or a command as a frame.

  The frame of much input is a list, in which the input is not copied.
  """
  @spec encode(id, term) :: binary | [binary]
  def encode(id, {name, bytes} = input)
      when name in [:stdin, :pty_in] and is_binary(bytes) and byte_size(bytes) >= @much,
      do: :erlang.term_to_iovec(if(id == nil, do: input, else: {id, input}))

  def encode(nil, term), do: :erlang.term_to_binary(term)
  def encode(id, term), do: :erlang.term_to_binary({id, term})

  @doc """
  A frame of an agent of many sessions: `{id, event}`, or `{nil, answer}` for what concerns none.

      iex> Linx.Protocol.decode(:erlang.term_to_binary({:hello, %{protocol: 1}}))
      {:ok, {nil, {:hello, %{protocol: 1}}}}
      iex> Linx.Protocol.decode("no term")
      {:error, :malformed_frame}
  """
  @spec decode(binary) :: {:ok, {id, answer}} | {:error, :malformed_frame}
  def decode(frame) do
    case Piece.take(frame) do
      nil -> decode_term(frame)
      piece -> {:ok, piece}
    end
  end

  defp decode_term(frame) do
    case :erlang.binary_to_term(frame, [:safe]) do
      {id, term} when is_integer(id) and id >= 0 -> event(id, term)
      {:hello, map} = hello when is_map(map) -> {:ok, {nil, hello}}
      {:stats, map} = stats when is_map(map) -> {:ok, {nil, stats}}
      {:capabilities, list} = capabilities when is_list(list) -> {:ok, {nil, capabilities}}
      term -> event(nil, term)
    end
  rescue
    ArgumentError -> {:error, :malformed_frame}
  end

  @doc """
  A bare frame, of an agent that has one session.

      iex> Linx.Protocol.decode_bare(:erlang.term_to_binary({:error, 2, :execve}))
      {:ok, {:error, 2, :execve, nil}}
  """
  @spec decode_bare(binary) :: {:ok, event} | {:error, :malformed_frame}
  def decode_bare(frame) do
    case Piece.take(frame) do
      {nil, event} -> {:ok, event}
      _ -> decode_bare_term(frame)
    end
  end

  defp decode_bare_term(frame) do
    with {:ok, {nil, event}} <- event(nil, :erlang.binary_to_term(frame, [:safe])) do
      {:ok, event}
    end
  rescue
    ArgumentError -> {:error, :malformed_frame}
  end

  @doc """
  Whether an event is the last one of its session.

      iex> Linx.Protocol.terminal?({:status, :signaled, 9})
      true
      iex> Linx.Protocol.terminal?({:status, :running})
      false
  """
  @spec terminal?(event) :: boolean
  def terminal?({:status, status, _}) when status in [:exited, :signaled, :aborted], do: true
  def terminal?({:error, _code, _stage, _detail}), do: true
  def terminal?(_event), do: false

  @numbered_statuses [:spawned, :ready, :exited, :signaled, :aborted]

  defp event(id, {:status, status} = event) when status in [:running, :forked, :paused, :resumed],
    do: {:ok, {id, event}}

  defp event(id, {:pty_out, bytes} = event) when is_binary(bytes), do: {:ok, {id, event}}

  defp event(id, {stream, data} = event)
       when stream in [:stdout, :stderr] and (is_binary(data) or data == :eof),
       do: {:ok, {id, event}}

  defp event(id, {:stdin_ack, bytes} = event) when is_integer(bytes) and bytes >= 0,
    do: {:ok, {id, event}}

  defp event(id, {:stdin, :closed} = event), do: {:ok, {id, event}}

  defp event(id, {:status, status, number} = event)
       when status in @numbered_statuses and is_integer(number) and number >= 0,
       do: {:ok, {id, event}}

  defp event(id, {kind, code, name})
       when kind in [:error, :refused] and is_integer(code) and is_atom(name),
       do: {:ok, {id, {kind, code, name, nil}}}

  defp event(id, {kind, code, name, detail} = event)
       when kind in [:error, :refused] and is_integer(code) and is_atom(name) and
              is_binary(detail),
       do: {:ok, {id, event}}

  defp event(id, {kind, map} = event) when kind in [:usage, :stats, :syscall] and is_map(map),
    do: {:ok, {id, event}}

  defp event(id, {:seccomp_filter, bpf} = event) when is_binary(bpf), do: {:ok, {id, event}}
  defp event(_id, _term), do: {:error, :malformed_frame}
end
