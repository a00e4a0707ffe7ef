defmodule Linx.Command.Lookup do
  @moduledoc """
  Finds a command as a shell would, in the root that the workload will have.

      iex> Linx.Command.Lookup.resolve("./serve", "/usr/bin:/bin", "/srv")
      {:ok, "/srv/serve"}
  """

  @default_path "/usr/local/bin:/usr/bin:/bin"

  @doc """
  The absolute path of a command.

  A name with a slash is taken as it is, from the working directory. Another one is looked for in
  the directories of a PATH below a root: `""`, or the `/proc/PID/root` of a process that is to be
  entered.

      iex> Linx.Command.Lookup.resolve("no-such-command", "/nowhere", "/")
      {:error, {:no_such_command, "no-such-command"}}
  """
  @spec resolve(String.t(), String.t() | nil, Path.t(), Path.t()) ::
          {:ok, Path.t()} | {:error, {:no_such_command, String.t()}}
  def resolve(name, path, cwd, root \\ "")
  def resolve("/" <> _ = name, _path, _cwd, _root), do: {:ok, name}

  def resolve(name, path, cwd, root) do
    if String.contains?(name, "/") do
      {:ok, Path.expand(name, cwd)}
    else
      (path || @default_path)
      |> String.split(":")
      |> Enum.map(&Path.expand(Path.join(&1, name), cwd))
      |> Enum.find(&executable?(root, &1))
      |> case do
        nil -> {:error, {:no_such_command, name}}
        found -> {:ok, found}
      end
    end
  end

  # An absolute link means another file inside that root, so there its target is not followed.
  defp executable?("", path) do
    case File.stat(path) do
      {:ok, %{type: :regular, mode: mode}} -> Bitwise.band(mode, 0o111) != 0
      _ -> false
    end
  end

  defp executable?(root, path) do
    case File.lstat(root <> path) do
      {:ok, %{type: :regular, mode: mode}} -> Bitwise.band(mode, 0o111) != 0
      {:ok, %{type: :symlink}} -> true
      _ -> false
    end
  end
end
