defmodule Mix.Tasks.Compile.LinxAgent do
  @moduledoc """
  Builds the agent, `linx_process`, and the command `linx-prefork` with CMake and puts them into
  `priv/`.

  It runs as the last compiler of this project, and so also where Linx is a dependency:

      mix compile            # builds what changed
      mix compile --force    # builds anew
      mix compile.linx_agent --verbose
      mix clean              # removes the programs and their build directory

  They are rebuilt when the content of a source, a compiler variable (`CC`, `CXX`, `CFLAGS`,
  `CXXFLAGS`, `LDFLAGS`) or the Erlang/OTP they are linked against changes, and when a binary in
  `priv/` is not the one that was built. Ninja is used where it is installed, otherwise make.

  Needed: cmake, ninja or make, a C++17 compiler, and the headers of erl_interface, libseccomp,
  libcap and libmd. Where one is missing the error names the package that has it.
  """

  use Mix.Task.Compiler

  alias Mix.Task.Compiler.Diagnostic

  @recursive true
  @manifest "compile.linx_agent"
  @manifest_version 2
  @binaries ["linx_process", "linx-prefork"]
  @sources ["CMakeLists.txt", "mix.exs", "c_src/**/*.{cc,h,def}"]
  @variables ~w(CC CXX CFLAGS CXXFLAGS LDFLAGS)
  @switches [force: :boolean, verbose: :boolean]

  @impl true
  @spec run([String.t()]) :: {:ok | :noop | :error, [Diagnostic.t()]}
  def run(args) do
    {opts, _, _} = OptionParser.parse(args, switches: @switches)
    previous = read_manifest()
    wanted = fingerprint()

    if not Keyword.get(opts, :force, false) and fresh?(previous, wanted) do
      {:noop, []}
    else
      build(previous, wanted, opts)
    end
  end

  @impl true
  def manifests, do: [manifest_path()]

  @impl true
  def clean do
    Enum.each([manifest_path(), build_dir() | binary_paths()], &File.rm_rf!/1)
  end

  @doc """
  Turns the output of CMake and the C++ compiler into diagnostics.

  Paths are made absolute against `root`. Output that holds no message with a place becomes one
  diagnostic on `CMakeLists.txt` that carries it whole.
  """
  @spec diagnostics(String.t(), Path.t()) :: [Diagnostic.t()]
  def diagnostics(output, root) do
    placed =
      for [_, file, line, column, kind, message] <-
            Regex.scan(~r/^(\S[^:\n]*):(\d+):(\d+): (?:fatal )?(error|warning): (.*)$/m, output) do
        position = {String.to_integer(line), String.to_integer(column)}
        diagnostic(Path.expand(file, root), position, String.to_atom(kind), message)
      end

    if placed == [] do
      [diagnostic(Path.join(root, "CMakeLists.txt"), 0, :error, String.trim(output))]
    else
      placed
    end
  end

  @doc """
  Names what is missing to build, each with the Debian package that has it.

  `find` answers the path of an executable or `nil`, as `System.find_executable/1` does.
  """
  @spec missing_tools((String.t() -> Path.t() | nil)) :: [String.t()]
  def missing_tools(find) do
    compilers = Enum.reject([System.get_env("CXX"), "c++", "g++", "clang++"], &is_nil/1)

    [
      {["cmake"], "cmake: apt-get install cmake"},
      {["ninja", "make"], "ninja or make: apt-get install ninja-build"},
      {compilers, "a C++17 compiler: apt-get install g++"}
    ]
    |> Enum.reject(fn {candidates, _} -> Enum.any?(candidates, find) end)
    |> Enum.map(fn {_, advice} -> advice end)
  end

  defp build(previous, wanted, opts) do
    case missing_tools(&System.find_executable/1) do
      [] ->
        prepare_build_dir(previous, wanted)
        Mix.shell().info("Building the agent (#{Enum.join(@binaries, ", ")})")

        Enum.reduce_while(steps(), {:ok, []}, fn args, _ ->
          case cmake(args, opts) do
            :ok -> {:cont, {:ok, []}}
            {:error, output} -> {:halt, failed(output)}
          end
        end)
        |> finish(wanted)

      missing ->
        failed(
          "The agent cannot be built. Missing: #{Enum.join(missing, "; ")}.\n" <>
            "On Debian, bin/setup installs everything."
        )
    end
  end

  defp finish({:ok, []}, wanted) do
    install()
    write_manifest(Map.put(wanted, :binaries, digests()))
    {:ok, []}
  end

  defp finish({:error, diagnostics}, _wanted), do: {:error, diagnostics}

  # CMake keeps compiler, generator and paths in its cache and refuses to change them.
  defp prepare_build_dir(previous, wanted) do
    if previous[:configuration] != wanted.configuration or previous[:root] != wanted.root do
      File.rm_rf!(build_dir())
    end

    File.mkdir_p!(build_dir())
  end

  defp steps do
    generator = if System.find_executable("ninja"), do: "Ninja", else: "Unix Makefiles"
    dir = build_dir()
    jobs = Integer.to_string(System.schedulers_online())

    [
      ["-S", root(), "-B", dir, "-G", generator, "-DLINX_TESTS=OFF"] ++ definitions(),
      ["--build", dir, "--parallel", jobs, "--target" | @binaries],
      ["--install", dir, "--strip", "--prefix", stage_dir()]
    ]
  end

  defp definitions do
    version = ["-DLINX_VERSION=#{Mix.Project.config()[:version]}"]

    case erl_interface() do
      nil -> version
      dir -> ["-DERL_EI_INCLUDE_DIR=#{dir}/include", "-DERL_EI_LIBDIR=#{dir}/lib" | version]
    end
  end

  # Not :code.lib_dir(:erl_interface): newer Mix takes unused OTP applications off the code path.
  defp erl_interface do
    [to_string(:code.lib_dir()), "erl_interface-*"]
    |> Path.join()
    |> Path.wildcard()
    |> List.last()
  end

  defp cmake(args, opts) do
    {output, status} = System.cmd("cmake", args, cd: root(), stderr_to_stdout: true)
    if opts[:verbose], do: Mix.shell().info(output)
    if status == 0, do: :ok, else: {:error, output}
  end

  # By rename: who is starting one sees the old file or the new one, never a part of it.
  defp install do
    for target <- binary_paths() do
      temporary = "#{target}.#{System.pid()}"
      File.mkdir_p!(Path.dirname(target))
      File.cp!(Path.join(stage_dir(), Path.basename(target)), temporary)
      File.rename!(temporary, target)
    end
  end

  defp failed(output) do
    Mix.shell().error(output)
    {:error, diagnostics(output, root())}
  end

  defp diagnostic(file, position, severity, message) do
    %Diagnostic{
      compiler_name: "linx_agent",
      file: file,
      position: position,
      severity: severity,
      message: message
    }
  end

  defp fresh?(%{sources: s, configuration: c, binaries: b}, %{sources: s, configuration: c}),
    do: Enum.all?(binary_paths(), &File.regular?/1) and digests() == b

  defp fresh?(_previous, _wanted), do: false

  defp fingerprint do
    %{
      root: root(),
      sources: digest(for file <- sources(), do: {file, File.read!(file)}),
      configuration:
        digest({:erlang.system_info(:otp_release), definitions(), Enum.map(@variables, &env/1)})
    }
  end

  defp sources, do: @sources |> Enum.flat_map(&Path.wildcard/1) |> Enum.sort()

  defp env(name), do: {name, System.get_env(name)}

  defp digest(term), do: :erlang.md5(:erlang.term_to_binary(term))
  defp digests, do: for(path <- binary_paths(), do: :erlang.md5(File.read!(path)))

  defp read_manifest do
    with {:ok, binary} <- File.read(manifest_path()),
         {@manifest_version, manifest} <- :erlang.binary_to_term(binary) do
      manifest
    else
      _ -> %{}
    end
  rescue
    # A manifest cut short by a full disk or a kill.
    ArgumentError -> %{}
  end

  defp write_manifest(manifest) do
    File.mkdir_p!(Path.dirname(manifest_path()))
    File.write!(manifest_path(), :erlang.term_to_binary({@manifest_version, manifest}))
  end

  # Mix runs a project's compilers in the project's directory, also those of a dependency.
  defp root, do: File.cwd!()
  defp manifest_path, do: Path.join(Mix.Project.manifest_path(), @manifest)
  defp build_dir, do: Path.join(Mix.Project.app_path(), "agent_build")
  defp stage_dir, do: Path.join(build_dir(), "stage")

  defp binary_paths,
    do: for(name <- @binaries, do: Path.join([Mix.Project.app_path(), "priv", name]))
end
