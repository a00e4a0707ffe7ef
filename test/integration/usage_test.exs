defmodule Linx.Integration.UsageTest do
  use Linx.Case

  alias Linx.Process.Info
  alias Linx.Test.Chaos

  # Some tenths of a second of CPU time, and of waiting.
  @busy "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done; sleep 0.1; exit 3"

  for agent <- [:shared, :dedicated],
      kind <- [[init: true], [init: false], [namespaces: [:pid]]] do
    test "is known when the end is told: #{agent}, #{inspect(kind)}" do
      kind = Keyword.replace_lazy(unquote(kind), :namespaces, &Chaos.own/1)
      options = [argv: sh(@busy), auto_proceed: true, agent: unquote(agent)]
      {:ok, session} = Linx.Process.spawn(options ++ kind)
      {:ok, %Info{usage: nil}} = Linx.Process.info(session)
      assert Linx.Process.wait(session) == {:ok, {:exited, 3}}
      assert {:ok, %Info{usage: usage}} = Linx.Process.info(session)

      assert usage.utime_us + usage.stime_us > 10_000
      assert usage.wall_us >= 100_000
      assert usage.max_rss_kb > 100
      assert usage.minor_faults > 10 and usage.major_faults >= 0
      assert usage.voluntary_switches > 0 and usage.involuntary_switches >= 0
      refute usage.core_dumped
    end
  end

  test "is that of what was killed, too" do
    {session, _pid} = running(argv: ["/bin/sleep", "60"])
    :ok = Linx.Process.signal(session, :sigkill)
    assert Linx.Process.wait(session) == {:ok, {:signaled, 9}}
    assert {:ok, %Info{usage: %{wall_us: wall_us}}} = Linx.Process.info(session)
    assert wall_us > 0
  end
end
