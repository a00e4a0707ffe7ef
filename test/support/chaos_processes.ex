defmodule Linx.Test.Chaos.Processes do
  @moduledoc """
  Every process of an agent, found by a token in its command line.

  The token is an argument of the agent and of its workloads. A guard, an init and a parked child are
  forks of the agent and show its command line; what a workload forks shows the workload's. So no
  process escapes by changing its parent, group, session or namespace.
  """

  import ExUnit.Assertions

  alias Linx.Test.FixtureProgram

  @deadline_ms 10_000
  @poll_ms 5

  @type process :: %{
          pid: pos_integer,
          parent: non_neg_integer,
          name: String.t(),
          state: String.t()
        }

  @doc "A token of this run that nobody else has."
  @spec token() :: String.t()
  def token, do: "#{prefix()}#{System.pid()}-#{System.unique_integer([:positive])}-"

  # Other BEAMs that this run of the tests starts have the same.
  defp prefix, do: "linx-chaos-#{System.get_env("LINX_TEST_RUN")}-"

  @doc "The living processes that carry a token."
  @spec with_token(String.t()) :: [process]
  def with_token(token) do
    {:ok, entries} = :file.list_dir(~c"/proc")

    for [digit | _] = entry when digit in ?0..?9 <- entries,
        {:ok, line} <- [read("/proc/#{entry}/cmdline")],
        :binary.match(line, token) != :nomatch,
        {:ok, stat} <- [read("/proc/#{entry}/stat")],
        process = parse(stat),
        process.state not in ["Z", "X"],
        do: process
  end

  # Not by the file server: a scan of /proc is hundreds of files.
  defp read(path) do
    with {:ok, file} <- :file.open(path, [:read, :raw, :binary]) do
      answer = :file.read(file, 4096)
      :file.close(file)
      answer
    end
  end

  defp parse(stat) do
    [_, pid, name, state, parent] = Regex.run(~r/^(\d+) \((.*)\) (\S) (\d+)/s, stat)

    %{
      pid: String.to_integer(pid),
      parent: String.to_integer(parent),
      name: name,
      state: state
    }
  end

  @doc "The pids of those with one of the names."
  @spec named(String.t(), [String.t()]) :: [pos_integer]
  def named(token, names), do: for(p <- with_token(token), p.name in names, do: p.pid)

  @doc "The name of one process, `nil` where there is none."
  @spec name(pos_integer) :: String.t() | nil
  def name(pid) do
    case File.read("/proc/#{pid}/comm") do
      {:ok, name} -> String.trim(name)
      {:error, _} -> nil
    end
  end

  @doc "Fails where one of the tokens' processes outlives the deadline; answers how long it took."
  @spec assert_none(String.t(), [String.t()]) :: non_neg_integer
  def assert_none(what, tokens) do
    start = now()
    await(fn -> Enum.all?(tokens, &(with_token(&1) == [])) end, fn -> report(what, tokens) end)
    now() - start
  end

  defp report(what, tokens) do
    for token <- tokens, p <- with_token(token), into: "#{what}: these are left:\n" do
      "#{p.pid} #{p.name} (#{p.state}) below #{p.parent} (#{name(p.parent)})\n"
    end
  end

  @doc "Asks again and again until it holds."
  @spec await((() -> as_boolean(term)), (() -> String.t()), timeout) :: :ok
  def await(holds?, message, limit \\ @deadline_ms), do: poll(holds?, message, now() + limit)

  defp poll(holds?, message, deadline) do
    cond do
      holds?.() ->
        :ok

      now() > deadline ->
        flunk(message.())

      true ->
        # Nothing announces what is waited for here.
        receive do
        after
          @poll_ms -> poll(holds?, message, deadline)
        end
    end
  end

  defp now, do: System.monotonic_time(:millisecond)

  @doc "Starts `tree_killer`; it ends with the process that started it."
  @spec start_killer() :: port
  def start_killer do
    path = FixtureProgram.path("tree_killer")
    Port.open({:spawn_executable, path}, [:binary, {:line, 64}])
  end

  @doc "Sends SIGKILL to all of these at once; answers how many there were."
  @spec kill(port, [pos_integer], delay_us :: non_neg_integer) :: non_neg_integer
  def kill(killer, pids, delay_us \\ 0) do
    order(killer, "kill #{delay_us} 9 #{Enum.join(pids, " ")}")
    obeyed(killer)
  end

  @doc "Gives `tree_killer` a command whose answer `obeyed/1` waits for."
  @spec order(port, String.t()) :: true
  def order(killer, command), do: Port.command(killer, [command, "\n"])

  @doc "How many signals the killer sent on a command."
  @spec obeyed(port) :: non_neg_integer
  def obeyed(killer) do
    assert_receive {^killer, {:data, {:eol, count}}}
    String.to_integer(count)
  end

  @doc "Kills whatever a failed test has left of this run's tokens."
  @spec clean_up() :: :ok
  def clean_up do
    case for(p <- with_token(prefix()), do: to_string(p.pid)) do
      [] ->
        :ok

      pids ->
        System.cmd("kill", ["-9" | pids], stderr_to_stdout: true)
        clean_up()
    end
  end
end
