defmodule Linx.Test.RootFs do
  @moduledoc """
  A root file system for tests: busybox and the directories that a system has.

      root = Linx.Test.RootFs.make()
      sandbox = Linx.Sandbox.new() |> Linx.Sandbox.root(root)
      {:ok, session} = Linx.Process.spawn(argv: ["/bin/sh", "-c", "ls /"], sandbox: sandbox)

  It is removed after the test.
  """

  @directories ~w(bin etc proc sys dev tmp var root)
  @applets ~w(sh cat ls echo id mount umount stat readlink wc touch mkdir dd grep head sleep ps)

  @doc "The directory of a new one."
  @spec make() :: Path.t()
  def make do
    root = Path.join(Linx.Case.tmp_dir(), "root")
    for directory <- @directories, do: File.mkdir_p!(Path.join(root, directory))
    busybox = Path.join(root, "bin/busybox")
    File.cp!(System.find_executable("busybox"), busybox)
    File.chmod!(busybox, 0o755)
    for name <- @applets, do: File.ln_s!("busybox", Path.join([root, "bin", name]))
    File.write!(Path.join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")
    root
  end

  @doc "Everything that is below a directory, with what it is and holds; links are not followed."
  @spec contents(Path.t()) :: [{Path.t(), term}]
  def contents(directory) do
    for name <- directory |> File.ls!() |> Enum.sort(),
        path = Path.join(directory, name),
        entry <- [{path, what(path)} | below(path)],
        do: entry
  end

  defp below(path) do
    if match?({:ok, %{type: :directory}}, File.lstat(path)), do: contents(path), else: []
  end

  defp what(path) do
    case File.lstat!(path) do
      %{type: :symlink} -> {:symlink, File.read_link!(path)}
      %{type: :regular, mode: mode} -> {:regular, mode, :erlang.md5(File.read!(path))}
      %{type: type, mode: mode} -> {type, mode}
    end
  end
end
