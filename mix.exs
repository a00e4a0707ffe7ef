defmodule Linx.MixProject do
  use Mix.Project

  # CMakeLists.txt reads this line too: the agent and the library have one version.
  @version "0.1.0"

  def project do
    [
      app: :linx,
      version: @version,
      elixir: "~> 1.14",
      # The agent's compiler is itself part of lib, so it runs once lib is compiled.
      compilers: Mix.compilers() ++ [:linx_agent],
      elixirc_paths: elixirc_paths(Mix.env()),
      start_permanent: Mix.env() == :prod,
      deps: [],
      description: "Run, isolate, enter and supervise Linux processes",
      package: package()
    ]
  end

  def application do
    [mod: {Linx.Application, []}, extra_applications: extra_applications(Mix.env())]
  end

  # PropEr comes with the system (Debian: erlang-proper), not from Hex.
  defp extra_applications(:test), do: [:logger, :proper]
  defp extra_applications(_), do: [:logger]

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_), do: ["lib"]

  defp package do
    [
      licenses: ["Apache-2.0"],
      links: %{},
      files:
        ~w(.formatter.exs CHANGELOG.md CMakeLists.txt LICENSE README.md mix.exs) ++
          ~w(bin c_src docs examples lib priv/linx_prefork.py)
    ]
  end
end
