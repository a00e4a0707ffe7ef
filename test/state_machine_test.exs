defmodule Linx.Process.MachineTest do
  use ExUnit.Case, async: true

  doctest Linx.Process.Machine
  doctest Linx.Process.Outcome

  alias Linx.Process.{Error, Info, Machine, Streams}

  defp new(fields \\ []), do: Machine.new([mode: :spawn, linger: true] ++ fields)

  # Handles the inputs one after another; answers the session and the actions of the last.
  defp run(machine, inputs) do
    Enum.reduce(inputs, {machine, []}, fn input, {machine, _} ->
      Machine.handle(machine, input)
    end)
  end

  defp at(stage, fields \\ []), do: new(fields) |> run(to(stage)) |> elem(0)

  defp to(:starting), do: []
  defp to(:spawned), do: [{:event, {:status, :spawned, 40}}]
  defp to(:ready), do: to(:spawned) ++ [{:event, {:status, :ready, 2}}]
  defp to(:proceeding), do: to(:ready) ++ [{:call, :p, :proceed}]
  defp to(:running), do: to(:proceeding) ++ [{:event, {:status, :running}}]
  defp to(:exited), do: to(:running) ++ [exited(0)]

  defp exited(code), do: {:event, {:status, :exited, code}}

  defp actions(machine, input), do: machine |> Machine.handle(input) |> elem(1)
  defp answer(machine, request), do: machine |> actions({:call, :me, request}) |> answer()
  defp answer([{:reply, :me, answer}]), do: answer
  defp answer([{:write, command, :me}]), do: {:writes, command}

  @before_running [:starting, :spawned, :ready, :proceeding]
  @live @before_running ++ [:running]

  describe "the owner hears" do
    test "of each step, in order" do
      {machine, actions} = run(new(), to(:spawned))
      assert {machine.stage, actions} == {:spawned, []}
      {machine, actions} = run(new(), to(:ready))
      assert {machine.stage, actions} == {:ready, [{:tell, {:ready, 40}}]}
      {machine, actions} = run(new(), to(:running))
      assert {machine.stage, actions} == {:running, [{:tell, {:running}}]}
      {machine, actions} = run(new(), to(:exited))
      assert {machine.stage, actions} == {:exited, [{:tell, {:exited, 0}}, :ended]}
    end

    test "of calls that wait to be decided" do
      wire = %{
        id: 9,
        pid: 41,
        number: 83,
        name: "mkdir",
        arch: 0xC000003E,
        instruction_pointer: 1,
        args: [0, 0, 0, 0, 0, 0]
      }

      assert [{:tell, {:syscall, %Linx.Seccomp.Call{id: 9, syscall: :mkdir, arch: :x86_64}}}] =
               actions(at(:running), {:event, {:syscall, wire}})

      command = {:syscall_answer, 9, :continue}
      assert answer(at(:running), {:command, command}) == {:writes, command}
      assert answer(at(:exited), {:command, command}) == {:error, :no_process}
    end

    test "one end, and nothing after it" do
      for event <- [
            {:status, :exited, 1},
            {:status, :running},
            {:pty_out, "late"},
            {:refused, 2, :unknown_session, nil},
            {:error, 1, :agent_died, nil}
          ],
          do: assert(actions(at(:exited), {:event, event}) == [])

      assert actions(at(:exited), {:agent_down, 9}) == []
    end

    test "of output and refusals" do
      machine = at(:running, streams: Streams.new(:pty, 1024, true))
      assert actions(machine, {:event, {:pty_out, "x"}}) == [{:tell, {:pty_out, "x"}}]

      assert actions(at(:ready), {:event, {:refused, 22, :seccomp_install, "3"}}) ==
               [{:tell, {:refused, 22, :seccomp_install}}]
    end

    test "how it ended" do
      for {event, message, result} <- [
            {{:status, :exited, 7}, {:exited, 7}, {:exited, 7}},
            {{:status, :signaled, 9}, {:signaled, 9}, {:signaled, 9}},
            {{:status, :aborted, 2}, {:aborted}, :aborted},
            {{:error, 2, :execve, "/x"}, {:error, 2, :execve},
             {:error, Error.new(2, :execve, "/x")}}
          ] do
        {machine, actions} = Machine.handle(at(:running), {:event, event})
        assert machine.result == result
        assert actions == [{:tell, message}, :ended]
      end
    end

    test "that the agent is gone" do
      {machine, actions} = Machine.handle(at(:running), {:agent_down, 137})
      assert actions == [{:tell, {:error, 137, :agent_died}}, :ended]
      assert machine.stage == :errored
    end
  end

  describe "proceed" do
    test "is for the checkpoint alone, and once" do
      assert answer(at(:ready), :proceed) == {:writes, :proceed}

      for stage <- [:starting, :spawned, :proceeding, :running],
          do: assert(answer(at(stage), :proceed) == {:error, :not_ready})

      assert answer(at(:exited), :proceed) == {:error, :no_process}
    end

    test "is not for a session that proceeds by itself" do
      assert answer(at(:ready, proceeded?: true), :proceed) == {:error, :not_ready}
    end
  end

  test "abort goes out in every stage before running" do
    for stage <- @before_running, do: assert(answer(at(stage), :abort) == {:writes, :abort})
    assert answer(at(:running), :abort) == {:error, :running}
    assert answer(at(:exited), :abort) == {:error, :no_process}
  end

  describe "signals" do
    test "are kept until running, in order" do
      kept = for number <- [1, 15, 1], do: {:call, :me, {:signal, number}}

      for stage <- [:starting, :spawned, :ready] do
        {machine, actions} = run(at(stage), kept)
        assert actions == [{:reply, :me, :ok}]
        {_, actions} = run(machine, [{:event, {:status, :running}}])

        assert actions == [
                 {:tell, {:running}},
                 {:write, {:signal, 1}, nil},
                 {:write, {:signal, 15}, nil},
                 {:write, {:signal, 1}, nil}
               ]
      end
    end

    test "go out while it runs, and are for nobody after its end" do
      assert answer(at(:running), {:signal, 9}) == {:writes, {:signal, 9}}
      assert answer(at(:exited), {:signal, 9}) == {:error, :no_process}
    end
  end

  describe "commands of the checkpoint" do
    @command {:cap_drop_bounding, 1}

    test "go out there and nowhere else" do
      assert answer(at(:ready), {:command, @command}) == {:writes, @command}
      assert answer(at(:starting), {:command, @command}) == {:error, :not_ready}
      assert answer(at(:spawned), {:command, @command}) == {:error, :not_ready}
      assert answer(at(:proceeding), {:command, @command}) == {:error, :running}
      assert answer(at(:running), {:command, @command}) == {:error, :running}
      assert answer(at(:exited), {:command, @command}) == {:error, :no_process}
    end
  end

  describe "wait" do
    test "is answered at the end, all who wait in their order, before the owner hears of it" do
      {machine, []} = run(at(:running), [{:call, :a, {:wait, 1}}, {:call, :b, {:wait, 2}}])

      assert actions(machine, exited(3)) == [
               {:reply, :a, {:ok, {:exited, 3}}},
               {:reply, :b, {:ok, {:exited, 3}}},
               {:tell, {:exited, 3}},
               :ended
             ]
    end

    test "is answered at once after the end" do
      assert answer(at(:exited), {:wait, 1}) == {:ok, {:exited, 0}}
      {aborted, _} = Machine.handle(at(:ready), {:event, {:status, :aborted, 2}})
      assert answer(aborted, {:wait, 1}) == {:ok, :aborted}
      {failed, _} = Machine.handle(at(:ready), {:event, {:error, 13, :chdir, "/root"}})
      assert answer(failed, {:wait, 1}) == {:error, Error.new(13, :chdir, "/root")}
    end

    test "is forgotten by who gave up" do
      {machine, []} = run(at(:running), [{:call, :a, {:wait, 1}}, {:forget, 1}])
      assert actions(machine, exited(0)) == [{:tell, {:exited, 0}}, :ended]
    end
  end

  describe "stop" do
    test "aborts what has not run" do
      for stage <- [:starting, :spawned, :ready] do
        {machine, actions} = Machine.handle(at(stage), {:call, :a, {:stop, 100, 1}})
        assert actions == [{:write, :abort, nil}]

        assert actions(machine, {:event, {:status, :aborted, 2}}) ==
                 [{:reply, :a, {:ok, :aborted}}, {:tell, {:aborted}}, :ended]
      end
    end

    test "gives what runs its grace, then kills" do
      {machine, actions} = Machine.handle(at(:running), {:call, :a, {:stop, 100, 1}})
      assert actions == [{:write, {:signal, 15}, nil}, {:grace, 100}]
      {machine, actions} = Machine.handle(machine, :grace_over)
      assert actions == [{:write, :abort, nil}]

      assert [{:reply, :a, {:ok, {:signaled, 9}}} | _] =
               actions(machine, {:event, {:status, :signaled, 9}})
    end

    test "keeps the signal for what is about to run" do
      {machine, actions} = Machine.handle(at(:proceeding), {:call, :a, {:stop, 100, 1}})
      assert actions == [{:grace, 100}]

      assert actions(machine, {:event, {:status, :running}}) ==
               [{:tell, {:running}}, {:write, {:signal, 15}, nil}]

      assert actions(machine, :grace_over) == [{:write, :abort, nil}]
    end

    test "again asks for no second signal, but may shorten the grace" do
      {machine, _} = Machine.handle(at(:running), {:call, :a, {:stop, 100, 1}})
      {machine, actions} = Machine.handle(machine, {:call, :b, {:stop, 10, 2}})
      assert actions == [{:grace, 10}]
      {machine, _} = Machine.handle(machine, :grace_over)
      {machine, actions} = Machine.handle(machine, {:call, :c, {:stop, 10, 3}})
      assert actions == []
      replies = for {:reply, from, _} <- actions(machine, exited(0)), do: from
      assert replies == [:a, :b, :c]
    end

    test "after the end tells how it ended" do
      assert answer(at(:exited), {:stop, 0, 1}) == {:ok, {:exited, 0}}
      assert actions(at(:exited), :grace_over) == []
    end
  end

  describe "a PTY" do
    @typed {:pty_write, :ref, "x"}
    defp pty, do: [pty?: true, streams: Streams.new(:pty, 1024, true)]

    test "is asked for in vain where there is none" do
      for request <- [{:pty_write, :ref, "x"}, {:pty_winsize, {1, 1, 0, 0}}, :pty_master],
          stage <- @live ++ [:exited],
          do: assert(answer(at(stage), request) == {:error, :no_pty})
    end

    test "takes input while its workload runs" do
      for stage <- @before_running,
          do: assert(answer(at(stage, pty()), @typed) == {:error, :not_running})

      assert answer(at(:running, pty()), @typed) == {:writes, {:pty_in, "x"}}
      assert answer(at(:exited, pty()), @typed) == {:error, :no_process}
      assert answer(at(:running, pty()), :pty_master) == :ok
    end

    test "gets the latest size once there is one to set" do
      early = for rows <- [1, 2], do: {:call, :me, {:pty_winsize, {rows, 80, 0, 0}}}
      {machine, actions} = run(new(pty?: true), early)
      assert actions == [{:reply, :me, :ok}]
      {machine, actions} = run(machine, to(:ready))
      assert actions == [{:tell, {:ready, 40}}, {:write, {:pty_winsize, {2, 80, 0, 0}}, nil}]

      assert answer(machine, {:pty_winsize, {3, 80, 0, 0}}) ==
               {:writes, {:pty_winsize, {3, 80, 0, 0}}}
    end
  end

  describe "the owner's death" do
    test "ends the workload by its policy, and then the session" do
      {machine, actions} = Machine.handle(at(:running), :owner_down)
      assert actions == [{:write, {:signal, 15}, nil}, {:grace, 5000}]

      assert actions(machine, {:event, {:status, :signaled, 15}}) ==
               [{:tell, {:signaled, 15}}, :ended, {:stop, :normal}]
    end

    test "aborts what is parked" do
      for policy <- [{:kill, 5000}, :linger] do
        {_, actions} = Machine.handle(at(:ready, orphan_policy: policy), :owner_down)
        assert actions == [{:write, :abort, nil}]
      end
    end

    test "leaves a running workload alone that may linger" do
      machine = at(:running, orphan_policy: :linger)
      assert actions(machine, :owner_down) == [{:stop, :normal}]
      assert actions(machine, :shutdown) == []
    end

    test "lets a lingering session stop" do
      assert actions(at(:exited), :owner_down) == [{:stop, :normal}]
    end
  end

  describe "a shutdown" do
    test "fits the grace into what a supervisor allows by default" do
      for {grace, allowed} <- [{5000, 4500}, {4500, 4500}, {100, 100}, {5001, 5001}] do
        machine = at(:running, orphan_policy: {:kill, grace})
        assert actions(machine, :shutdown) == [{:write, {:signal, 15}, nil}, {:grace, allowed}]
      end
    end

    test "aborts what is parked, and has nothing to do after the end" do
      assert actions(at(:ready), :shutdown) == [{:write, :abort, nil}]
      assert actions(at(:exited), :shutdown) == []
    end
  end

  test "without linger the session stops with a reason that tells the outcome" do
    error = Error.new(2, :execve)

    for {event, reason} <- [
          {{:status, :exited, 0}, :normal},
          {{:status, :exited, 3}, {:exited, 3}},
          {{:status, :signaled, 9}, {:signaled, 9}},
          {{:status, :aborted, 2}, {:shutdown, :aborted}},
          {{:error, 2, :execve, nil}, {:error, error}}
        ] do
      actions = actions(at(:running, linger: false), {:event, event})
      assert List.last(actions) == {:stop, reason}
    end
  end

  test "info and host_pid tell what is known" do
    assert answer(at(:starting), :host_pid) == {:error, :not_ready}
    assert answer(at(:spawned), :host_pid) == {:ok, 40}
    assert answer(at(:exited), :host_pid) == {:ok, 40}

    assert answer(at(:starting), :info) == {:ok, %Info{mode: :spawn, stage: :starting}}

    assert answer(at(:running, pty?: true), :info) ==
             {:ok, %Info{mode: :spawn, stage: :running, host_pid: 40, child_pid: 2, pty?: true}}

    assert {:ok, %Info{result: {:exited, 0}, stage: :exited}} = answer(at(:exited), :info)
  end
end
