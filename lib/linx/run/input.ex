defmodule Linx.Run.Input do
  @moduledoc """
  The BEAM's own stdin as chunks of bytes, as they come.

      :ok = Linx.Run.Input.set_binary()
      Linx.Run.Input.each(fn chunk -> IO.inspect(chunk); :ok end)

  The BEAM reads fd 0 itself, from the start and without being asked (the process registered as
  `:user`), so a workload that inherited fd 0 would find only what the BEAM left over. What the
  BEAM has read is asked for here through Erlang's I/O protocol. `IO.binread/2` would wait for a
  number of bytes; a `get_until` request whose function is satisfied with anything returns each
  chunk as it comes, at some 20 MB a second.
  """

  @doc """
  Makes the BEAM's stdin and stdout pass bytes as they are, whatever the locale.
  """
  @spec set_binary() :: :ok
  def set_binary do
    :ok = :io.setopts(:user, binary: true, encoding: :latin1)
  end

  @doc """
  Calls a function with each chunk and at last with `:eof`. Ends early where it answers `:stop`.
  """
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

  @doc """
  The function of the request: called by the I/O server with what it has read so far.

      iex> Linx.Run.Input.take([], "bytes")
      {:done, "bytes", []}
  """
  @spec take(term, charlist | binary | :eof) :: {:done, charlist | binary | :eof, []}
  def take(_continuation, data), do: {:done, data, []}
end
