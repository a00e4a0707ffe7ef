defmodule Linx.Prefork.Error do
  @moduledoc """
  Why a warm script did not start.

    * `:reason` - how its start ended: `{:exited, code}`, `{:signaled, number}`, `:start_timeout`, or
      `:no_greeting` where it went on but closed what it was to answer on; or the reason for which no session
      could be started
    * `:ident` - which script
    * `:output` - the last of what it wrote until then, to stdout and stderr

      iex> error = %Linx.Prefork.Error{reason: {:exited, 1}, ident: "report.py", output: "no table\\n"}
      iex> Exception.message(error)
      "the script report.py exited with 1 before its initialisation was complete: no table"
  """

  @type reason ::
          {:exited, non_neg_integer}
          | {:signaled, pos_integer}
          | :start_timeout
          | :no_greeting
          | term

  @type t :: %__MODULE__{reason: reason, ident: String.t(), output: binary}

  defexception [:reason, :ident, output: ""]

  @impl true
  def message(%__MODULE__{} = error) do
    said = error.output |> printable() |> String.trim()
    said = if said == "", do: ", and wrote nothing", else: ": " <> said

    "the script #{error.ident} #{what(error.reason)} before its initialisation was complete" <>
      said
  end

  defp what({:exited, code}), do: "exited with #{code}"
  defp what({:signaled, number}), do: "was ended by signal #{number}"
  defp what(:start_timeout), do: "was not ready in time and was killed"
  defp what(:no_greeting), do: "closed its call and was killed"
  defp what(%{__exception__: true} = error), do: "failed (#{Exception.message(error)})"
  defp what(other), do: "failed (#{inspect(other)})"

  defp printable(bytes), do: if(String.valid?(bytes), do: bytes, else: inspect(bytes))
end
