defmodule Linx.Process.EndingTest do
  use ExUnit.Case, async: true

  doctest Linx.Process.Ending

  alias Linx.Process.{Ending, Machine}

  defp at(stage, fields \\ []) do
    proceeded? = stage in [:proceeding, :running]
    stage = if stage == :proceeding, do: :ready, else: stage
    Machine.new([mode: :spawn, linger: true, stage: stage, proceeded?: proceeded?] ++ fields)
  end

  defp handle(machine, inputs) do
    Enum.reduce(inputs, {machine, []}, fn input, {machine, _} ->
      Machine.handle(machine, input)
    end)
  end

  describe "the first signal" do
    test "is the one that was chosen, whoever ends the session" do
      for input <- [{:call, :a, {:stop, 100, 1}}, :owner_down, :shutdown, :time_over] do
        {_, actions} = Machine.handle(at(:running, kill: 2, orphan_policy: {:kill, 100}), input)
        assert actions == [{:write, {:signal, 2}, nil}, {:grace, 100}]
      end

      assert Ending.of_orphan(at(:running, kill: 2, orphan_policy: {:kill, 7})) == {2, 7}
      assert Ending.of_orphan(at(:running, kill: 2, orphan_policy: :linger)) == :linger
    end

    test "is kept for what is about to run" do
      {machine, _} = Machine.handle(at(:proceeding, kill: 2), {:call, :a, {:stop, 100, 1}})
      {_, actions} = Machine.handle(machine, {:event, {:status, :running}})
      assert actions == [{:tell, {:running}}, {:write, {:signal, 2}, nil}]
    end
  end

  describe "a timeout" do
    test "stops what runs, with the grace of the orphan policy" do
      {machine, actions} = Machine.handle(at(:running, orphan_policy: {:kill, 7}), :time_over)
      assert actions == [{:write, {:signal, 15}, nil}, {:grace, 7}]
      assert Machine.info(machine).timed_out?

      {_, actions} = Machine.handle(at(:running, orphan_policy: :linger), :time_over)
      assert actions == [{:write, {:signal, 15}, nil}, {:grace, 5000}]
    end

    test "aborts what does not run yet" do
      for stage <- [:starting, :spawned, :ready] do
        {machine, actions} = Machine.handle(at(stage), :time_over)
        assert actions == [{:write, :abort, nil}]
        assert Machine.info(machine).timed_out?
      end
    end

    test "says nothing of what has ended, or was being ended, without it" do
      exited = {:event, {:status, :exited, 0}}
      {machine, actions} = handle(at(:running), [exited, :time_over])
      assert {Machine.info(machine).timed_out?, actions} == {false, []}

      {machine, actions} = handle(at(:running), [{:call, :a, {:stop, 9, 1}}, :time_over])
      assert {Machine.info(machine).timed_out?, actions} == {false, [{:grace, 5000}]}
    end

    test "leaves the result as it was" do
      {machine, actions} = handle(at(:running), [:time_over, {:event, {:status, :exited, 3}}])
      assert actions == [{:tell, {:exited, 3}}, :ended]
      assert %{timed_out?: true, result: {:exited, 3}} = Machine.info(machine)
    end
  end
end
