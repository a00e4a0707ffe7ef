defmodule Linx.Bench.SandboxRow do
  @moduledoc """
  Row 6 in the sandbox `:strict`, beside a C program that makes the same system calls and bwrap, which makes
  fewer: it has neither the filter nor landlock.
  """

  alias Linx.Bench.{Contender, LatencyRows, Measure, Ports, Sessions}
  alias Linx.Sandbox

  @program "/program"

  @doc "Spawn to exit of a static program under `:strict`."
  @spec strict(Linx.Bench.context()) :: [Measure.t()]
  def strict(context) do
    static = context.programs.static
    paths = Enum.filter(Sandbox.Preset.system_paths(), &File.exists?/1)

    contenders =
      [LatencyRows.linx("linx", options(static))] ++
        floor(context, paths) ++ bwrap(static, paths)

    measure = LatencyRows.race(context, 6, "sandbox :strict, static", {10, 20}, contenders)
    [%{measure | targets: [Measure.at_most(1.5, "floor"), Measure.at_most(0.5, "bwrap")]}]
  end

  @doc "The options of a session that runs a program of the host under `:strict`."
  @spec options(Path.t()) :: keyword
  def options(program) do
    sandbox = Sandbox.new(:strict) |> Sandbox.bind(program, @program)
    Sessions.options([@program], sandbox: sandbox)
  end

  defp filter(context) do
    {:ok, filter} = Linx.Seccomp.default()
    {:ok, bpf} = Linx.Seccomp.compile(filter)
    path = Path.join(Path.dirname(context.programs.static), "default.bpf")
    File.write!(path, bpf)
    path
  end

  # Its maps are root's to write.
  defp floor(context, paths) do
    if File.stat!("/proc/self").uid == 0 do
      arguments = [filter(context), context.programs.static | paths]
      [Contender.block("floor", :floor, &floor_block(context.programs, arguments, &1))]
    else
      []
    end
  end

  defp floor_block(programs, arguments, count) do
    {output, 0} = System.cmd(programs.floor_sandbox, ["#{count}" | arguments])
    output |> String.split() |> Enum.map(&(String.to_integer(&1) / 1000))
  end

  defp bwrap(static, paths) do
    binds = Enum.flat_map([{static, @program} | Enum.zip(paths, paths)], &bind/1)

    arguments =
      ~w(--unshare-all --hostname sandbox --uid 65534 --gid 65534 --cap-drop ALL) ++
        binds ++ ~w(--proc /proc --dev /dev --tmpfs /tmp --clearenv #{@program})

    case System.find_executable("bwrap") do
      nil -> []
      path -> [Contender.latency("bwrap", :peer, run: fn _ -> Ports.run(path, arguments) end)]
    end
  end

  defp bind({source, target}), do: ["--ro-bind", source, target]
end
