defmodule Linx.User.Error do
  @moduledoc """
  What the kernel said to a step of `Linx.User`.

    * `:path` - the file, such as `"/proc/4711/gid_map"`
    * `:operation` - `:open`, `:read` or `:write`
    * `:errno` - the kernel's reason by name, such as `:eperm`
    * `:code` - the same as a number

  The message says what was tried and, where the reason is a known one, what to change:

      iex> path = "/proc/7/gid_map"
      iex> error = %Linx.User.Error{path: path, operation: :write, errno: :eperm, code: 1}
      iex> Exception.message(error) =~ "deny_setgroups"
      true
  """

  defexception [:path, :operation, :errno, :code]

  @type t :: %__MODULE__{
          path: Path.t(),
          operation: :open | :read | :write,
          errno: atom,
          code: non_neg_integer
        }

  @impl true
  def message(%__MODULE__{path: path, operation: operation, errno: errno}) do
    "cannot #{operation} #{path}: #{errno}#{advice(Path.basename(path), operation, errno)}"
  end

  defp advice(_file, _operation, :esrch), do: " (the process is gone)"

  defp advice(_file, :open, :eacces) do
    " (the process belongs to another user, or to a user namespace that this user did not make)"
  end

  defp advice("gid_map", :write, :eperm) do
    " (a map can be written once; an ordinary user must call deny_setgroups/1 before, and can " <>
      "map only its own gid, in one range of length 1)"
  end

  defp advice("uid_map", :write, :eperm) do
    " (a map can be written once; an ordinary user can map only its own uid, in one range of " <>
      "length 1)"
  end

  defp advice("setgroups", :write, :eperm) do
    " (setgroups can be denied only before the gid map is written)"
  end

  defp advice(_file, :write, :einval) do
    " (an outside id has no meaning in the parent user namespace)"
  end

  defp advice(_file, _operation, _errno), do: ""
end
