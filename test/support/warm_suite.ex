defmodule Linx.Test.WarmSuite do
  @moduledoc """
  The tests of warm programs that are written in Python, below `test/prefork`.

  Each runs by itself in a sandbox with processes, a `/tmp` and a `/run` of its own: what it starts
  cannot be confused with anything else, and it fails where it leaves a process.
  """

  alias Linx.Sandbox

  @directory Path.expand("../prefork", __DIR__)

  @doc "The names of all tests in a file, as `unittest` takes them."
  @spec tests(String.t()) :: [String.t()]
  def tests(module) do
    ~r/^class (\w+)|^    def (test_\w+)/m
    |> Regex.scan(File.read!(Path.join(@directory, "#{module}.py")))
    |> Enum.reduce({nil, []}, fn
      [_, class], {_, found} -> {class, found}
      [_, "", test], {class, found} -> {class, ["#{module}.#{class}.#{test}" | found]}
    end)
    |> elem(1)
    |> Enum.reverse()
  end

  @doc "Runs one test; answers what it said, and its exit code."
  @spec run(String.t()) :: {String.t(), term}
  def run(test) do
    {uid, 0} = Linx.cmd("id", ["-u"])
    run_dir = "/run/user/#{String.trim(uid)}"
    script = ~S(mkdir -m 755 /run/user && mkdir -m 700 "$0" && exec "$@")

    Linx.cmd("/bin/sh", ["-c", script, run_dir | python(test)],
      sandbox: sandbox(),
      init: true,
      cd: "/tmp",
      env: environment(run_dir),
      stderr_to_stdout: true,
      timeout: 180_000
    )
  end

  # Debian's, also where another one comes first in PATH.
  defp python(test), do: ["/usr/bin/python3", "-W", "error", "-m", "unittest", test]

  defp sandbox do
    Sandbox.new(:build)
    |> Sandbox.tmpfs("/run")
    |> Sandbox.bind(@directory, "/tmp/tests")
    |> Sandbox.bind(priv(), "/tmp/priv")
  end

  defp priv, do: Application.app_dir(:linx, "priv")

  defp environment(run_dir) do
    [
      {"PYTHONPATH", "/tmp/tests"},
      {"PYTHONDONTWRITEBYTECODE", "1"},
      {"PYTHONUNBUFFERED", nil},
      {"LINX_PRIV", "/tmp/priv"},
      {"XDG_RUNTIME_DIR", run_dir}
    ]
  end
end
