defmodule Linx.Process.QuestionsTest do
  use ExUnit.Case, async: true

  doctest Linx.Process.Questions
  doctest Linx.Process.Stats

  alias Linx.Process.{Machine, Stats}

  defp at(stage) do
    fields = if stage == :starting, do: [], else: [host_pid: 40]
    Machine.new([mode: :spawn, linger: true, stage: stage, proceeded?: true] ++ fields)
  end

  # The session after these calls, each from a caller of its own, and their actions.
  defp asked(machine, calls) do
    Enum.reduce(calls, {machine, []}, fn {from, request}, {machine, actions} ->
      {machine, more} = Machine.handle(machine, {:call, from, request})
      {machine, actions ++ more}
    end)
  end

  defp actions(machine, event), do: machine |> Machine.handle({:event, event}) |> elem(1)

  test "what there is no process for is answered at once" do
    assert {_, [{:reply, :a, {:error, :not_ready}}]} = asked(at(:starting), a: :stats)

    for stage <- [:starting, :spawned, :ready],
        verb <- [:pause, :resume],
        do: assert({_, [{:reply, :a, {:error, :not_running}}]} = asked(at(stage), a: verb))

    {ended, _} = Machine.handle(at(:running), {:event, {:status, :exited, 0}})

    for verb <- [:stats, :pause, :resume],
        do: assert({_, [{:reply, :a, {:error, :no_process}}]} = asked(ended, a: verb))
  end

  test "each question is answered to who asked it, the first first" do
    {machine, actions} = asked(at(:running), a: :stats, b: :pause, c: :stats)
    assert actions == [{:write, :stats, nil}, {:write, :pause, nil}, {:write, :stats, nil}]

    {machine, actions} = Machine.handle(machine, {:event, {:stats, %{fds: 1}}})
    assert actions == [{:reply, :a, {:ok, %Stats{fds: 1}}}]
    {machine, actions} = Machine.handle(machine, {:event, {:status, :paused}})
    assert actions == [{:reply, :b, :ok}]
    assert Machine.info(machine).paused?
    assert actions(machine, {:stats, %{fds: 2}}) == [{:reply, :c, {:ok, %Stats{fds: 2}}}]
  end

  test "a refusal is the asker's, not the owner's" do
    {machine, _} = asked(at(:running), a: :pause, b: :resume)

    assert actions(machine, {:refused, 16, :pause, nil}) ==
             [{:reply, :a, {:error, :not_running}}]

    assert actions(machine, {:refused, 38, :resume, nil}) == [{:reply, :b, {:error, :enosys}}]

    assert actions(at(:running), {:refused, 38, :resume, nil}) ==
             [{:tell, {:refused, 38, :resume}}]
  end

  test "the end answers all of them" do
    {machine, _} = asked(at(:running), a: :pause, b: :stats)

    assert actions(machine, {:status, :exited, 0}) == [
             {:reply, :a, {:error, :no_process}},
             {:reply, :b, {:error, :no_process}},
             {:tell, {:exited, 0}},
             :ended
           ]
  end

  test "what is paused, or about to be, is woken for its signal" do
    {pausing, _} = asked(at(:running), a: :pause)
    {paused, _} = Machine.handle(pausing, {:event, {:status, :paused}})

    for machine <- [pausing, paused] do
      {_, actions} = Machine.handle(machine, {:call, :b, {:stop, 100, 1}})
      assert actions == [{:write, {:signal, 15}, nil}, {:write, :resume, nil}, {:grace, 100}]
    end

    {resumed, actions} = Machine.handle(paused, {:event, {:status, :resumed}})
    assert {resumed.paused?, actions} == {false, []}
  end

  test "usage is kept for info, and told to nobody" do
    usage = %{utime_us: 1, wall_us: 2}
    {machine, actions} = Machine.handle(at(:running), {:event, {:usage, usage}})
    assert actions == []
    {machine, _} = Machine.handle(machine, {:event, {:status, :exited, 0}})
    assert Machine.info(machine).usage == usage
  end
end
