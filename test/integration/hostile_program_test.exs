defmodule Linx.Integration.HostileProgramTest do
  use Linx.Case

  alias Linx.Test.{FixtureProgram, Hostile, Parked}
  alias Linx.Test.Hostile.Wire

  @moduletag :user_namespaces

  describe "the agent's program" do
    # A copy, which is run by nobody else.
    setup do
      program = Path.join(tmp_dir(), "linx_process")
      File.cp!(Linx.Agent.Program.path(), program)
      %{program: program, digest: digest(program)}
    end

    test "is not what a script gets at by /proc/self/exe", %{program: program, digest: digest} do
      script = Path.join(tmp_dir(), "script")
      File.write!(script, "#!/proc/self/exe\n")
      File.chmod!(script, 0o755)
      {wire, agent} = Wire.open_envelope(program: program)
      Hostile.open_target(wire)

      for kind <- Hostile.kinds() do
        {id, _pid} = Hostile.running(wire, kind, Hostile.request(kind, [script]))
        # A copy of the agent, which finds no channel.
        assert_receive {^wire, {^id, event}} when elem(event, 0) != :pty_out
        assert {kind, event} == {kind, {:status, :exited, 1}}
      end

      assert digest(program) == digest
      assert Parked.own("Uid") != 0 or digest("/proc/#{agent}/exe") == digest
    end

    @tag :root
    test "is not written to through a parked child, or later", %{program: program, digest: digest} do
      for kind <- Hostile.parked_kinds() do
        {wire, agent} = Wire.open_envelope(program: program)
        Hostile.open_target(wire)
        {id, pid} = Hostile.parked(wire, kind, Hostile.request(kind))

        guard = Wire.guard(wire)
        ports = for pid <- [pid, agent, guard], do: program_port("overwrite", ["#{pid}"])

        for port <- ports, tried = lines(port) do
          assert {"handle", 0} in tried
          assert length(tried) == 6
          for {way, errno} <- tried -- [{"handle", 0}], do: assert_denied(kind, way, errno)
        end

        assert digest("/proc/#{agent}/exe") == digest

        # Nobody runs it any more.
        Wire.say(wire, {id, :abort})
        assert_receive {^wire, {^id, {:status, :aborted, _}}}
        Wire.close(wire)
        wait_until(fn -> not File.exists?("/proc/#{guard}") end, "the agent is still there")

        for port <- ports do
          Port.command(port, "\n")
          for {way, errno} <- lines(port), do: assert_denied(kind, way, errno)
          Port.close(port)
        end
      end

      assert digest(program) == digest
      assert {version, 0} = System.cmd(program, ["--version"])
      assert version =~ "linx_process"
    end
  end

  defp digest(path), do: :crypto.hash(:sha256, File.read!(path))

  # EPERM is the seal; ETXTBSY that it is being run; EACCES and EINVAL where truncate(2) is denied.
  defp assert_denied(kind, way, errno),
    do: assert(errno in [1, 13, 22, 26], "#{kind}: #{way} answers #{errno}")

  defp program_port(name, args) do
    options = [:binary, {:line, 256}, args: args]
    Port.open({:spawn_executable, FixtureProgram.path(name)}, options)
  end

  # "WORD NUMBER" up to "done".
  defp lines(port) do
    assert_receive {^port, {:data, {:eol, line}}}

    case String.split(line) do
      ["done"] -> []
      [word, number] -> [{word, String.to_integer(number)} | lines(port)]
    end
  end
end
