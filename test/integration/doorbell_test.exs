defmodule Linx.Integration.DoorbellTest do
  use Linx.Case

  import Linx.Test.Doorbells

  alias Linx.Doorbell

  @moduletag :user_namespaces

  @ms 30_000
  @title title()

  describe "a ring" do
    test "comes from inside by name, again and again" do
      container = container()
      {bell, first} = install(container)
      assert inside(container, "pgrep -f '^#{@title}$' | wc -l") == {"1\n", 0}
      assert inside(container, "pgrep -x #{@title}") |> elem(1) == 0

      second =
        Enum.reduce(1..3, first, fn _, before ->
          assert ring(container) == {"", 0}
          assert told(bell) == :rung
          assert_receive :acted, @ms
          assert told(bell) == {:action, {:ok, :acted}}
          probe = again(bell)
          assert probe != before
          assert_gone(before)
          probe
        end)

      assert Doorbell.info(bell) ==
               {:ok, %{title: @title, status: :armed, host_pid: second, rings: 3}}

      assert Doorbell.remove(bell) == :ok
      assert told(bell) == {:gone, :removed}
      assert_gone(second)
      assert Doorbell.remove(bell) == {:error, :no_doorbell}
    end

    test "comes by busybox, and by kill" do
      container = container()
      {bell, _probe} = install(container)
      assert {_, 0} = inside(container, "busybox kill -HUP $(busybox pidof #{@title})")
      assert told(bell) == :rung
      assert told(bell) == {:action, {:ok, :acted}}
      again(bell)
      assert {_, 0} = inside(container, "kill -1 $(pgrep -f '^#{@title}$')")
      assert told(bell) == :rung
    end

    test "runs a command of the host, which is given nothing" do
      container = container()
      path = Path.join(tmp_dir(), "rung")
      {bell, _probe} = install(container, on_ring: sh("echo $#, $(cat) >> #{path}; exit 5"))
      assert ring(container) == {"", 0}
      assert told(bell) == :rung
      assert told(bell) == {:action, {:ok, {:exited, 5}}}
      assert File.read!(path) == "0,\n"
    end

    test "tells a function of one argument which it was" do
      container = container()
      test = self()
      {bell, _probe} = install(container, on_ring: &send(test, {:ring, &1}))
      ring(container)
      assert_receive {:ring, %{doorbell: ^bell, title: @title, rings: 1}}, @ms
    end

    test "whose action fails is told, and the doorbell goes on" do
      container = container()
      {bell, _probe} = install(container, on_ring: fn -> raise "oops" end)

      for _ <- 1..2 do
        assert ring(container) == {"", 0}
        assert told(bell) == :rung
        assert {:action, {:error, {%RuntimeError{message: "oops"}, [_ | _]}}} = told(bell)
        again(bell)
      end

      {:ok, other} =
        Doorbell.install(container, title: "other", on_ring: fn -> exit_by_kill() end, tag: :other)

      assert_receive {:linx_doorbell, :other, {:armed, _}}
      ring(container, "other")
      assert_receive {:linx_doorbell, :other, {:action, {:error, :killed}}}, @ms
      assert_receive {:linx_doorbell, :other, {:armed, _}}, @ms
      assert Doorbell.remove(other) == :ok
    end

    test "is SIGHUP and nothing else" do
      container = container()
      {bell, _probe} = install(container)

      for {name, number} <- [KILL: 9, TERM: 15, USR1: 10, RTMIN: 34] do
        assert {"", 0} = inside(container, "pkill -#{name} -f '^#{@title}$'")
        assert told(bell) == {:lost, {:signaled, number}}
        again(bell)
      end

      refute_received :acted
      assert {:ok, %{rings: 0, status: :armed}} = Doorbell.info(bell)
    end

    test "is one, however many come at once" do
      container = container()
      {bell, _probe} = install(container, debounce: 600_000)
      flood = "for i in $(seq 40); do pkill -HUP -f '^#{@title}$' & done; wait"
      assert {_, 0} = inside(container, flood)
      assert told(bell) == :rung
      assert told(bell) == {:action, {:ok, :acted}}
      assert {_, 0} = inside(container, flood)
      # Who comes too early is told that nobody is there.
      assert ring(container) == {"", 1}
      assert {:ok, %{rings: 1, status: :resting}} = Doorbell.info(bell)
      refute_received {:linx_doorbell, ^bell, _}
    end

    test "finds nobody while the action runs, and no second action" do
      container = container()
      test = self()

      {bell, _probe} =
        install(container,
          on_ring: fn ->
            send(test, {:acting, self()})
            receive do: (:done -> :ok)
          end
        )

      assert ring(container) == {"", 0}
      assert_receive {:acting, action}, @ms
      assert ring(container) == {"", 1}
      send(action, :done)
      assert told(bell) == :rung
      assert told(bell) == {:action, {:ok, :ok}}
      again(bell)
      refute_received {:acting, _}
    end

    test "is the only one with rearm: false" do
      container = container()
      {bell, _probe} = install(container, rearm: false)
      assert ring(container) == {"", 0}
      assert told(bell) == :rung
      assert told(bell) == {:action, {:ok, :acted}}
      assert told(bell) == {:gone, :rung}
      assert Doorbell.info(bell) == {:error, :no_doorbell}
      assert ring(container) == {"", 1}
    end
  end

  describe "a doorbell" do
    test "ends with its owner, and so does an action of it" do
      container = container()
      test = self()

      owner =
        spawn(fn ->
          {:ok, bell} = Doorbell.install(container, title: @title, on_ring: ["sleep", "1000"])
          send(test, {:bell, bell})
          receive do: ({:linx_doorbell, ^bell, :rung} -> send(test, :rung))
          receive do: (:never -> :ok)
        end)

      assert_receive {:bell, bell}, @ms
      monitor = Process.monitor(bell)
      assert ring(container) == {"", 0}
      assert_receive :rung, @ms
      Process.exit(owner, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^bell, :normal}, @ms
      assert ring(container) == {"", 1}
    end

    test "leaves nothing when it is killed" do
      container = container()
      {bell, probe} = install(container)
      Process.exit(bell, :kill)
      assert_gone(probe)
    end

    test "is a child of a supervisor" do
      container = container()
      {:ok, host_pid} = Linx.Process.host_pid(container)
      test = self()

      children =
        for {target, title} <- [{container, "a"}, {host_pid, "b"}] do
          {Doorbell,
           target: target,
           title: title,
           on_ring: fn -> send(test, title) end,
           owner: self(),
           tag: title}
        end

      start = {Supervisor, :start_link, [children, [strategy: :one_for_one]]}
      {:ok, supervisor} = start_supervised(%{id: :bells, type: :supervisor, start: start})
      assert %{active: 2} = Supervisor.count_children(supervisor)

      for title <- ["a", "b"] do
        assert_receive {:linx_doorbell, ^title, {:armed, _}}, @ms
        assert ring(container, title) == {"", 0}
        assert_receive ^title, @ms
        assert_receive {:linx_doorbell, ^title, {:armed, _}}, @ms
      end

      # One that crashes is started anew; those whose target has ended are not.
      [{_, bell, _, _} | _] = Supervisor.which_children(supervisor)
      Process.exit(bell, :kill)
      assert_receive {:linx_doorbell, _title, {:armed, _}}, @ms
      Linx.Process.stop(container, 0)
      for title <- ["a", "b"], do: assert_receive({:linx_doorbell, ^title, {:gone, _}}, @ms)
      wait_until(fn -> Supervisor.count_children(supervisor).active == 0 end, "restarted")
      stop_supervised(:bells)
    end

    test "can be one of hundreds" do
      container = container()
      titles = for n <- 1..200, do: "bell-#{n}-of-many"

      bells =
        titles
        |> Task.async_stream(
          fn title ->
            {:ok, bell} =
              Doorbell.install(container, title: title, on_ring: fn -> title end, owner: owner())

            {bell, title}
          end,
          timeout: @ms,
          max_concurrency: 20
        )
        |> Enum.map(fn {:ok, bell} -> bell end)

      for {bell, _title} <- bells, do: again(bell)
      assert {"200\n", 0} = inside(container, "pgrep -c -f '^bell-[0-9]*-of-many$'")
      assert {_, 0} = inside(container, "pkill -HUP -f '^bell-[0-9]*-of-many$'")

      for {bell, title} <- bells do
        assert told(bell) == :rung
        assert told(bell) == {:action, {:ok, title}}
        again(bell)
      end

      assert {"200\n", 0} = inside(container, "pgrep -c -f '^bell-[0-9]*-of-many$'")
      for {bell, _title} <- bells, do: assert(Doorbell.remove(bell) == :ok)
      assert {"0\n", 1} = inside(container, "pgrep -c -f '^bell-[0-9]*-of-many$'")
    end

    defp owner, do: Process.get(:"$callers") |> List.last()
  end

  defp exit_by_kill do
    Process.exit(self(), :kill)
    receive do: (:never -> :ok)
  end
end
