defmodule Linx.Integration.FdsTest do
  use Linx.Case

  defp numbers(pid),
    do: "/proc/#{pid}/fd" |> File.ls!() |> Enum.map(&String.to_integer/1) |> Enum.sort()

  defp python(script), do: ["/usr/bin/python3", "-c", script]

  test "a program has the fds that it was given, and 0, 1 and 2" do
    fds = %{3 => {:socketpair, "x"}, 9 => {:pipe, "y", :read}, 1023 => :devnull}

    for init <- [true, false] do
      {:ok, session} =
        Linx.Process.spawn(argv: ["/bin/sleep", "1000"], fds: fds, init: init, auto_proceed: true)

      assert_receive {:linx_process, :running}, 20_000
      {:ok, pid} = Linx.Process.host_pid(session)
      wait_until(fn -> numbers(pid) == [0, 1, 2, 3, 9, 1023] end, "other fds")
      Linx.Process.stop(session, 0)
      messages()
    end
  end

  test "sessions of one agent meet by a name" do
    server =
      "import os, select, socket\ns = socket.socket(fileno=3)\n" <>
        "select.select([s], [], [])\ns.accept()[0].sendall(b'hello')"

    {:ok, listening} =
      Linx.Process.spawn(argv: python(server), fds: [{3, {:listener, "web"}}], tag: :server)

    {:ok, _client} =
      Linx.Process.spawn(
        argv: ["/bin/sh", "-c", "exec cat <&3"],
        fds: %{3 => {:connect, "web"}},
        stdio: [stdout: :pipe],
        agent: listening,
        auto_proceed: true,
        tag: :client
      )

    assert_receive {:linx_process, :server, :ready, _pid}, 20_000
    :ok = Linx.Process.proceed(listening)
    assert_receive {:linx_process, :client, :stdout, "hello"}, 20_000
    assert_receive {:linx_process, :client, :exited, 0}, 20_000
    assert_receive {:linx_process, :server, :exited, 0}, 20_000

    {:ok, late} =
      Linx.Process.spawn(argv: ["/bin/true"], fds: %{3 => {:connect, "web"}}, agent: listening)

    assert {:error, %Linx.Process.Error{stage: :connect, errno: :enoent, detail: "web"} = error} =
             Linx.Process.wait(late)

    assert Exception.message(error) =~ "No session of this agent listens"
  end

  test "an agent to share has to be a shared one, and to be there" do
    {:ok, alone} = Linx.Process.spawn(argv: ["/bin/true"], agent: :dedicated, tag: 1)
    assert Linx.Process.spawn(argv: ["/bin/true"], agent: alone) == {:error, :not_shared}
    Linx.Process.stop(alone)
    gone = spawn(fn -> :ok end)
    assert reason_of_end(gone) in [:normal, :noproc]
    assert Linx.Process.spawn(argv: ["/bin/true"], agent: gone) == {:error, :no_process}
  end

  test "a host's file and a socket of the host, in a sandbox that shows neither" do
    path = Path.join(tmp_dir(), "file")
    File.write!(path, "secret\n")
    sandbox = Linx.Sandbox.new(:strict)

    {:ok, session} =
      Linx.Process.spawn(
        argv: ["/bin/sh", "-c", "exec cat <&7"],
        fds: %{7 => {:file, path, :read}},
        sandbox: sandbox,
        stdio: [stdout: :pipe],
        active: false,
        auto_proceed: true
      )

    assert Linx.Process.recv(session, :stdout, 20_000) == {:ok, "secret\n"}
    assert {:ok, {:exited, 0}} = Linx.Process.wait(session)
  end
end
