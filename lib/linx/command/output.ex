defmodule Linx.Command.Output do
  @moduledoc """
  The output of a command as an enumerable: what `Linx.stream!/3` answers.

  The command runs while the enumerable is reduced, once each time, for the process that does so. It is
  killed with all it has started when the reduction stops early.
  """

  alias Linx.Command
  alias Linx.Command.{Pipeline, Run}

  @type at_end :: :raise | :emit | :ignore

  @doc """
  The enumerable; `at_end` is what becomes of the command's status.
  """
  @spec stream(Command.t(), at_end) :: Enumerable.t()
  def stream(%Command{} = command, at_end) do
    Stream.resource(
      fn -> {Run.start!([command], command.input, command.timeout), command.max_output} end,
      &next(&1, command, at_end),
      &close/1
    )
  end

  defp next({:over, run}, _command, _at_end), do: {:halt, {:over, run}}

  defp next({run, left}, command, at_end) do
    case Run.next(run) do
      {:output, _source, bytes, _run} when byte_size(bytes) > left ->
        raise error(:max_output, command)

      {:output, {0, name}, bytes, run} ->
        left = if left == :infinity, do: left, else: left - byte_size(bytes)
        {[element(command, name, bytes)], {run, left}}

      {:ended, [status], run} ->
        {last(at_end, status, command), {:over, run}}

      {:failed, {:raise, kind, reason, stacktrace}, _run} ->
        :erlang.raise(kind, reason, stacktrace)

      {:failed, reason, _run} ->
        raise error(reason, command)
    end
  end

  defp close({:over, run}), do: Run.close(run)
  defp close({run, _left}), do: Run.close(run)

  defp element(%Command{stderr: :separate}, name, bytes), do: {name, bytes}
  defp element(_command, _stdout, bytes), do: bytes

  defp last(:emit, status, _command), do: [{:exit, status}]
  defp last(:ignore, _status, _command), do: []
  defp last(:raise, 0, _command), do: []
  defp last(:raise, {:signal, _} = signal, command), do: raise(error(signal, command))
  defp last(:raise, code, command), do: raise(error({:exited, code}, command))

  defp error(reason, command), do: Pipeline.error(reason, [command], nil)
end
