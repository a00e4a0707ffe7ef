defmodule Linx.Integration.HostilePasteTest do
  use Linx.Case

  alias Linx.Test.{FixtureProgram, Parked}

  @size 1024 * 1024

  describe "a megabyte pasted into a terminal in raw mode" do
    test "reaches a slow reader, every byte in its place" do
      {session, _pid} = reader()
      bytes = :crypto.strong_rand_bytes(@size)
      assert Linx.Process.pty_write(session, bytes) == :ok
      assert_arrived(bytes)
    end

    test "reaches it in pieces of any size" do
      {session, _pid} = reader()
      bytes = :crypto.strong_rand_bytes(@size)
      :rand.seed(:exsss, {1, 2, 3})
      for piece <- pieces(bytes), do: assert(Linx.Process.pty_write(session, piece) == :ok)
      assert_arrived(bytes)
    end

    test "waits for a reader that is stopped, and for no other session" do
      {session, pid} = reader()
      bytes = :crypto.strong_rand_bytes(@size)
      System.cmd("kill", ["-STOP", "#{pid}"])
      wait_until(fn -> status(pid, "State") =~ "T" end, "the reader does not stop")
      paste = Task.async(fn -> Linx.Process.pty_write(session, bytes) end)

      for _ <- 1..3 do
        assert {"other\n", {:ok, {:exited, 0}}} = output(argv: ["/bin/echo", "other"])
      end

      refute_received {:linx_process, :pty_out, _}
      assert Task.yield(paste, 0) == nil
      System.cmd("kill", ["-CONT", "#{pid}"])
      assert_arrived(bytes)
      assert Task.await(paste) == :ok
    end

    test "that the reader does not live to read is dropped, and who pastes is told" do
      {session, pid} = reader()
      System.cmd("kill", ["-STOP", "#{pid}"])
      wait_until(fn -> status(pid, "State") =~ "T" end, "the reader does not stop")
      bytes = :crypto.strong_rand_bytes(@size)
      paste = Task.async(fn -> Linx.Process.pty_write(session, bytes) end)
      assert Linx.Process.signal(session, :sigkill) == :ok
      assert {_, {:signaled, 9}} = outcome("")
      assert Task.await(paste) == {:error, :no_process}
    end
  end

  defp reader do
    argv = [FixtureProgram.path("slow_reader"), "#{@size}"]
    session = running(argv: argv, stdio: :pty)
    Parked.output_until("ready")
    session
  end

  defp pieces(""), do: []

  defp pieces(bytes) do
    size = min(byte_size(bytes), :rand.uniform(60_000))
    <<piece::binary-size(size), rest::binary>> = bytes
    [piece | pieces(rest)]
  end

  defp assert_arrived(bytes) do
    assert {output, {:exited, 0}} = outcome("")
    assert output =~ "#{byte_size(bytes)} #{:erlang.crc32(bytes)}\n"
  end

  # The rest of what it writes, and its end. Of other sessions there may be messages, too.
  defp outcome(text) do
    assert_receive {:linx_process, what, value} when what in [:pty_out, :exited, :signaled],
                   30_000

    if what == :pty_out, do: outcome(text <> value), else: {text, {what, value}}
  end
end
