defmodule Mix.Tasks.Compile.LinxAgentTest do
  use ExUnit.Case, async: true

  alias Mix.Tasks.Compile.LinxAgent

  @task Path.expand("../lib/mix/tasks/compile.linx_agent.ex", __DIR__)

  # A project as small as can be that builds programs of one file by the same task.
  setup do
    root = Path.join(System.tmp_dir!(), "linx_compiler_#{System.pid()}_#{unique()}")
    on_exit(fn -> File.rm_rf!(root) end)

    write(root, "mix.exs", """
    defmodule Small.MixProject do
      use Mix.Project

      def project do
        [app: :small, version: "1.2.3", compilers: Mix.compilers() ++ [:linx_agent]]
      end
    end
    """)

    write(root, "CMakeLists.txt", """
    cmake_minimum_required(VERSION 3.18)
    project(small LANGUAGES CXX)
    foreach(program linx_process linx-prefork)
      add_executable(${program} c_src/main.cc)
      target_compile_definitions(${program} PRIVATE VERSION="${LINX_VERSION}")
    endforeach()
    install(TARGETS linx_process linx-prefork RUNTIME DESTINATION .)
    """)

    write(root, "c_src/main.cc", ~S[#include <cstdio>] <> "\nint main() { puts(VERSION); }\n")
    write(root, "lib/mix/tasks/compile.linx_agent.ex", File.read!(@task))
    %{root: root}
  end

  defp unique, do: System.unique_integer([:positive])

  defp write(root, file, text) do
    path = Path.join(root, file)
    File.mkdir_p!(Path.dirname(path))
    File.write!(path, text)
  end

  defp mix(root, args, env \\ []) do
    env = [{"MIX_ENV", "dev"}, {"MIX_BUILD_PATH", nil} | env]
    System.cmd("mix", args, cd: root, env: env, stderr_to_stdout: true)
  end

  defp agent(root, app \\ "small"), do: program(root, "linx_process", app)

  defp program(root, name, app \\ "small"),
    do: Path.join(root, "_build/dev/lib/#{app}/priv/#{name}")

  test "builds, rests while nothing changes, builds what changed, cleans", %{root: root} do
    assert {output, 0} = mix(root, ["compile"])
    assert output =~ "Building the agent"
    assert {"1.2.3\n", 0} = System.cmd(agent(root), [])
    assert {"1.2.3\n", 0} = System.cmd(program(root, "linx-prefork"), [])

    assert {"", 0} = mix(root, ["compile"])

    # A touched file has not changed.
    File.touch!(Path.join(root, "c_src/main.cc"), System.os_time(:second) + 10)
    assert {"", 0} = mix(root, ["compile"])

    write(root, "c_src/main.cc", ~S[#include <cstdio>] <> "\nint main() { puts(\"new\"); }\n")
    assert {_, 0} = mix(root, ["compile"])
    assert {"new\n", 0} = System.cmd(agent(root), [])

    for name <- ["linx_process", "linx-prefork"] do
      File.write!(program(root, name), "damaged")
      assert {_, 0} = mix(root, ["compile"])
      assert {"new\n", 0} = System.cmd(program(root, name), [])
    end

    assert {output, 0} = mix(root, ["compile"], [{"CXXFLAGS", "-DOTHER"}])
    assert output =~ "Building the agent"

    assert {_, 0} = mix(root, ["clean"])
    refute File.exists?(agent(root))
    refute File.exists?(program(root, "linx-prefork"))
  end

  test "an error in a source has its place, and the agent of before stays", %{root: root} do
    assert {_, 0} = mix(root, ["compile"])
    write(root, "c_src/main.cc", "int main() { return nothing; }\n")
    assert {output, 1} = mix(root, ["compile"])
    assert output =~ "c_src/main.cc:1:21: error:"
    assert {"1.2.3\n", 0} = System.cmd(agent(root), [])
  end

  test "a missing tool is named with its package", %{root: root} do
    bin = Path.join(root, "bin")
    File.mkdir_p!(bin)

    for tool <- ~w(elixir erl mix sh sed readlink dirname basename env grep expr uname cat rm) do
      if path = System.find_executable(tool), do: File.ln_s!(path, Path.join(bin, tool))
    end

    assert {output, 1} = mix(root, ["compile"], [{"PATH", bin}])
    assert output =~ "apt-get install cmake"
    assert output =~ "apt-get install ninja-build"
    assert output =~ "apt-get install g++"
    assert output =~ "bin/setup"
  end

  test "a missing header is named with its package", %{root: root} do
    source = Path.expand("..", __DIR__)
    nowhere = ["-DERL_EI_INCLUDE_DIR=/nowhere", "-DERL_EI_LIBDIR=/nowhere"]
    args = ["-G", "Ninja", "-S", source, "-B", Path.join(root, "build") | nowhere]
    assert {output, 1} = System.cmd("cmake", args, stderr_to_stdout: true)
    assert output =~ ~r/ei\.h or libei\.a not found\..*apt-get\s+install\s+erlang-dev/s
  end

  test "a dependency's agent goes into the dependant's build", %{root: root} do
    dependant = Path.join(root, "dependant")

    write(dependant, "mix.exs", """
    defmodule Dependant.MixProject do
      use Mix.Project
      def project, do: [app: :dependant, version: "0.1.0", deps: [{:small, path: ".."}]]
    end
    """)

    assert {_, 0} = mix(dependant, ["compile"])
    assert {"1.2.3\n", 0} = System.cmd(agent(dependant), [])
    refute File.exists?(agent(root))
  end

  describe "diagnostics/2" do
    test "places of errors and warnings, absolute" do
      output = """
      FAILED: CMakeFiles/linx_core.dir/c_src/pty.cc.o
      /src/c_src/pty.cc:12:5: error: 'x' was not declared in this scope
         12 |     x = 1;
      c_src/pty.h:3:10: fatal error: nothing.h: No such file or directory
      /src/c_src/ids.cc:7:1: warning: unused variable 'n' [-Wunused-variable]
      """

      assert [
               %{file: "/src/c_src/pty.cc", position: {12, 5}, severity: :error},
               %{file: "/src/c_src/pty.h", position: {3, 10}, message: "nothing.h: " <> _},
               %{file: "/src/c_src/ids.cc", position: {7, 1}, severity: :warning}
             ] = LinxAgent.diagnostics(output, "/src")
    end

    test "anything else is one error that carries it whole" do
      assert [%{file: "/src/CMakeLists.txt", severity: :error, message: "seccomp.h not found"}] =
               LinxAgent.diagnostics("\nseccomp.h not found\n", "/src")
    end
  end

  test "missing_tools/1 takes any of several that do" do
    assert LinxAgent.missing_tools(fn tool -> tool in ["cmake", "make", "clang++"] end) == []
    assert [_cmake, _ninja, _compiler] = LinxAgent.missing_tools(fn _ -> nil end)
  end
end
