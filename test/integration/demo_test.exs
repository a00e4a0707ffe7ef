defmodule Linx.Integration.DemoTest do
  use Linx.Case

  @moduletag :user_namespaces
  @moduletag timeout: 300_000

  test "bin/demo shows an isolated shell and ends 0" do
    env = [{"MIX_ENV", "test"}]
    demo = Path.expand("bin/demo")
    {output, status} = System.cmd(demo, [], stderr_to_stdout: true, env: env)
    assert status == 0, output

    for line <- [
          ~r/^  spawned +parked at its checkpoint, as pid \d+ of the host$/m,
          ~r/^  mapped +uid 0 inside is uid \d+ outside$/m,
          ~r/^  running +/m,
          ~r/^  its pid +1 +\d+$/m,
          ~r/^  its uid +0 +[1-9]\d*$/m,
          ~r/^  capabilities +0{16} +0{16}$/m,
          ~r/^  resized +the terminal was 24 80, is 50 132$/m,
          ~r/^  signalled +/m,
          ~r/^  ended +\{:exited, 7\}/m,
          ~r/^Everything was as it must be\.$/m
        ] do
      assert output =~ line
    end
  end
end
