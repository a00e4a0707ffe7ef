defmodule Linx.Run.Input do
  @moduledoc false
  # The BEAM's own stdin as a stream of byte chunks.
  #
  # The BEAM reads fd 0 itself, from the start and without being asked (the process registered as `:user`),
  # so a workload that inherited fd 0 would find only what the BEAM left over. What the BEAM has read is
  # asked for here through Erlang's I/O protocol. `IO.binread/2` waits for a number of bytes; a
  # `get_until` request whose function is satisfied with anything returns each chunk as it comes.

  @doc false
  # Bytes in, bytes out, for reading and for writing.
  @spec set_binary() :: :ok
  def set_binary do
    :ok = :io.setopts(:user, binary: true, encoding: :latin1)
  end

  @doc false
  # Calls the function with each chunk and at last with :eof; ends before if it answers :stop.
  @spec each((binary | :eof -> :ok | :stop)) :: :ok
  def each(fun) do
    chunk = next()

    case {fun.(chunk), chunk} do
      {:stop, _} -> :ok
      {:ok, :eof} -> :ok
      {:ok, _} -> each(fun)
    end
  end

  defp next do
    request = make_ref()
    user = Process.whereis(:user)
    send(user, {:io_request, self(), request, {:get_until, :latin1, "", __MODULE__, :take, []}})

    receive do
      {:io_reply, ^request, chunk} when is_binary(chunk) -> chunk
      {:io_reply, ^request, chunk} when is_list(chunk) -> :erlang.list_to_binary(chunk)
      {:io_reply, ^request, _eof_or_error} -> :eof
    end
  end

  @doc false
  # Called by the I/O server with what it has read so far.
  @spec take(term, charlist | binary | :eof) :: {:done, charlist | binary | :eof, []}
  def take(_continuation, data), do: {:done, data, []}
end
