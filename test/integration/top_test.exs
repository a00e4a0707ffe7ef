defmodule Linx.Integration.TopTest do
  use Linx.Case

  import Linx.Test.Parked

  alias Linx.Process.Stats

  # Some tests start BEAMs.
  @moduletag timeout: 120_000

  @sleep ["/bin/sleep", "60"]

  test "sessions are listed from their start to their workload's end, of whatever agent" do
    {shared, _} = running(argv: @sleep)
    {dedicated, _} = running(argv: @sleep, agent: :dedicated)
    {parked, _} = parked(argv: @sleep)
    {ended, _} = running(argv: ["/bin/true"])
    assert Linx.Process.wait(ended) == {:ok, {:exited, 0}}
    assert Enum.sort(Linx.Process.list()) == Enum.sort([shared, dedicated, parked])

    for session <- [shared, dedicated, parked], do: {:ok, _} = Linx.Process.stop(session)
    # A dedicated agent ends after its session.
    wait_until(fn -> Linx.Process.list() == [] end, "sessions are listed")
  end

  test "a sample tells what runs" do
    {session, pid} = running(argv: @sleep)
    {_parked, _} = parked(argv: @sleep)
    # In the middle of its exec a process has no arguments.
    wait_until(fn -> File.read!("/proc/#{pid}/cmdline") != "" end, "no arguments")
    name = session |> :erlang.pid_to_list() |> to_string()

    assert %{node: node, silent: 0, sessions: [_, _] = rows} = Linx.Top.sample()
    assert node == node()
    row = Enum.find(rows, &(&1.name == name))
    assert %{stage: :running, paused?: false, host_pid: ^pid, command: "/bin/sleep 60"} = row
    assert %Stats{processes: 1, fds: fds} = row.stats
    assert fds == length(File.ls!("/proc/#{pid}/fd"))
    assert [%{stage: :ready, command: nil}] = rows -- [row]

    :ok = Linx.Process.pause(session)
    assert Enum.any?(Linx.Top.sample().sessions, &(&1.name == name and &1.paused?))
  end

  describe "mix linx.top" do
    test "prints once where there is no terminal" do
      assert top([]) == {"nonode@nohost: no sessions\n", 0}
      assert top(["--once", "--interval", "9"]) == {"nonode@nohost: no sessions\n", 0}
    end

    test "says what is wrong with its options" do
      for {words, message} <- [
            {["x"], "takes options only"},
            {["--interval", "0"], "invalid option --interval: 0.0"},
            {["--node", "app"], "invalid option --node: app, expected name@host"},
            {["--cookie", "c"], "--cookie is for --node"},
            {["--node", "nobody@127.0.0.1", "--cookie", "c"], "cannot be reached"}
          ] do
        assert {output, 1} = top(words)
        assert output =~ message
      end
    end

    test "shows another node's sessions" do
      node = other_node()
      {output, 0} = top(["--once", "--node", "#{node}", "--cookie", "linx"])
      assert [heading, _titles, line] = String.split(output, "\n", trim: true)
      assert heading =~ ~r/^#{node}: 1 session, 1 running, 1 process, CPU /
      assert line =~ ~r{ running .* /bin/sleep 60$}

      {output, 1} = top(["--once", "--node", "#{node}", "--cookie", "another"])
      assert output =~ "is it up, and is this its cookie?"
    end

    test "refreshes a terminal in place until q is typed, and puts it back" do
      script = """
      saved=$(stty -g)
      mix linx.top --interval 0.1
      echo status $?
      [ "$(stty -g)" = "$saved" ] && echo restored
      """

      env = Map.merge(System.get_env(), Map.new(env()))
      {session, _pid} = park(argv: sh(script), stdio: :pty, env: env)
      :ok = proceed(session)
      for _ <- 1..2, do: output_until("\e[Hnonode@nohost: no sessions\e[K\r\n\e[J")
      :ok = Linx.Process.pty_write(session, "xq")
      output_until("status 0\r\nrestored\r\n")
    end
  end

  defp top(words) do
    script = ~s(mix linx.top "$@" 2>&1 </dev/null)
    System.cmd("sh", ["-c", script, "sh" | words], env: env())
  end

  # Without epmd, which would go on running: nodes then agree on a port beforehand.
  defp env do
    port = 10_000 + rem(String.to_integer(System.pid()), 20_000)
    options = "-start_epmd false -erl_epmd_port #{port}"
    [{"MIX_ENV", "test"}, {"LC_ALL", "C.UTF-8"}, {"ELIXIR_ERL_OPTIONS", options}]
  end

  # Another BEAM, with one session. It ends with its stdin.
  defp other_node do
    node = :"linx_test_#{System.pid()}@127.0.0.1"

    code = """
    {:ok, _} = Application.ensure_all_started(:linx)
    {:ok, _} = Linx.Process.spawn(argv: #{inspect(@sleep)}, auto_proceed: true)
    receive do: ({:linx_process, :running} -> IO.puts("up"))
    IO.gets("")
    """

    ebin = Path.join(Mix.Project.app_path(), "ebin")
    args = ["--name", "#{node}", "--cookie", "linx", "-pa", ebin, "-e", code]
    env = for {name, value} <- env(), do: {to_charlist(name), to_charlist(value)}
    elixir = System.find_executable("elixir")
    port = Port.open({:spawn_executable, elixir}, [:binary, line: 1000, args: args, env: env])
    assert_receive {^port, {:data, {:eol, "up"}}}, 30_000
    node
  end
end
