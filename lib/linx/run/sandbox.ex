defmodule Linx.Run.Sandbox do
  @moduledoc """
  The sandbox that the options of `mix linx.run` ask for.

      iex> Linx.Run.Sandbox.of(%{cwd: "/"})
      nil
      iex> %Linx.Sandbox{} = Linx.Run.Sandbox.of(%{sandbox: :strict, limits: [memory: "64m"]})

  Where none of its options is given there is none.
  """

  alias Linx.Sandbox

  # In the order in which they are applied: a bind comes after the root that it is put into.
  @fields [:root, :binds, :tmpfs, :hostname, :user, :group, :limits] ++
            [:readable, :writable, :executable]

  @doc "The sandbox of options by field, `nil` where nothing is asked for."
  @spec of(map) :: Sandbox.t() | nil
  def of(given) do
    if Enum.any?([:sandbox | @fields], &Map.has_key?(given, &1)) do
      Enum.reduce(@fields, Sandbox.new(Map.get(given, :sandbox, :none)), fn field, sandbox ->
        case Map.fetch(given, field) do
          {:ok, value} -> apply_field(field, value, sandbox)
          :error -> sandbox
        end
      end)
    end
  end

  defp apply_field(:root, {path, options}, sandbox), do: Sandbox.root(sandbox, path, options)

  defp apply_field(:binds, binds, sandbox) do
    Enum.reduce(binds, sandbox, fn {source, target, options}, sandbox ->
      Sandbox.bind(sandbox, source, target, options)
    end)
  end

  defp apply_field(:tmpfs, mounts, sandbox) do
    Enum.reduce(mounts, sandbox, fn {target, options}, sandbox ->
      Sandbox.tmpfs(sandbox, target, options)
    end)
  end

  defp apply_field(:hostname, name, sandbox), do: Sandbox.hostname(sandbox, name)
  defp apply_field(:user, user, sandbox), do: Sandbox.user(sandbox, user)
  defp apply_field(:group, group, sandbox), do: Sandbox.group(sandbox, group)
  defp apply_field(:limits, limits, sandbox), do: Sandbox.limit(sandbox, limits)
  defp apply_field(:readable, paths, sandbox), do: Sandbox.readable(sandbox, paths)
  defp apply_field(:writable, paths, sandbox), do: Sandbox.writable(sandbox, paths)
  defp apply_field(:executable, paths, sandbox), do: Sandbox.executable(sandbox, paths)
end
