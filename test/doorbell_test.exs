defmodule Linx.DoorbellTest do
  use ExUnit.Case, async: true

  alias Linx.Doorbell.{Action, Machine, Options, Target}

  doctest Machine
  doctest Options
  doctest Action

  defp bell(fields \\ []), do: Machine.new([rearm: true, debounce: 100] ++ fields)

  # The doorbell after inputs, each at its time, and what each had it do.
  defp story(bell, inputs) do
    Enum.map_reduce(inputs, bell, fn {now, input}, bell ->
      {bell, actions} = Machine.handle(bell, input, now)
      {actions, bell}
    end)
  end

  test "only SIGHUP to a probe that waits rings" do
    for outcome <- [{:signaled, 9}, {:signaled, 15}, {:exited, 1}, :aborted, {:error, :down}] do
      {actions, bell} = story(bell(), [{0, {:waits, 41}}, {10, {:ended, outcome}}])
      assert actions == [[{:tell, {:armed, 41}}], [{:tell, {:lost, outcome}}, {:rest, 100}]]
      assert {bell.status, bell.rings, bell.host_pid} == {:resting, 0, nil}
    end

    {[actions], _bell} = story(bell(), [{0, {:ended, {:signaled, 1}}}])
    assert actions == [{:tell, {:not_armed, {:signaled, 1}}}, {:rest, 100}]
  end

  test "the next probe comes after the action, and after the debounce" do
    rung = [{0, {:waits, 41}}, {1000, {:ended, {:signaled, 1}}}]

    for {acted, rest} <- [{1000, 100}, {1099, 1}, {1100, 0}, {9000, 0}] do
      {actions, bell} = story(bell(), rung ++ [{acted, {:acted, {:ok, 1}}}, {acted, :rested}])
      assert Enum.drop(actions, 2) == [[{:tell, {:action, {:ok, 1}}}, {:rest, rest}], [:arm]]
      assert bell.status == :arming
    end
  end

  test "one ring ends a doorbell that is not armed again" do
    inputs = [{0, {:waits, 41}}, {1, {:ended, {:signaled, 1}}}, {2, {:acted, {:error, :x}}}]
    {actions, bell} = story(bell(rearm: false), inputs)

    assert List.last(actions) ==
             [{:tell, {:action, {:error, :x}}}, {:tell, {:gone, :rung}}, :stop]

    assert bell.status == :gone
    assert {^bell, []} = Machine.handle(bell, :removed, 3)
  end

  test "it is tried less and less often, until somebody rings" do
    lose = fn bell ->
      {bell, [_armed]} = Machine.handle(bell, {:waits, 1}, 0)
      {bell, [_lost, {:rest, ms}]} = Machine.handle(bell, {:ended, {:signaled, 9}}, 0)
      {bell, [:arm]} = Machine.handle(bell, :rested, 0)
      {ms, bell}
    end

    {rests, bell} = Enum.map_reduce(1..9, bell(), fn _, bell -> lose.(bell) end)
    assert rests == [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]

    {bell, _} = Machine.handle(bell, {:not_armed, :no}, 0)
    {bell, [:arm]} = Machine.handle(bell, :rested, 0)

    rung = [
      {0, {:waits, 1}},
      {0, {:ended, {:signaled, 1}}},
      {0, {:acted, {:ok, 1}}},
      {0, :rested}
    ]

    {_actions, bell} = story(bell, rung)
    assert {100, _bell} = lose.(bell)
  end

  test "it goes with its target, whatever it is about" do
    armed = [{0, {:waits, 1}}]
    rung = armed ++ [{0, {:ended, {:signaled, 1}}}]

    for inputs <- [[], armed, rung, rung ++ [{0, {:acted, {:ok, 1}}}]],
        reason <- [:target_ended, :removed] do
      {actions, bell} = story(bell(), inputs ++ [{0, reason}])
      assert List.last(actions) == [{:tell, {:gone, reason}}, :stop]
      assert bell.status == :gone
    end
  end

  test "options are checked as a whole" do
    valid = [title: "t", on_ring: ["true"]]
    refused = fn options -> options |> Options.validate() |> elem(1) end
    assert {:ok, %Options{rearm: true, debounce: 100}} = Options.validate(valid)
    assert {:ok, _} = Options.validate(valid ++ [tag: nil, uid: nil, owner: nil, cgroup: false])
    assert refused.(title: "t") == {:bad_on_ring, nil}
    assert refused.(on_ring: ["true"]) == {:bad_title, nil}
    assert refused.([:title]) == {:unknown_option, [:title]}
    assert refused.(valid ++ [on_rang: 1]) == {:unknown_option, :on_rang}

    for {key, values} <- [
          title: ["", "a\0", String.duplicate("x", 256), :t],
          on_ring: [[], ["" | :x], ["a\0"], "true", &Kernel.+/2, [true]],
          rearm: [nil, 1],
          debounce: [-1, 1.5, 0x80000000],
          uid: [-1, 4_294_967_295],
          gid: ["0"],
          cgroup: [true, "jobs"],
          owner: [:me]
        ],
        value <- values do
      bad = {:"bad_#{key}", value}
      assert refused.(Keyword.put(valid, key, value)) == bad
      assert Options.message(bad) =~ "invalid option :#{key}: "
    end
  end

  test "what an action raises, throws or exits with is told" do
    assert {:error, {:throw, 1}} = Action.run(fn -> throw(1) end, %{})
    assert {:error, {:exit, :no}} = Action.run(fn _ring -> exit(:no) end, %{})
    assert {:error, {:no_such_command, "linx-none"}} = Action.run(["linx-none"], %{})
    assert {:ok, {:exited, 3}} = Action.run(["sh", "-c", "exit 3"], %{})
    assert {:ok, {:signaled, 9}} = Action.run(["sh", "-c", "kill -9 $$"], %{})
  end

  test "a target is a session or the pid of a process that is there" do
    for target <- [0, -1, 0x80000000, "1", nil, :x],
        do: assert(Target.open(target) == {:error, {:bad_target, target}})

    assert {:error, %Linx.Process.Error{stage: :open_target, errno: :esrch}} =
             Target.open(4_194_305)

    assert {:ok, target} = Target.open(String.to_integer(System.pid()))
    refute Target.ended?(target)
  end
end
