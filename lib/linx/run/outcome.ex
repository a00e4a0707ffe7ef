defmodule Linx.Run.Outcome do
  @moduledoc """
  How a run ended, as an exit status and a line for stderr.

      iex> Linx.Run.Outcome.exit_status({:signaled, 15})
      143
  """

  @typedoc "An outcome of `Linx.Process.wait/2`, or why there was no session."
  @type t :: {:exited, non_neg_integer} | {:signaled, pos_integer} | :aborted | {:error, term}

  @own_failure 125
  @not_executable 126
  @not_found 127
  @signal_base 128

  @doc """
  The exit status, as env(1), timeout(1) and the shells have it.

      iex> Linx.Run.Outcome.exit_status({:error, {:no_such_command, "x"}})
      127
  """
  @spec exit_status(t) :: 0..255
  def exit_status({:exited, code}), do: code
  def exit_status({:signaled, number}), do: @signal_base + number
  def exit_status({:error, {:no_such_command, _}}), do: @not_found
  def exit_status({:error, %Linx.Process.Error{stage: :execve, errno: :enoent}}), do: @not_found
  def exit_status({:error, %Linx.Process.Error{stage: :execve}}), do: @not_executable
  def exit_status(_outcome), do: @own_failure

  @doc """
  What to say of it, or `nil` where the command spoke for itself.

      iex> Linx.Run.Outcome.message({:exited, 1})
      nil
      iex> Linx.Run.Outcome.message({:error, {:unknown_syscall, :opne}})
      "there is no system call opne on this machine"
  """
  @spec message(t) :: String.t() | nil
  def message({:error, reason}), do: reason(reason)
  def message(:aborted), do: "the workload was aborted at its checkpoint"
  def message(_outcome), do: nil

  defp reason(text) when is_binary(text), do: text
  defp reason(%{__exception__: true} = error), do: Exception.message(error)
  defp reason({:no_such_command, name}), do: "#{name}: no such command on PATH"
  defp reason({:unknown_syscall, name}), do: "there is no system call #{name} on this machine"
  defp reason({:duplicate_rule, name}), do: "the system call #{name} is named twice"

  defp reason({:not_permitted, cap}) do
    "cannot keep #{cap}: the workload would not have it anyway (a fresh user namespace, " <>
      "--ns user, gives all capabilities over what belongs to it)"
  end

  defp reason({:no_setpcap, cap}) do
    "cannot drop #{cap}: only a process with cap_setpcap can drop from the bounding set. Run " <>
      "this as root, or with a user namespace (--ns user); --no-new-privs keeps exec from " <>
      "granting any."
  end

  defp reason({:missing_binary, path}) do
    "the agent #{path} is missing: mix compile builds it"
  end

  defp reason(other), do: inspect(other)
end
