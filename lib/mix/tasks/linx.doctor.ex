defmodule Mix.Tasks.Linx.Doctor do
  @shortdoc "Says what this machine can do for Linx, and how to mend the rest"

  @moduledoc """
  Says what this machine can do for Linx, and how to mend what it cannot.

      mix linx.doctor
      mix linx.doctor --json

  One line a check: `pass`; `warn`, where something optional is missing; `fail`, where Linx cannot do
  its main job, an isolated shell; then what was found and what to change. Namespaces, PTYs, filters, file
  systems, limits and the presets of `Linx.Sandbox` are tried with short programs, namespaces as root
  also without any rights.

    * `--json` - one JSON object instead: `{"able": boolean, "checks": [...]}`

  The exit status is 1 if any check failed. Nothing is changed and nothing is left running. It needs no
  network, and runs also where the agent could not be built.
  """

  use Mix.Task

  alias Linx.Doctor
  alias Linx.Doctor.View

  @impl true
  @spec run([String.t()]) :: :ok
  def run(args) do
    {opts, rest} = OptionParser.parse!(args, strict: [json: :boolean])
    if rest != [], do: Mix.raise("linx.doctor takes no arguments, only --json: #{inspect(rest)}")

    # The object is to be all that is on stdout.
    if opts[:json], do: Mix.shell(Mix.Shell.Quiet)
    # A build that fails is something to report on, not a reason to stop.
    Mix.Task.run("compile", ["--return-errors"])
    checks = Doctor.examine()

    if opts[:json] do
      IO.puts(View.json(checks))
    else
      IO.write(View.lines(checks, IO.ANSI.enabled?()))
    end

    unless Doctor.able?(checks), do: exit({:shutdown, 1})
    :ok
  end
end
