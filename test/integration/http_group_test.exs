defmodule Linx.Integration.HttpGroupTest do
  use Linx.Case

  @moduletag :user_namespaces
  @moduletag timeout: 300_000
  @deadline 30_000

  Code.require_file("examples/http_group/http_group.ex")

  defp start(workers) do
    test = self()
    log = Path.join(tmp_dir(), "requests")
    on_loss = &send(test, {:lost, &1, &2})

    {:ok, server} =
      HttpGroup.start_link(workers: workers, log: log, on_loss: on_loss, max_restarts: 1000)

    {server, log}
  end

  # A worker may be killed while it answers: then the client asks again.
  defp get(port, path, deadline \\ System.monotonic_time(:millisecond) + @deadline) do
    case try_get(port, path) do
      {:ok, answer} ->
        answer

      {:error, reason} ->
        if System.monotonic_time(:millisecond) > deadline,
          do: flunk("no answer: #{inspect(reason)}")

        get(port, path, deadline)
    end
  end

  defp try_get(port, path) do
    with {:ok, socket} <-
           :gen_tcp.connect({127, 0, 0, 1}, port, [:binary, active: false], @deadline),
         :ok <- :gen_tcp.send(socket, "GET #{path} HTTP/1.1\r\nHost: here\r\n\r\n"),
         {:ok, answer} <- receive_all(socket, "") do
      :gen_tcp.close(socket)
      [head, body] = String.split(answer, "\r\n\r\n", parts: 2)
      {:ok, {head |> String.split(" ") |> Enum.at(1), body}}
    end
  end

  defp receive_all(socket, sofar) do
    case :gen_tcp.recv(socket, 0, @deadline) do
      {:ok, bytes} -> receive_all(socket, sofar <> bytes)
      {:error, :closed} when sofar != "" -> {:ok, sofar}
      {:error, reason} -> {:error, reason}
    end
  end

  defp lines(log), do: log |> File.read!() |> String.split("\n", trim: true)

  test "requests are answered by workers that have next to nothing" do
    {server, log} = start(3)
    port = HttpGroup.port(server)
    assert {"200", "worker " <> said} = get(port, "/")
    assert said =~ ~r/^[123], uid 65534\n$/
    assert {"200", files} = get(port, "/files")
    assert "app" in String.split(files) and "home" not in String.split(files)
    assert {"404", _} = get(port, "/etc/passwd")
    assert HttpGroup.requests(server) == 3
    assert length(lines(log)) == 3

    for {_number, pid} <- HttpGroup.workers(server) do
      assert status(pid, "CapEff") == "0000000000000000"
      assert status(pid, "Seccomp") == "2"
      refute namespace(pid, :net) == namespace("self", :net)
      # 0-2, the channel, the link and the port, once that was read; nothing of the BEAM's.
      wait_until(fn -> length(File.ls!("/proc/#{pid}/fd")) == 6 end, "no six fds")
    end

    GenServer.stop(server)
    refute_received {:lost, _, _}
  end

  test "they are answered while one worker after the other is killed, and each loss is told" do
    {server, log} = start(3)
    port = HttpGroup.port(server)
    get(port, "/")

    for round <- 1..long(12, 120) do
      number = rem(round, 3) + 1
      wait_until(fn -> HttpGroup.workers(server)[number] end, "no worker #{number}")
      clients = for _ <- 1..4, do: Task.async(fn -> for(_ <- 1..5, do: get(port, "/")) end)
      System.cmd("kill", ["-9", "#{HttpGroup.workers(server)[number]}"])
      assert_receive {:lost, ^number, {:signaled, 9}}, @deadline

      for client <- clients, {status, body} <- Task.await(client, @deadline) do
        assert status == "200"
        assert body =~ "uid 65534"
      end
    end

    answered = 1 + 20 * long(12, 120)
    # Whoever was answered was written down before; who was not may have been, too.
    assert HttpGroup.requests(server) >= answered
    assert length(lines(log)) >= answered
    GenServer.stop(server)
    refute_received {:lost, _, _}
  end
end
