defmodule Linx.Test.Sandboxed do
  @moduledoc """
  What a sandbox looks like from outside, and what programs in one say.
  """

  import ExUnit.Assertions

  alias Linx.Sandbox

  @doc "A sandbox in these namespaces besides those it needs."
  @spec sandbox([atom]) :: Sandbox.t()
  def sandbox(namespaces), do: Sandbox.namespaces(Sandbox.new(), namespaces)

  @doc "What a script of `/bin/sh` in the sandbox writes, and its exit code."
  @spec run(Sandbox.t(), String.t(), keyword) :: {String.t(), term}
  def run(sandbox, script, options \\ []) do
    options = [sandbox: sandbox, stderr_to_stdout: true] ++ options
    Linx.cmd("/bin/sh", ["-c", script], options)
  end

  @doc "The error of a session that cannot have this sandbox; nothing of it ran."
  @spec error(Sandbox.t(), keyword) :: Linx.Process.Error.t()
  def error(sandbox, options \\ []) do
    # Tagged: its messages are not taken for those of another session of the test.
    tag = make_ref()
    given = [argv: ["/bin/true"], sandbox: sandbox, stdio: :devnull, auto_proceed: true, tag: tag]
    {:ok, session} = Linx.Process.spawn(Keyword.merge(given, options))
    assert {:error, %Linx.Process.Error{} = error} = Linx.Process.wait(session)
    refute_received {:linx_process, ^tag, :running}
    error
  end

  @doc "The stage, errno and detail of that error."
  @spec failure(Sandbox.t(), keyword) :: {atom, atom, String.t() | nil}
  def failure(sandbox, options \\ []) do
    %{stage: stage, errno: errno, detail: detail} = error(sandbox, options)
    {stage, errno, detail}
  end

  @doc """
  The mounts of a process by their place; of several at one place the last, which is seen.

  Each has the `root` that is shown of its file system, `flags`, `tags` (of propagation), `type`, and
  the `options` of its file system.
  """
  @spec mounts(pos_integer) :: %{Path.t() => map}
  def mounts(pid) do
    for line <- "/proc/#{pid}/mountinfo" |> File.read!() |> String.split("\n", trim: true),
        into: %{} do
      [before, behind] = String.split(line, " - ", parts: 2)
      [_id, _parent, _device, root, place, flags | tags] = String.split(before, " ")
      [type, _source, options] = String.split(behind, " ", parts: 3)
      lists = %{flags: String.split(flags, ","), options: String.split(options, ",")}
      {place, Map.merge(lists, %{root: root, tags: tags, type: type})}
    end
  end
end
