defmodule Linx.Integration.PreforkScriptsTest do
  use Linx.Case

  alias Linx.Test.WarmSuite

  @moduletag :user_namespaces
  @moduletag timeout: 320_000

  for module <- ~w(protocol_test malformed_test server_test interop_test guide_test),
      class <- WarmSuite.classes(module) do
    test class do
      {said, code} = WarmSuite.run(unquote(class))
      assert code == 0, said
      assert said =~ ~r/^Ran [1-9]\d* tests? in .*\n\nOK$/m
    end
  end

  for {class, name} <- [{"PythonLogs", "verbs.py"}, {"CppLogs", "verbs"}] do
    test "#{class} to syslog" do
      path = Path.join(tmp_dir(), "log")
      {:ok, socket} = :gen_udp.open(0, [:binary, ifaddr: {:local, path}])
      File.chmod!(path, 0o666)
      {said, 0} = WarmSuite.run("syslog_test.#{unquote(class)}", path)
      assert said =~ ~r/^OK$/m
      # Priority 14: of a user's process, informational.
      assert_receive {:udp, ^socket, _, _, "<14>" <> line}
      assert line =~ ~r/ (prefork )?#{unquote(name)}\[\d+\]: ending: no run for /
      refute_received {:udp, _, _, _, _}
      :gen_udp.close(socket)
    end
  end

  test "the example of a spelling checker" do
    list = Path.join(tmp_dir(), "fruit")
    File.write!(list, "#!/usr/bin/spell\napple\npear\n")
    assert {"plum\n", 1} = Linx.cmd(WarmSuite.spell(), [list], input: "Apple, pear & plum.")
    assert {"", 0} = Linx.cmd(WarmSuite.spell(), [list], input: "pear")
    assert {"usage: " <> _, 2} = Linx.cmd(WarmSuite.spell(), [], stderr_to_stdout: true)
  end
end
