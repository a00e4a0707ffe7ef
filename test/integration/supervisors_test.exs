defmodule Linx.Integration.SupervisorsTest do
  @moduledoc """
  Sessions under the supervisors that there are, as a user would start them.
  """

  use Linx.Case

  import ExUnit.CaptureLog

  @sleep ["/bin/sleep", "60"]
  @arguments "/bin/sleep\0" <> "60\0"

  # A child spec whose sessions tell the test which of them it was.
  defp child(options), do: {Linx.Process, [owner: self(), auto_proceed: true] ++ options}

  defp next_running(tag) do
    assert_receive {:linx_process, ^tag, :ready, pid}
    assert_receive {:linx_process, ^tag, :running}
    pid
  end

  defp dynamic(options \\ []) do
    {:ok, supervisor} = DynamicSupervisor.start_link([strategy: :one_for_one] ++ options)
    supervisor
  end

  # In the middle of its exec a process has neither.
  defp assert_program(pid, arguments, environment) do
    seen? = fn ->
      {File.read!("/proc/#{pid}/cmdline"), File.read!("/proc/#{pid}/environ")} ==
        {arguments, environment}
    end

    wait_until(seen?, "#{pid} is another program")
  end

  defp sessions(supervisor) do
    for {_, session, :worker, [Linx.Process]} <- DynamicSupervisor.which_children(supervisor),
        do: session
  end

  describe "a DynamicSupervisor" do
    test "starts the same program with the same arguments again" do
      supervisor = dynamic()
      child = child(argv: @sleep, env: ["WHO=me"], cwd: "/", stdio: :devnull, tag: :a)
      {:ok, first} = DynamicSupervisor.start_child(supervisor, child)
      pid = next_running(:a)
      assert_program(pid, @arguments, "WHO=me\0")

      :ok = Linx.Process.signal(first, :sigkill)
      assert reason_of_end(first) in [{:signaled, 9}, :noproc]
      assert_receive {:linx_process, :a, :signaled, 9}
      next = next_running(:a)
      assert next != pid
      assert_program(next, @arguments, "WHO=me\0")
      assert File.read_link!("/proc/#{next}/cwd") == "/"
      assert [second] = sessions(supervisor)
      assert second != first
      DynamicSupervisor.stop(supervisor)
      assert_gone(next)
    end

    test "restarts by the reason of the end" do
      supervisor = dynamic()

      for {restart, script, again?} <- [
            {:permanent, "exit 0", true},
            {:transient, "exit 0", false},
            {:transient, "exit 3", true},
            {:transient, "kill -9 $$", true},
            {:temporary, "exit 3", false}
          ] do
        tag = {restart, script}
        # The first of them ends at once, the next finds what that one has left.
        mark = Path.join(tmp_dir(), "mark")
        script = "[ -e #{mark} ] && exec sleep 60; : > #{mark}; #{script}"
        child = child(argv: sh(script), restart: restart, tag: tag)
        {:ok, session} = DynamicSupervisor.start_child(supervisor, child)
        next_running(tag)
        assert_receive {:linx_process, ^tag, end_of_first, _} when end_of_first != :ready
        reason_of_end(session)

        if again? do
          next_running(tag)
          [session] = sessions(supervisor)
          :ok = DynamicSupervisor.terminate_child(supervisor, session)
          assert_receive {:linx_process, ^tag, :signaled, 15}
        else
          assert DynamicSupervisor.which_children(supervisor) == []
        end
      end

      refute_received {:linx_process, _, _, _}
    end

    test "gives up what ends again and again, with all that it runs" do
      Process.flag(:trap_exit, true)
      supervisor = dynamic(max_restarts: 2, max_seconds: 60)
      {:ok, _} = DynamicSupervisor.start_child(supervisor, child(argv: @sleep, tag: :stays))
      pid = next_running(:stays)

      {:ok, _} =
        DynamicSupervisor.start_child(supervisor, child(argv: ["/bin/false"], tag: :ends))

      for _ <- 1..3, do: assert_receive({:linx_process, :ends, :exited, 1})
      assert_receive {:EXIT, ^supervisor, :shutdown}, 10_000
      assert_receive {:linx_process, :stays, :signaled, 15}
      assert_gone(pid)
    end
  end

  describe "a PartitionSupervisor" do
    test "has a session in each partition, which it restarts" do
      with_partition = fn [options], partition ->
        [[env: ["PARTITION=#{partition}"], tag: partition] ++ options]
      end

      {:ok, supervisor} =
        PartitionSupervisor.start_link(
          child_spec: child(argv: @sleep),
          name: __MODULE__.Partitions,
          partitions: 3,
          with_arguments: with_partition
        )

      pids = for partition <- 0..2, do: next_running(partition)

      for {pid, partition} <- Enum.with_index(pids),
          do: assert_program(pid, @arguments, "PARTITION=#{partition}\0")

      via = {:via, PartitionSupervisor, {__MODULE__.Partitions, 1}}
      assert Linx.Process.host_pid(via) == {:ok, Enum.at(pids, 1)}
      :ok = Linx.Process.signal(via, :sigkill)
      assert_receive {:linx_process, 1, :signaled, 9}
      next = next_running(1)
      assert_program(next, @arguments, "PARTITION=1\0")

      Supervisor.stop(supervisor)
      for pid <- [next | pids], do: assert_gone(pid)
    end

    test "of dynamic supervisors starts sessions by key" do
      name = __MODULE__.Pool
      {:ok, pool} = PartitionSupervisor.start_link(child_spec: DynamicSupervisor, name: name)

      pids =
        for key <- 1..4 do
          via = {:via, PartitionSupervisor, {name, key}}
          {:ok, _} = DynamicSupervisor.start_child(via, child(argv: @sleep, tag: key))
          next_running(key)
        end

      Supervisor.stop(pool)
      for key <- 1..4, do: assert_receive({:linx_process, ^key, :signaled, 15})
      for pid <- pids, do: assert_gone(pid)
    end
  end

  describe "the owner of a supervised session" do
    test "is its supervisor where nobody is named, and hears nothing then" do
      log =
        capture_log(fn ->
          options = [argv: sh("echo much; exec sleep 60"), auto_proceed: true, stdio: :pty]

          {:ok, supervisor} =
            Supervisor.start_link([{Linx.Process, options}], strategy: :one_for_one)

          [{_, session, _, _}] = Supervisor.which_children(supervisor)
          wait_until(fn -> match?({:ok, %{stage: :running}}, Linx.Process.info(session)) end, "")
          Supervisor.stop(supervisor)
        end)

      refute log =~ "unexpected message"
    end

    test "may be made somebody who hears" do
      options = [argv: @sleep, stdio: :devnull]
      {:ok, supervisor} = Supervisor.start_link([{Linx.Process, options}], strategy: :one_for_one)
      [{_, session, _, _}] = Supervisor.which_children(supervisor)
      :ok = Linx.Process.set_owner(session, self())
      wait_until(fn -> Linx.Process.proceed(session) == :ok end, "not ready")
      assert_receive {:linx_process, :running}
      Supervisor.stop(supervisor)
      assert_receive {:linx_process, :signaled, 15}
    end

    test "takes it along, however the supervisor restarts it" do
      Process.flag(:trap_exit, true)
      owner = spawn(fn -> Process.sleep(:infinity) end)
      supervisor = dynamic(max_restarts: 1)
      options = [argv: @sleep, auto_proceed: true, owner: owner]
      {:ok, session} = DynamicSupervisor.start_child(supervisor, {Linx.Process, options})
      wait_until(fn -> match?({:ok, %{stage: :running}}, Linx.Process.info(session)) end, "")
      {:ok, pid} = Linx.Process.host_pid(session)
      Process.exit(owner, :kill)
      assert reason_of_end(session) in [{:signaled, 15}, :noproc]
      refute File.exists?("/proc/#{pid}")
      # A dead owner is none: what is started for it ends at once, until that is too often.
      assert_receive {:EXIT, ^supervisor, :shutdown}, 10_000
    end
  end
end
