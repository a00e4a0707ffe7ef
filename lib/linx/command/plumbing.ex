defmodule Linx.Command.Plumbing do
  @moduledoc """
  What fds 0, 1 and 2 of each command of a pipeline are.

  Neighbours share a kernel pipe that the agent makes: the wire's `{:link, name, :read | :write}`, which
  is no option of a session because it wants two of them with the same agent.

  A link is gone with the session that made it, so a command must not end before its neighbour has its
  end: the commands of a pipeline are parked until all of them are there.
  """

  alias Linx.Command
  alias Linx.Process.Options

  @doc "Whether the commands are parked at first."
  @spec parked?([Command.t(), ...]) :: boolean
  # What a warm script does not take is not to have been fed.
  def parked?([command]), do: command.checkpoint != nil or command.prefork
  def parked?(_several), do: true

  @doc """
  The options of the sessions, in the order of the commands; `more` gives those that only the caller
  knows, from the command's index.
  """
  @spec options([Command.t(), ...], (non_neg_integer -> keyword)) :: [Options.t()]
  def options(commands, more) do
    last = length(commands) - 1
    pipeline = System.unique_integer([:positive])
    auto_proceed = [auto_proceed: not parked?(commands)]

    for {command, index} <- Enum.with_index(commands) do
      given = Command.session_options(command, ends(command, index, last))
      {:ok, options} = Options.validate(:spawn, given ++ auto_proceed ++ more.(index))
      link(options, links(pipeline, index, last))
    end
  end

  defp ends(command, index, last) do
    pipes = for {fd, true} <- [stdin: index == 0, stdout: index == last], do: {fd, :pipe}
    pipes ++ stderr(command.stderr)
  end

  defp stderr(:inherit), do: []
  defp stderr(:merge), do: [stderr: :stdout]
  defp stderr(:separate), do: [stderr: :pipe]

  defp links(pipeline, index, last) do
    name = &"pipeline #{pipeline}, pipe #{&1}"
    read = if index > 0, do: [stdin: {:link, name.(index - 1), :read}], else: []
    write = if index < last, do: [stdout: {:link, name.(index), :write}], else: []
    read ++ write
  end

  defp link(options, []), do: options

  defp link(options, links),
    do: %{options | request: Map.update(options.request, :stdio, links, &(&1 ++ links))}
end
