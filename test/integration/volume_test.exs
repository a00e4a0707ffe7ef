defmodule Linx.Integration.VolumeTest do
  @moduledoc """
  Much output and input, and owners that do not take it.
  """

  use Linx.Case

  alias Linx.Agent.Pool

  @moduletag timeout: 300_000

  @mebibyte 1024 * 1024
  @gibibyte 1024 * @mebibyte
  @window 262_144

  # 64 KiB each, and no two of them the same.
  defp pieces(bytes) do
    rest = for n <- 0..65_527, into: <<>>, do: <<rem(n * 131, 251)>>
    Stream.map(0..(div(bytes, 65_536) - 1), &[<<&1::64>>, rest])
  end

  defp checksum(pieces) do
    Enum.reduce(pieces, {0, :erlang.crc32("")}, fn piece, {size, crc} ->
      {size + IO.iodata_length(piece), :erlang.crc32(crc, piece)}
    end)
  end

  describe "a gibibyte arrives, every byte in its place" do
    test "through stdin and stdout" do
      pieces = pieces(@gibibyte)
      assert checksum(Linx.stream!("cat", [], input: pieces)) == checksum(pieces)
    end

    test "through stdin and stderr" do
      pieces = pieces(@gibibyte)

      both =
        Linx.stream!("sh", ["-c", "exec cat >&2"], input: pieces, stderr: :separate)
        |> Stream.map(fn {:stderr, bytes} -> bytes end)

      assert checksum(both) == checksum(pieces)
    end

    test "through a pipeline" do
      pieces = pieces(@gibibyte)
      into = %Linx.Test.Checksum{}
      commands = [["cat"], ["cat"]]
      assert Linx.pipeline(commands, input: pieces, into: into) == {checksum(pieces), [0, 0]}
    end
  end

  @tag timeout: 60_000
  test "floods of both streams are told to be over, each time" do
    for _ <- 1..long(40, 400) do
      flood = ["-c", "yes & yes >&2"]

      assert %{reason: :timeout} =
               catch_error(Linx.cmd("sh", flood, timeout: 40, stderr: :separate))
    end
  end

  describe "an owner that takes nothing costs the agent and the node less than two windows" do
    test "from the start" do
      assert_small_growth(active: false)
    end

    test "after it has taken some" do
      assert_small_growth(active: :once)
    end
  end

  test "a workload that takes nothing costs them no more, and its writers wait" do
    # What the writers hold themselves is there all the time.
    piece = :binary.copy("x", @mebibyte)
    for _ <- 1..Pool.size(), do: stop_writers(push_at_sleeper(piece))
    before = memory()
    {session, writers} = push_at_sleeper(piece)
    # As below: a gibibyte would be there by then.
    Process.sleep(long(2_000, 60_000))
    now = memory()
    assert Enum.all?(writers, &(Task.yield(&1, 0) == nil))
    stop_writers({session, writers})
    for {who, bytes} <- now, do: assert(bytes - before[who] < 2 * @window, "the #{who} grew")
  end

  defp push_at_sleeper(piece) do
    argv = [System.find_executable("sleep"), "600"]
    session = start(argv: argv, stdio: [stdin: :pipe], auto_proceed: true)

    {session,
     for _ <- 1..16 do
       Task.async(fn -> for(_ <- 1..64, do: Linx.Process.write(session, piece)) end)
     end}
  end

  # The session is gone for those who go on when it is closed to them.
  defp stop_writers({session, writers}) do
    stop(session)
    answers = writers |> Task.await_many() |> Enum.concat() |> Enum.uniq()
    assert answers -- [{:error, :closed}, {:error, :no_process}] == []
  end

  defp assert_small_growth(options) do
    flood =
      [argv: [System.find_executable("yes")], stdio: [stdout: :pipe], auto_proceed: true] ++
        options

    # Once for the code that it loads and for the heaps of the agents.
    for _ <- 1..Pool.size(), do: stop(start(flood))
    before = memory()
    session = start(flood)
    # The time is what is tested: a leak of a byte for each one written would show at once.
    Process.sleep(long(2_000, 60_000))
    now = memory()
    stop(session)
    for {who, bytes} <- now, do: assert(bytes - before[who] < 2 * @window, "the #{who} grew")
  end

  defp start(options) do
    {session, _} = running(options)
    if options[:active] == :once, do: assert_receive({:linx_process, :stdout, _})
    session
  end

  defp stop(session) do
    assert {:ok, {:signaled, 15}} = Linx.Process.stop(session)
    GenServer.stop(session)
  end

  defp memory do
    for pid <- Process.list(), do: :erlang.garbage_collect(pid)
    %{agents: Enum.sum(agents()), node: :erlang.memory(:total)}
  end

  # Each agent of the pool once: they are asked in turn.
  defp agents do
    for _ <- 1..Pool.size() do
      {:ok, stats} = Linx.Agent.stats()
      stats.resident_bytes
    end
  end
end
