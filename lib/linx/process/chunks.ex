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

  alias Linx.Process.Error

  @esrch 3

  @doc "The stream; options as `Linx.Process.stream!/2` has them."
  @spec new(Linx.Process.session(), keyword) :: Enumerable.t()
  def new(session, options) do
    from = from!(options)
    Stream.resource(fn -> start(session, from) end, &next/1, &finish/1)
  end

  defp from!(options) do
    case Keyword.pop(options, :from, :all) do
      {from, []} when from in [:all, :stdout, :stderr, :pty_out] ->
        from

      {from, []} ->
        raise ArgumentError,
              "invalid option :from: #{inspect(from)}, expected :stdout, :stderr, :pty_out or :all"

      {_from, [{key, _} | _]} ->
        raise ArgumentError, "unknown option #{inspect(key)}"
    end
  end

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
