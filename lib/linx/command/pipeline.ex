defmodule Linx.Command.Pipeline do
  @moduledoc """
  Runs commands to their end and collects what they write: what `Linx.cmd/3` and `Linx.pipeline/2` do.

      command = Linx.Command.new!("echo", ["hello"], [])
      {"hello\\n", 0} = Linx.Command.Pipeline.run!(command)
  """

  alias Linx.Command
  alias Linx.Command.{Error, Run, Sink}

  @doc """
  Runs one command, or several whose options are all the same.

  Answers the collectable, with `stderr: :separate` as `{collectable, stderr}`, and how the command
  ended; of several a list of each. Raises what could not be started, what an input or a collectable
  raised, and `Linx.Command.Error`; nothing is left of the commands then.
  """
  @spec run!(Command.t()) :: {collected :: term, Run.status()}
  @spec run!([Command.t(), ...]) :: {collected :: term, [Run.status()]}
  def run!(%Command{} = command) do
    {collected, [status]} = run!([command], &Sink.stderr(&1, 0))
    {collected, status}
  end

  def run!([_ | _] = commands) do
    indices = 0..(length(commands) - 1)
    run!(commands, fn sink -> Enum.map(indices, &Sink.stderr(sink, &1)) end)
  end

  defp run!([command | _] = commands, stderr) do
    into = if command.into == nil, do: default(command), else: command.into
    limits = [lines: command.lines, max_output: command.max_output, log: command.log]
    opened = Sink.open(into, limits)

    try do
      run = Run.start!(commands, command.input, command.timeout)

      try do
        collect(run, opened)
      after
        Run.close(run)
      end
    catch
      kind, reason ->
        Sink.halt(opened)
        :erlang.raise(kind, reason, __STACKTRACE__)
    else
      {:ok, sink, statuses} -> {collected(sink, command, stderr), statuses}
      {reason, sink} -> raise error(reason, commands, collected(sink, command, stderr))
    end
  end

  defp default(%Command{lines: true}), do: []
  defp default(_command), do: ""

  defp collect(run, sink) do
    case Run.next(run) do
      {:output, source, bytes, run} ->
        case Sink.put(sink, source, bytes) do
          {:ok, sink} -> collect(run, sink)
          {:full, sink} -> {:max_output, sink}
        end

      {:ended, statuses, _run} ->
        {:ok, sink, statuses}

      {:failed, {:raise, kind, reason, stacktrace}, _run} ->
        :erlang.raise(kind, reason, stacktrace)

      {:failed, reason, _run} ->
        {reason, sink}
    end
  end

  defp collected(sink, %Command{stderr: :separate}, stderr), do: {Sink.close(sink), stderr.(sink)}
  defp collected(sink, _command, _stderr), do: Sink.close(sink)

  @doc "The error of commands that were ended, or ended badly."
  @spec error(Error.reason(), [Command.t(), ...], output :: term) :: Error.t()
  def error(reason, commands, output) do
    command =
      case Enum.map(commands, &[&1.name | tl(&1.argv)]) do
        [one] -> one
        several -> several
      end

    %Error{reason: reason, command: command, output: output}
  end
end
