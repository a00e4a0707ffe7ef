defmodule Linx.Process.Chunks do
  @moduledoc """
  The output of a session as an Enumerable: what `Linx.Process.stream!/2` answers.

      {:ok, session} =
        Linx.Process.spawn(
          argv: ["/usr/bin/seq", "3"],
          stdio: [stdout: :pipe],
          active: false,
          auto_proceed: true
        )

      Enum.join(Linx.Process.Chunks.new(session, from: :stdout))
      #=> "1\\n2\\n3\\n"
  """

  alias Linx.Command.Lines
  alias Linx.Process.Error

  @esrch 3

  @doc "The stream; options as `Linx.Process.stream!/2` has them."
  @spec new(Linx.Process.session(), keyword) :: Enumerable.t()
  def new(session, options) do
    Enum.each(options, &check!/1)
    from = Keyword.get(options, :from, :all)
    chunks = Stream.resource(fn -> start(session, from) end, &next/1, &finish/1)
    if Keyword.get(options, :lines, false), do: lines(chunks), else: chunks
  end

  defp check!({:from, from}) when from in [:all, :stdout, :stderr, :pty_out], do: :ok
  defp check!({:lines, lines}) when is_boolean(lines), do: :ok

  defp check!({:from, from}) do
    raise ArgumentError,
          "invalid option :from: #{inspect(from)}, expected :stdout, :stderr, :pty_out or :all"
  end

  defp check!({:lines, lines}),
    do: raise(ArgumentError, "invalid option :lines: #{inspect(lines)}, expected true or false")

  defp check!({key, _}), do: raise(ArgumentError, "unknown option #{inspect(key)}")

  # What has no newline yet is kept by stream.
  defp lines(chunks) do
    Stream.transform(chunks, fn -> %{} end, &cut/2, &last_lines/1, fn _rests -> :ok end)
  end

  defp cut({stream, bytes}, rests), do: cut(stream, bytes, rests)
  defp cut(bytes, rests), do: cut(nil, bytes, rests)

  defp cut(stream, bytes, rests) do
    {lines, rest} = Lines.push(Map.get_lazy(rests, stream, &Lines.new/0), bytes)
    {named(stream, lines), Map.put(rests, stream, rest)}
  end

  defp last_lines(rests),
    do: {Enum.flat_map(rests, fn {stream, rest} -> named(stream, Lines.flush(rest)) end), rests}

  defp named(nil, lines), do: lines
  defp named(stream, lines), do: Enum.map(lines, &{stream, &1})

  defp start(session, from) do
    # Refused once the end is told; what is left can still be read then.
    _ = Linx.Process.set_active(session, false)
    {session, from}
  end

  defp next({session, from} = state) do
    case Linx.Process.recv(session, from) do
      {:ok, chunk} ->
        {[chunk], state}

      {:error, :closed} ->
        raise_failure(session)
        {:halt, :done}

      {:error, :no_process} ->
        raise Error.new(@esrch, :session)

      {:error, reason} ->
        raise ArgumentError, "a stream of #{inspect(from)} cannot be had: #{inspect(reason)}"
    end
  end

  # A workload that runs on has only closed its end; any other has failed, or is about to end.
  defp raise_failure(session) do
    with {:ok, info} when info.stage != :running <- Linx.Process.info(session),
         {:error, %Error{} = error} <- Linx.Process.wait(session) do
      raise error
    end
  end

  defp finish(:done), do: :ok
  defp finish({session, _from}), do: Linx.Process.stop(session, 0)
end
