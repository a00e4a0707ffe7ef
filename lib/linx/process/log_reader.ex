defmodule Linx.Process.LogReader do
  @moduledoc """
  The process that reads a session's output for `Linx.Log`.

      {:ok, log} = Linx.Log.new(:info)
      Linx.Process.LogReader.start(session, log)

  A process of its own, because `Logger` may make who logs wait, and a session must not wait.
  """

  alias Linx.Log

  @doc """
  Starts to read a session whose mode is passive; ends with its output.

  Were the reader to crash, the session would end with it: the workload would wait for ever to write.
  """
  @spec start(pid, Log.t()) :: pid
  def start(session, log) do
    spawn(fn ->
      # What has been read is still to be logged when the session is gone.
      Process.flag(:trap_exit, true)
      Process.link(session)
      read(session, log)
    end)
  end

  defp read(session, log) do
    case Linx.Process.recv(session, :all) do
      {:ok, {stream, bytes}} -> read(session, Log.put(log, stream, bytes))
      {:error, _} -> Log.flush(log)
    end
  end
end
