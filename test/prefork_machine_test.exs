defmodule Linx.Prefork.MachineTest do
  use ExUnit.Case, async: true

  doctest Linx.Prefork.Machine
  doctest Linx.Prefork.Error

  alias Linx.Prefork.Machine

  defp run(m, inputs) do
    Enum.reduce(inputs, {m, []}, fn input, {m, all} ->
      {m, actions} = Machine.handle(m, input)
      {m, all ++ actions}
    end)
  end

  test "many who come at once wait for one start" do
    asks = for who <- 1..100, do: {:checkout, who, nil}
    {m, actions} = run(Machine.new([]), [:start | asks])
    assert actions == [{:start, 1}]
    {m, actions} = run(m, [{:up, 1}])
    assert actions == for(who <- 1..100, do: {:let_go, who, 1})
    assert MapSet.size(m.running) == 100
  end

  test "one who met a script that was gone has it started anew, once" do
    {m, _} = run(Machine.new([]), [:start, {:up, 1}, {:checkout, :a, nil}, {:checkout, :b, nil}])
    {m, actions} = run(m, [{:checkin, :a}, {:checkout, :a, 1}])
    assert actions == [{:retire, 1}, {:start, 2}]
    {m, actions} = run(m, [{:checkin, :b}, {:checkout, :b, 1}, {:ended, 1, :normal}, {:up, 2}])
    assert actions == [{:let_go, :a, 2}, {:let_go, :b, 2}]
    assert {%{phase: :up}, []} = run(m, [{:up, 1}, {:start_failed, 1, :late}])
  end

  test "who waits is told of a start that failed, and the next start is delayed" do
    {m, actions} = run(Machine.new([]), [:start, {:checkout, :a, nil}, {:start_failed, 1, :why}])

    assert [{:start, 1}, {:refuse, :a, :why}, {:later, 100, :backoff_over}] = actions
    {m, []} = run(m, [{:checkout, :b, nil}])
    {m, [{:start, 2}]} = run(m, [:backoff_over])
    assert {m, [{:refuse, :b, :no}, {:later, 200, _}]} = run(m, [{:start_failed, 2, :no}])
    # Nobody needs it.
    assert {%{phase: :down}, []} = run(m, [:backoff_over])
  end

  test "a crash delays the next start, an end of its own accord does not" do
    up = [:start, {:up, 1}, {:checkout, :a, nil}]
    assert {m, actions} = run(Machine.new([]), up ++ [{:ended, 1, :abnormal}])
    assert {:later, 100, :backoff_over} in actions
    assert {_m, [{:start, 2}]} = run(m, [{:checkout, :b, nil}, :backoff_over])

    assert {_m, actions} =
             run(Machine.new([]), up ++ [{:ended, 1, :normal}, {:checkout, :b, nil}])

    assert List.last(actions) == {:start, 2}
  end

  test "who left while waiting is not let go" do
    {m, _} = run(Machine.new(max_servers: 1), [:start, {:up, 1}, {:checkout, :a, nil}])
    {_m, actions} = run(m, [{:checkout, :b, nil}, {:checkin, :b}, {:checkin, :a}])
    assert actions == []
  end

  test "only an idleness that lasts ends the script" do
    {m, [{:start, 1}, {:later, 5, over}]} = run(Machine.new(idle_timeout: 5), [:start, {:up, 1}])
    {m, [{:let_go, :a, 1}]} = run(m, [{:checkout, :a, nil}, over])
    {m, [{:later, 5, again}]} = run(m, [{:checkin, :a}])
    assert {%{phase: :down}, [{:retire, 1}]} = run(m, [over, again])
  end
end
