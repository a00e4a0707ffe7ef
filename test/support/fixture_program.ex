defmodule Linx.Test.FixtureProgram do
  @moduledoc """
  The C programs of `test/fixtures/programs`, compiled when a test first asks for one.
  """

  @sources Path.expand("../fixtures/programs", __DIR__)

  @doc "The path of a program, built from its source as it is now."
  @spec path(String.t()) :: Path.t()
  def path(name) do
    source = Path.join(@sources, "#{name}.c")
    digest = source |> File.read!() |> :erlang.md5() |> Base.encode16(case: :lower)
    program = Path.join([Mix.Project.build_path(), "fixtures", digest, name])
    unless File.exists?(program), do: compile(source, program)
    program
  end

  # Under another name first: a second run of the tests may want it at this moment.
  defp compile(source, program) do
    File.mkdir_p!(Path.dirname(program))
    unfinished = "#{program}.#{System.pid()}"
    args = ~w(-std=gnu11 -static -O1 -Wall -Wextra -Wpedantic -Werror -o) ++ [unfinished, source]
    {"", 0} = System.cmd("cc", args, stderr_to_stdout: true)
    File.rename!(unfinished, program)
  end
end
