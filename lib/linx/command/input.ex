defmodule Linx.Command.Input do
  @moduledoc """
  Feeds a session's stdin from a process of its own, so that output is read meanwhile: a command that
  answers each line before it reads the next is not waited for in vain.

      input = Linx.Command.Input.start(session, File.stream!("names"), ref)
      Linx.Command.Input.stop(input)

  Elements are taken only as fast as the workload reads. When there are no more, or the workload has
  closed its stdin, that is the end of it. What an enumerable raises is sent to the caller as
  `{ref, :input, kind, reason, stacktrace}`.
  """

  @type t :: {pid, reference}

  @doc """
  Starts to feed `input`: a binary, iodata, or an enumerable of iodata.

  It ends with the caller, however the caller ends.
  """
  @spec start(pid, iodata | Enumerable.t(), reference) :: t
  def start(session, input, ref) do
    caller = self()

    {writer, monitor} =
      spawn_monitor(fn ->
        guard(caller)
        feed(session, input, caller, ref)
      end)

    {writer, monitor}
  end

  @doc "Stops feeding, whatever it is waiting for. Nothing of it is left in the caller's mailbox."
  @spec stop(t) :: :ok
  def stop({writer, monitor}) do
    Process.exit(writer, :kill)
    receive do: ({:DOWN, ^monitor, :process, _, _} -> :ok)
  end

  # An enumerable may wait for ever, so somebody else has to see that the caller is gone. Not a link:
  # a caller that exits normally would not be noticed.
  defp guard(caller) do
    writer = self()

    spawn(fn ->
      caller_monitor = Process.monitor(caller)
      writer_monitor = Process.monitor(writer)

      receive do
        {:DOWN, ^caller_monitor, :process, _, _} -> Process.exit(writer, :kill)
        {:DOWN, ^writer_monitor, :process, _, _} -> :ok
      end
    end)
  end

  defp feed(session, input, caller, ref) do
    write_all(session, input)
    Linx.Process.close_stdin(session)
  catch
    kind, reason -> send(caller, {ref, :input, kind, reason, __STACKTRACE__})
  end

  defp write_all(session, input) when is_binary(input) or is_list(input),
    do: Linx.Process.write(session, input)

  defp write_all(session, input) do
    Enum.find_value(input, :ok, fn element ->
      case Linx.Process.write(session, List.wrap(element)) do
        :ok -> nil
        # A workload need not read all that there is.
        {:error, _} -> :ok
      end
    end)
  end
end
