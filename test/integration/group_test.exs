defmodule Linx.Integration.GroupTest do
  use Linx.Case

  alias Linx.Group
  alias Linx.Group.{Fd, Message}

  @moduletag timeout: 300_000
  @deadline 30_000
  @library Path.expand("examples/http_group")

  # Answers each frame: type 1 with a description of itself; type 2 sends the payload to each link; 3 reads
  # a line of each link; 4 exits with a code; 5 sends the fd back; 6 reads the fd; 7 sends an fd of its own.
  @program """
  import os, sys
  sys.path.insert(0, sys.argv[1])
  import linx_group
  group = linx_group.Group()

  def line(link):
      text = b""
      while not text.endswith(b"\\n"):
          byte = link.recv(1)
          if not byte:
              return b"end"
          text += byte
      return text.strip()

  while True:
      frame = group.receive()
      if frame is None:
          sys.exit(0)
      if frame.type == 1:
          fds = sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd))
          group.channel.send(1, ("%s %d %d %s" % (group.role, group.number, group.id, fds)).encode(), frame.peer)
      elif frame.type == 2:
          for link in group.links.values():
              link.sendall(frame.payload + b"\\n")
          group.channel.send(2)
      elif frame.type == 3:
          lines = [name[0].encode() + b"/%d " % name[1] + line(link) for name, link in sorted(group.links.items())]
          group.channel.send(3, b", ".join(lines))
      elif frame.type == 4:
          os._exit(int(frame.payload))
      elif frame.type == 5:
          group.channel.send(5, b"back", fd=frame.fd)
      elif frame.type == 6:
          group.channel.send(6, os.read(frame.fd, 100))
          os.close(frame.fd)
      elif frame.type == 7:
          r, w = os.pipe()
          os.write(w, frame.payload)
          group.channel.send(7, fd=r)
          os.close(r)
          os.close(w)
  """

  defp argv(program \\ @program), do: ["/usr/bin/python3", "-c", program, @library]

  # A program that has imported the library, and knows its group.
  defp said(script) do
    head = "import sys\nsys.path.insert(0, sys.argv[1])\nimport linx_group\n"
    argv(head <> "group = linx_group.Group()\n" <> script)
  end

  defp role(options \\ []), do: Keyword.put_new(options, :argv, argv())

  defp start(roles, options \\ []) do
    # A busy machine may need long until a program reads its channel's end.
    {:ok, group} = Group.start_link([roles: roles] ++ Keyword.put_new(options, :drain, @deadline))
    assert Group.await(group, @deadline) == :ok
    assert_receive {:linx_group, ^group, :running}, @deadline

    for _ <- Group.instances(group),
        do: assert_received({:linx_group, ^group, {:started, _, _, _}})

    group
  end

  defp stop(group) do
    assert Group.stop(group, @deadline) == :ok
    assert_receive {:linx_group, ^group, {:stopped, :normal}}
  end

  defp pid(group, role, number) do
    Enum.find(Group.instances(group), &({&1.role, &1.number} == {role, number})).host_pid
  end

  defp ask(group, {role, number} = who, type, payload \\ "", options \\ []) do
    assert Group.send(group, who, type, payload, options) == :ok
    answer(group, role, number, type)
  end

  defp answer(group, role, number, type) do
    assert_receive {:linx_group, ^group,
                    {:message, ^role, ^number, %Message{type: ^type} = message}},
                   @deadline

    message
  end

  test "each instance knows itself, has its fds and no other, and is reached by name" do
    group = start(a: role(instances: 2, links: [:b]), b: role(instances: 1))
    # listdir has one open itself.
    assert ask(group, {:a, 1}, 1).payload == "a 1 1 [0, 1, 2, 3, 4]"
    assert ask(group, {:a, 2}, 1, "", peer: 9).payload == "a 2 2 [0, 1, 2, 3, 4]"
    assert ask(group, {:b, 1}, 1).payload == "b 1 3 [0, 1, 2, 3, 4, 5]"

    assert %{peer: 77, pid: pid} = ask(group, {:b, 1}, 1, "", peer: 77)
    assert pid == pid(group, :b, 1)

    # To each of a role.
    assert Group.send(group, :a, 1, "") == :ok
    for number <- [1, 2], do: answer(group, :a, number, 1)

    assert Group.send(group, {:a, 3}, 1, "") == {:error, :no_instance}
    assert Group.send(group, :c, 1, "") == {:error, :no_instance}
    assert_raise ArgumentError, fn -> Group.send(group, :a, 65_280, "") end
    stop(group)
    for n <- [1, 2], do: assert_received({:linx_group, ^group, {:ended, :a, ^n, {:exited, 0}}})
    assert_received {:linx_group, ^group, {:ended, :b, 1, {:exited, 0}}}
    assert Group.send(group, :a, 1, "") == {:error, :no_process}
  end

  test "links connect the roles that asked, and not the instances of one" do
    group =
      start(a: role(instances: 2, links: :all), b: role(), c: role(links: [:c], instances: 2))

    ask(group, {:b, 1}, 2, "from b")
    ask(group, {:c, 1}, 2, "from c1")
    ask(group, {:c, 2}, 2, "from c2")
    ask(group, {:a, 1}, 2, "from a1")
    assert ask(group, {:a, 2}, 3).payload == "b/1 from b, c/1 from c1, c/2 from c2"
    ask(group, {:a, 2}, 2, "from a2")
    assert ask(group, {:b, 1}, 3).payload == "a/1 from a1, a/2 from a2"
    assert ask(group, {:c, 1}, 3).payload == "a/1 from a1, a/2 from a2, c/2 from c2"
    stop(group)
  end

  test "nobody starts before all are ready" do
    missing = role(argv: ["/no/such/program"])
    {:ok, group} = Group.start_link(roles: [a: role(), b: missing], max_restarts: 0)
    Process.unlink(group)
    monitor = Process.monitor(group)
    assert_receive {:linx_group, ^group, {:lost, :b, 1, {:error, error}}}, @deadline
    assert %Linx.Process.Error{stage: :execve, errno: :enoent} = error
    assert_receive {:linx_group, ^group, {:stopped, {:lost, :b, 1, {:error, ^error}}}}, @deadline
    assert_receive {:DOWN, ^monitor, :process, _, {:shutdown, {:lost, :b, 1, _}}}
  end

  test "one that is lost is told with its cause, and all start again" do
    group = start([a: role(instances: 2, links: [:b]), b: role()], max_restarts: 5)
    before = for one <- Group.instances(group), do: one.host_pid
    Group.send(group, {:a, 2}, 4, "3")
    assert_receive {:linx_group, ^group, {:lost, :a, 2, {:exited, 3}}}, @deadline
    assert_receive {:linx_group, ^group, {:ended, :a, 1, {:exited, 0}}}, @deadline
    assert_receive {:linx_group, ^group, {:ended, :b, 1, {:exited, 0}}}, @deadline
    assert_receive {:linx_group, ^group, :running}, @deadline
    now = for one <- Group.instances(group), do: one.host_pid
    assert before -- now == before
    ask(group, {:a, 2}, 2, "again")
    ask(group, {:a, 1}, 2, "again")
    assert ask(group, {:b, 1}, 3).payload == "a/1 again, a/2 again"
    System.cmd("kill", ["-9", "#{pid(group, :b, 1)}"])
    assert_receive {:linx_group, ^group, {:lost, :b, 1, {:signaled, 9}}}, @deadline
    assert_receive {:linx_group, ^group, :running}, @deadline
    stop(group)
  end

  test "with :one_for_one it alone starts again, and its links are made anew" do
    group = start([a: role(instances: 2, links: [:b, :a]), b: role()], strategy: :one_for_one)
    others = {pid(group, :a, 1), pid(group, :b, 1)}

    for round <- 1..3 do
      System.cmd("kill", ["-9", "#{pid(group, :a, 2)}"])
      assert_receive {:linx_group, ^group, {:lost, :a, 2, {:signaled, 9}}}, @deadline
      assert_receive {:linx_group, ^group, {:started, :a, 2, _pid}}, @deadline
      assert {pid(group, :a, 1), pid(group, :b, 1)} == others
      said = "round #{round}"
      # It waits for what is not there yet.
      assert Group.send(group, {:b, 1}, 3, "") == :ok
      for who <- [{:a, 1}, {:a, 2}], do: ask(group, who, 2, said)
      assert answer(group, :b, 1, 3).payload == "a/1 #{said}, a/2 #{said}"
      ask(group, {:b, 1}, 2, said)
      assert ask(group, {:a, 1}, 3).payload == "a/2 #{said}, b/1 #{said}"
      assert ask(group, {:a, 2}, 3).payload == "a/1 #{said}, b/1 #{said}"
    end

    stop(group)
  end

  test "two that are lost at once are linked to each other again" do
    group = start([a: role(instances: 2, links: [:a])], strategy: :one_for_one, max_restarts: 100)

    for round <- 1..long(5, 50) do
      pids = for one <- Group.instances(group), do: "#{one.host_pid}"
      System.cmd("kill", ["-9" | pids])

      for n <- [1, 2],
          do: assert_receive({:linx_group, ^group, {:lost, :a, ^n, {:signaled, 9}}}, @deadline)

      for n <- [1, 2], do: assert_receive({:linx_group, ^group, {:started, :a, ^n, _}}, @deadline)
      ask(group, {:a, 1}, 2, "#{round}")
      assert ask(group, {:a, 2}, 3).payload == "a/1 #{round}"
    end

    stop(group)
  end

  test "an agent that is killed is a loss of all, from which they come back" do
    for strategy <- [:one_for_all, :one_for_one] do
      group = start([a: role(instances: 2, links: [:a])], strategy: strategy, max_restarts: 10)
      {agent, _} = :sys.get_state(hd(Map.values(:sys.get_state(group).members)).session).agent
      guard = Linx.Agent.Program.os_pid(:sys.get_state(agent).port)
      [program] = "/proc/#{guard}/task/#{guard}/children" |> File.read!() |> String.split()
      System.cmd("kill", ["-9", program])

      assert_receive {:linx_group, ^group, {:lost, :a, _, {:error, %{stage: :agent_died}}}},
                     @deadline

      for n <- [1, 2], do: assert_receive({:linx_group, ^group, {:started, :a, ^n, _}}, @deadline)
      ask(group, {:a, 1}, 2, "back")
      assert ask(group, {:a, 2}, 3).payload == "a/1 back"
      stop(group)
    end
  end

  @tag :root
  test "a role's user and root are what classic daemons have" do
    root = Linx.Test.RootFs.make()
    argv = ["/bin/sleep", "1000"]
    group = start([a: role(argv: argv, user: "nobody", root: root)], drain: 0)
    pid = pid(group, :a, 1)
    assert status(pid, "Uid") == "65534\t65534\t65534\t65534"
    assert status(pid, "CapPrm") == "0000000000000000"

    assert "#{root}/bin" |> File.ls!() |> Enum.sort() ==
             "/proc/#{pid}/root/bin" |> File.ls!() |> Enum.sort()

    stop(group)
  end

  test "losses that are too many end the group" do
    {:ok, group} =
      Group.start_link(roles: [a: role(argv: ["/bin/false"])], strategy: :one_for_one)

    Process.unlink(group)
    monitor = Process.monitor(group)

    for _ <- 1..4,
        do: assert_receive({:linx_group, ^group, {:lost, :a, 1, {:exited, 1}}}, @deadline)

    assert_receive {:linx_group, ^group, {:stopped, {:lost, :a, 1, {:exited, 1}}}}, @deadline
    assert_receive {:DOWN, ^monitor, :process, _, {:shutdown, {:lost, :a, 1, {:exited, 1}}}}
  end

  test "who does not leave at the end of its channel gets SIGTERM, then SIGKILL" do
    deaf = "import time\ntime.sleep(1000)"

    stubborn =
      said("""
      import signal, time
      signal.signal(signal.SIGTERM, signal.SIG_IGN)
      group.channel.send(1)
      time.sleep(1000)
      """)

    group =
      start([a: role(), deaf: role(argv: argv(deaf)), stubborn: role(argv: stubborn)],
        drain: 100,
        grace: 100
      )

    answer(group, :stubborn, 1, 1)
    stop(group)
    assert_received {:linx_group, ^group, {:ended, :a, 1, {:exited, 0}}}
    assert_received {:linx_group, ^group, {:ended, :deaf, 1, {:signaled, 15}}}
    assert_received {:linx_group, ^group, {:ended, :stubborn, 1, {:signaled, 9}}}
  end

  test "an fd goes to an instance and comes back" do
    group = start(a: role(sends_fds: true), b: role())
    {:ok, listener} = :gen_tcp.listen(0, [])
    assert %{payload: "back", fd: %Fd{} = fd} = ask(group, {:a, 1}, 5, "", fd: listener)
    {:ok, number} = :inet.getfd(listener)

    assert File.read_link!("/proc/self/fd/#{number}") ==
             File.read_link!("/proc/self/fd/#{fd.number}")

    :ok = Fd.close(fd)
    assert Fd.close(fd) == :ok
    assert Group.send(group, {:a, 1}, 5, "", fd: fd) == {:error, :closed}
    :gen_tcp.close(listener)
    assert Group.send(group, {:a, 1}, 5, "", fd: listener) == {:error, :ebadf}

    # From the one to the other, whatever it is.
    assert %{fd: %Fd{} = pipe} = ask(group, {:a, 1}, 7, "by way of the parent")
    assert Group.send(group, :b, 6, "", fd: pipe) == {:error, :one_instance}
    assert ask(group, {:b, 1}, 6, "", fd: pipe).payload == "by way of the parent"
    assert Group.send(group, {:b, 1}, 6, "", fd: pipe) == {:error, :closed}

    # One that nobody cares for is closed with the group.
    assert %{fd: %Fd{}} = ask(group, {:a, 1}, 7, "forgotten")
    stop(group)
  end

  test "an instance has so many fds open in the BEAM, and is read again when they are closed" do
    group =
      start(
        a:
          role(
            argv: said("for n in range(100): group.channel.send(9, fd=0)\ngroup.receive()"),
            sends_fds: true
          )
      )

    message = fn -> answer(group, :a, 1, 9).fd end
    fds = for _ <- 1..64, do: message.()
    # A question in between: what could have come would have.
    assert [%{state: :running}] = Group.instances(group)
    refute_receive {:linx_group, ^group, {:message, :a, 1, _}}, 100
    Enum.each(fds, &Fd.close/1)
    for _ <- 65..100, do: Fd.close(message.())
    stop(group)
  end

  test "a slow instance keeps nobody waiting, and takes up so much memory only" do
    sleeper = "import time\ntime.sleep(1000)"
    group = start([a: role(), slow: role(argv: argv(sleeper))], drain: 0, grace: 0)
    big = :binary.copy("x", 1_000_000)
    full? = fn _ -> Group.send(group, {:slow, 1}, 1, big) == {:error, :full} end
    assert Enum.any?(1..20, full?)
    assert ask(group, {:a, 1}, 1).payload =~ "a 1"
    assert Group.send(group, {:slow, 1}, 1, "", fd: 0, timeout: 10) == {:error, :timeout}
    stop(group)
  end

  test "the owner says how much it takes" do
    flood =
      said("for n in range(1000): group.channel.send(9, b'%d' % n)\ngroup.channel.receive()")

    group = start([a: role(argv: flood)], active: 2)

    for n <- ["0", "1"],
        do: assert_receive({:linx_group, ^group, {:message, :a, 1, %{payload: ^n}}}, @deadline)

    assert_receive {:linx_group, ^group, {:passive, :a, 1}}
    refute_received {:linx_group, ^group, {:message, _, _, _}}
    assert Group.set_active(group, {:a, 1}, 1) == :ok
    assert_receive {:linx_group, ^group, {:message, :a, 1, %{payload: "2"}}}, @deadline
    assert_receive {:linx_group, ^group, {:passive, :a, 1}}
    assert Group.set_active(group, :a, true) == :ok
    assert_receive {:linx_group, ^group, {:message, :a, 1, %{payload: "999"}}}, @deadline
    stop(group)
  end

  test "who may not send fds does not get them into the BEAM" do
    send =
      "socket.send_fds(group.channel.socket, [struct.pack('!IHHII', 0, 8, 0, 0, 0)], [0] * 50)"

    loop =
      "import socket, struct\nfor n in range(100): #{send}\ngroup.channel.send(9, fd=0)\ngroup.receive()"

    open = fn -> length(File.ls!("/proc/self/fd")) end
    before = open.()
    {:ok, group} = Group.start_link(roles: [a: role(argv: said(loop))], max_restarts: 0)
    Process.unlink(group)
    for _ <- 1..100, do: assert(answer(group, :a, 1, 8).fd == nil)
    assert open.() < before + 20
    # A frame that says it has one is none then.
    assert_receive {:linx_group, ^group, {:lost, :a, 1, {:protocol, :no_fd}}}, @deadline
    assert_receive {:linx_group, ^group, {:stopped, _reason}}, @deadline
  end

  test "what is no frame, and fds that nobody speaks of, end an instance" do
    for {what, violation} <- [
          {"s.send(b'\\xff' * 16)", {:too_long, 0xFFFFFFFF}},
          {"s.send(struct.pack('!IHHII', 0, 65535, 0, 0, 0))", {:bad_type, 65_535}},
          {"s.send(struct.pack('!IHHII', 0, 1, 2, 0, 0))", {:bad_flags, 2}},
          {"s.send(struct.pack('!IHHII', 0, 1, 1, 0, 0))", :no_fd},
          {"socket.send_fds(s, [struct.pack('!IHHII', 0, 1, 0, 0, 0)], [0])", :stray_fd},
          {"socket.send_fds(s, [struct.pack('!IHHII', 0, 1, 1, 0, 0)], [0] * 200)",
           :too_many_fds},
          {"[socket.send_fds(s, [b'\\0'], [0]) for _ in range(9)]", :stray_fd}
        ] do
      script =
        "import socket, struct, time\ns = socket.socket(fileno=3)\n#{what}\ntime.sleep(1000)"

      role = role(argv: argv(script), sends_fds: true)
      {:ok, group} = Group.start_link(roles: [a: role], max_restarts: 0)
      Process.unlink(group)
      assert_receive {:linx_group, ^group, {:lost, :a, 1, {:protocol, ^violation}}}, @deadline
      assert_receive {:linx_group, ^group, {:stopped, _reason}}, @deadline
    end
  end

  test "a group that is killed, and one whose owner dies, leave nothing" do
    Process.flag(:trap_exit, true)
    group = start(a: role(instances: 2, links: [:a]))
    pids = for one <- Group.instances(group), do: one.host_pid
    Process.exit(group, :kill)
    Enum.each(pids, &assert_gone/1)
    test = self()

    owner =
      spawn(fn ->
        {:ok, group} = Group.start_link(roles: [a: role()])
        :ok = Group.await(group, @deadline)
        send(test, {:pids, for(one <- Group.instances(group), do: one.host_pid)})
        Process.sleep(:infinity)
      end)

    assert_receive {:pids, pids}, @deadline
    Process.exit(owner, :kill)
    Enum.each(pids, &assert_gone/1)
  end

  test "a supervisor starts it, and waits for its end" do
    roles = [a: role(instances: 2)]

    {:ok, supervisor} =
      Supervisor.start_link([{Group, roles: roles, name: :linx_test_group}],
        strategy: :one_for_one
      )

    assert Group.await(:linx_test_group, @deadline) == :ok
    pids = for one <- Group.instances(:linx_test_group), do: one.host_pid
    Supervisor.stop(supervisor)
    for pid <- pids, do: refute(File.exists?("/proc/#{pid}"))
    refute_received {:linx_group, _, _}
  end

  test "what one says just before its end comes before its end" do
    last = said("for n in range(100): group.channel.send(8, b'%d' % n)\nsys.exit(5)")
    {:ok, group} = Group.start_link(roles: [a: role(argv: last)], max_restarts: 0)
    Process.unlink(group)
    assert_receive {:linx_group, ^group, {:stopped, _}}, @deadline

    said =
      for {:linx_group, ^group, {what, :a, 1, detail}} <- mailbox(),
          what in [:message, :lost],
          do: detail

    assert length(said) == 101
    assert List.last(said) == {:exited, 5}
  end
end
