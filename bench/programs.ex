defmodule Linx.Bench.Programs do
  @moduledoc """
  Builds the C programs of bench/ and says where they are.
  """

  @names [:static, :idle, :writer, :reader] ++
           [
             :floor_port,
             :floor_namespaces,
             :floor_sandbox,
             :floor_pty,
             :floor_output,
             :floor_input
           ]

  @doc "Builds the programs in `source` into `dir` with CMake; answers name to path."
  @spec build(Path.t(), Path.t()) :: %{atom => Path.t()}
  def build(source, dir) do
    cmake(["-S", source, "-B", dir])
    cmake(["--build", dir])
    Map.new(@names, &{&1, Path.join(dir, Atom.to_string(&1))})
  end

  defp cmake(args) do
    cmake =
      System.find_executable("cmake") ||
        Mix.raise("cmake is needed for the floors of the benchmark: run bin/setup")

    # CMake's default is make, which bin/setup does not install. A build directory keeps its generator.
    env = if System.find_executable("ninja"), do: [{"CMAKE_GENERATOR", "Ninja"}], else: []

    case System.cmd(cmake, args, env: env, stderr_to_stdout: true) do
      {_, 0} -> :ok
      {output, _} -> Mix.raise("the programs of bench/ cannot be built:\n" <> output)
    end
  end
end
