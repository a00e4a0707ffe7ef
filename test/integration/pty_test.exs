defmodule Linx.Integration.PtyTest do
  use Linx.Case

  import Linx.Test.Parked, only: [output_until: 1, output_and_outcome: 0, wait_until: 2]

  alias Linx.Process

  @raw "stty raw -echo; echo ready; "

  test "what a workload writes arrives, all of it before its end" do
    {:ok, _} = Process.spawn(argv: sh("echo one; echo two >&2"), stdio: :pty, auto_proceed: true)
    assert {:linx_process, :ready, _} = next_message()
    assert output_and_outcome() == {"one\ntwo\n", {:exited, 0}}
    assert_silence()
  end

  test "the last output of a workload that ends at once is not lost" do
    for _ <- 1..20 do
      {:ok, _} = Process.spawn(argv: ["/usr/bin/seq", "500"], stdio: :pty, auto_proceed: true)
      assert {:linx_process, :ready, _} = next_message()
      {output, {:exited, 0}} = output_and_outcome()
      assert output |> String.split("\n", trim: true) |> length() == 500
    end
  end

  test "what is typed is read" do
    {session, _} = running(argv: sh("read line; echo got $line"), stdio: :pty)
    assert Process.pty_write(session, ["he", ?l, "lo\n"]) == :ok
    assert {"hello\ngot hello\n", {:exited, 0}} = output_and_outcome()
    assert Process.pty_write(session, "late") == {:error, :no_process}
  end

  test "it is the workload's controlling terminal" do
    {session, pid} = running(argv: sh("echo ready; exec sleep 60"), stdio: :pty)
    output_until("ready")
    {:ok, stat} = File.read("/proc/#{pid}/stat")

    [_, _group, session_id, tty | _] =
      stat |> String.split(") ") |> List.last() |> String.split() |> Enum.drop(1)

    assert session_id == "#{pid}"
    assert tty != "0"
    # ^C
    assert Process.pty_write(session, <<3>>) == :ok
    assert Process.wait(session, 5000) == {:ok, {:signaled, 2}}
  end

  test "its size is what was set, before and while the workload runs" do
    script = "stty size; trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.01; done"
    {session, _} = parked(argv: sh(script), stdio: :pty)
    assert Process.pty_set_winsize(session, {33, 44, 0, 0}) == :ok
    :ok = Process.proceed(session)
    assert output_until("ready") =~ "33 44"
    assert Process.pty_set_winsize(session, %{rows: 50, cols: 132}) == :ok
    assert {output, {:exited, 0}} = output_and_outcome()
    assert output =~ "50 132"
  end

  test "a size set as soon as the session is there is not lost" do
    {:ok, session} = Process.spawn(argv: sh("stty size"), stdio: :pty, auto_proceed: true)
    assert Process.pty_set_winsize(session, {21, 80, 0, 0}) == :ok
    assert {:linx_process, :ready, _} = next_message()
    assert {output, {:exited, 0}} = output_and_outcome()
    assert output =~ ~r/^(21 80|0 0)\n$/
  end

  test "a megabyte pasted to a slow reader arrives, every byte" do
    script = @raw <> "for i in 1 2 3 4; do head -c 262144; sleep 0.05; done | sha256sum"
    {session, _} = running(argv: sh(script), stdio: :pty)
    output_until("ready\n")
    bytes = :binary.copy(for(n <- 1..1024, into: "", do: <<rem(n * n, 256)>>), 1024)
    assert Process.pty_write(session, bytes) == :ok
    assert {output, {:exited, 0}} = output_and_outcome()
    assert output =~ Base.encode16(:crypto.hash(:sha256, bytes), case: :lower)
  end

  test "a megabyte of output arrives, every byte" do
    {:ok, _} = Process.spawn(argv: sh("stty raw; seq 150000"), stdio: :pty, auto_proceed: true)
    assert {:linx_process, :ready, _} = next_message()
    {output, {:exited, 0}} = output_and_outcome()
    assert output == Enum.map_join(1..150_000, &"#{&1}\n")
  end

  test "input waits for who reads, however much it is" do
    {session, _} = running(argv: sh(@raw <> "exec sleep 60"), stdio: :pty)
    output_until("ready\n")
    writer = Task.async(fn -> Process.pty_write(session, :binary.copy("x", 20_000_000)) end)
    assert Process.wait(session, 50) == {:error, :timeout}
    assert Task.yield(writer, 0) == nil
    assert Process.stop(session) == {:ok, {:signaled, 15}}
    assert Task.await(writer) == {:error, :no_process}
  end

  test "output waits for who reads, no more of it than a window" do
    options = [argv: sh("stty raw; exec yes"), stdio: :pty, active: false, window: 10_000]
    {session, _} = running(options)
    wait_until(fn -> waiting(session) == 10_000 end, "it does not write")
    assert {:ok, "y\n" <> _} = Process.recv(session, :pty_out, 1000)
    assert {:ok, _} = Process.recv(session, :pty_out, 1000)
    wait_until(fn -> waiting(session) > 5000 end, "it does not go on")
    assert waiting(session) <= 10_000
    assert Process.stop(session) == {:ok, {:signaled, 15}}
    assert {:ok, {:pty_out, _}} = Process.recv(session, :all, 1000)
  end

  defp waiting(session) do
    %{pty_out: output} = :sys.get_state(session).machine.streams.outputs.streams
    for({_, bytes} <- :queue.to_list(output.waiting), do: byte_size(bytes)) |> Enum.sum()
  end

  test "verbs say where there is none, or it cannot be used" do
    {session, _} = parked(argv: ["/bin/sleep", "60"])
    assert Process.pty_write(session, "x") == {:error, :no_pty}
    assert Process.pty_set_winsize(session, {1, 1, 0, 0}) == {:error, :no_pty}
    assert Process.pty_master(session) == {:error, :no_pty}

    {session, _} = parked(argv: ["/bin/sleep", "60"], stdio: :pty)
    assert Process.pty_write(session, "x") == {:error, :not_running}
    assert Process.pty_master(session) == {:ok, session}
    assert {:ok, %{pty?: true}} = Process.info(session)

    for size <- [
          {1, 2, 3},
          {1, 2, 3, 65_536},
          {-1, 2, 3, 4},
          %{rows: 1},
          %{rows: 1, cols: "2"},
          nil
        ],
        do: assert(Process.pty_set_winsize(session, size) == {:error, {:bad_winsize, size}})
  end
end
