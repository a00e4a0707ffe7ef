defmodule Linx.Command.Error do
  @moduledoc """
  Why a command was ended before it was done, or why its end is no success.

    * `:reason` - `:timeout`, `:max_output`, or `:aborted` by a checkpoint; from `Linx.stream!/3`
      also `{:exited, code}` and `{:signal, number}`
    * `:command` - the command as it was given, a list; of a pipeline a list of lists
    * `:output` - what was collected up to then, in the form in which it would have been answered;
      `nil` from `Linx.stream!/3`, which has handed it out

  When it is raised, nothing of the command is left running.

      iex> error = %Linx.Command.Error{reason: :timeout, command: ["sleep", "60"], output: ""}
      iex> Exception.message(error)
      "the command [\\"sleep\\", \\"60\\"] took longer than its :timeout and was killed"
  """

  @type reason ::
          :timeout | :max_output | :aborted | {:exited, pos_integer} | {:signal, pos_integer}

  @type t :: %__MODULE__{
          reason: reason,
          command: [String.t()] | [[String.t()]],
          output: term
        }

  defexception [:reason, :command, :output]

  @impl true
  def message(%__MODULE__{reason: reason, command: command}),
    do: "the command #{inspect(command)} #{what(reason)}"

  defp what(:timeout), do: "took longer than its :timeout and was killed"
  defp what(:max_output), do: "wrote more than its :max_output and was killed"
  defp what(:aborted), do: "was aborted by its :checkpoint"
  defp what({:exited, code}), do: "exited with #{code}"
  defp what({:signal, number}), do: "was ended by signal #{number}"
end
