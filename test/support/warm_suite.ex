defmodule Linx.Test.WarmSuite do
  @moduledoc """
  The tests of warm programs that are written in Python, below `test/prefork`.

  Each class of them runs in a sandbox with processes, a `/tmp` and a `/run` of its own: what it
  starts cannot be confused with anything else, and a test fails where it leaves a process.
  """

  alias Linx.Sandbox

  @directory Path.expand("../prefork", __DIR__)
  @example Path.expand("../../examples/prefork", __DIR__)
  @guides Path.expand("../../docs", __DIR__)

  @doc "The classes of tests in a file, as `unittest` takes them."
  @spec classes(String.t()) :: [String.t()]
  def classes(module) do
    source = File.read!(Path.join(@directory, "#{module}.py"))

    for [_, class] <- Regex.scan(~r/^class (\w+)\(.*WarmTest\)/m, source),
        do: "#{module}.#{class}"
  end

  @doc """
  Runs a class of tests; answers what it said, and its exit code.

  Given a socket's path, what the programs write to syslog(3) is sent there.
  """
  @spec run(String.t(), Path.t() | nil) :: {String.t(), term}
  def run(class, syslog \\ nil) do
    {uid, 0} = Linx.cmd("id", ["-u"])
    # Debian's prefork-interp looks for this one, and takes it only if it is ours alone.
    run_dir = "/run/user/#{String.trim(uid)}"
    script = ~S(mkdir -m 755 /run/user && mkdir -m 700 "$0" && exec "$@")
    # Debian's, also where another one comes first in PATH.
    python = ["/usr/bin/python3", "-W", "error", "-m", "unittest", "-v", class]

    Linx.cmd("/bin/sh", ["-c", script, run_dir | python],
      sandbox: if(syslog, do: Sandbox.bind(sandbox(), syslog, "/dev/log"), else: sandbox()),
      init: true,
      cd: "/tmp",
      env: environment(run_dir),
      stderr_to_stdout: true,
      timeout: 300_000
    )
  end

  defp sandbox do
    Sandbox.new(:build)
    |> Sandbox.tmpfs("/run")
    |> Sandbox.bind(@directory, "/tmp/tests")
    |> Sandbox.bind(Application.app_dir(:linx, "priv"), "/tmp/priv")
    |> Sandbox.bind(Path.dirname(verbs()), "/tmp/built")
    |> Sandbox.bind(@guides, "/tmp/docs")
    |> Sandbox.bind(Path.dirname(@example), "/tmp/examples")
  end

  defp environment(run_dir) do
    [
      {"PYTHONPATH", "/tmp/tests"},
      {"PYTHONDONTWRITEBYTECODE", "1"},
      {"PYTHONUNBUFFERED", nil},
      {"LINX_PRIV", "/tmp/priv"},
      {"LINX_VERBS", "/tmp/built/verbs"},
      {"LINX_GUIDE", "/tmp/docs/prefork.md"},
      {"LINX_EXAMPLES", "/tmp/examples"},
      {"XDG_RUNTIME_DIR", run_dir}
    ]
  end

  # The program in C++, compiled when its sources have changed.
  defp verbs do
    sources = [Path.join(@directory, "verbs.cc") | Path.wildcard(Path.join(@example, "*.cc"))]
    built(Enum.reject(sources, &(Path.basename(&1) == "spell.cc")), "verbs")
  end

  @doc "The example that is a program, compiled as its own comment says, with all warnings."
  @spec spell() :: Path.t()
  def spell, do: built(Path.wildcard(Path.join(@example, "*.cc")), "spell")

  defp built(sources, name) do
    headers = Path.wildcard(Path.join(@example, "*.h"))
    digest = for file <- sources ++ headers, into: "", do: File.read!(file)
    directory = digest |> :erlang.md5() |> Base.encode16(case: :lower)
    program = Path.join([Mix.Project.build_path(), "fixtures", directory, name])
    unless File.exists?(program), do: compile(sources, program)
    program
  end

  # Under another name first: a second run of the tests may want it at this moment.
  defp compile(sources, program) do
    File.mkdir_p!(Path.dirname(program))
    unfinished = "#{program}.#{System.pid()}"
    args = ~w(-std=c++17 -O1 -Wall -Wextra -Wpedantic -Werror -I #{@example} -o #{unfinished})
    {"", 0} = System.cmd("c++", args ++ sources, stderr_to_stdout: true)
    File.rename!(unfinished, program)
  end
end
