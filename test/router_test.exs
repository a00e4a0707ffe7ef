defmodule Linx.Agent.RouterTest do
  use ExUnit.Case, async: true

  doctest Linx.Agent.Router

  alias Linx.Agent.Router

  @running {:status, :running}
  @spawned {:status, :spawned, 40}
  @exited {:status, :exited, 0}
  @ending {15, 100}

  defp with_session(id \\ 1, ending \\ @ending) do
    {router, []} = Router.register(Router.new(), id, :session, :monitor, ending)
    router
  end

  defp events(router, id, events) do
    Enum.reduce(events, {router, []}, fn event, {router, actions} ->
      {router, more} = Router.event(router, id, event)
      {router, actions ++ more}
    end)
  end

  test "a session hears its events, and its id is free after the last" do
    {router, actions} = events(with_session(), 1, [@spawned, @running, @exited])

    assert actions == [
             {:deliver, :session, @spawned},
             {:deliver, :session, @running},
             {:deliver, :session, @exited},
             {:demonitor, :monitor}
           ]

    assert Router.size(router) == 0
  end

  test "events that come before the registration wait for it, in order" do
    {router, []} = events(Router.new(), 1, [@spawned, @running])
    assert Router.sessions(router) == []
    {router, actions} = Router.register(router, 1, :session, :monitor, @ending)
    assert actions == [{:deliver, :session, @spawned}, {:deliver, :session, @running}]

    # That it runs is known from then on.
    {_router, actions} = Router.down(router, 1)
    assert [{:write, 1, {:signal, 15}}, {:grace, 1, 100}] = actions
  end

  test "even the last event may come before the registration" do
    {router, []} = events(Router.new(), 1, [@spawned, @running, @exited])
    {router, actions} = Router.register(router, 1, :session, :monitor, @ending)
    assert List.last(actions) == {:demonitor, :monitor}
    assert Router.size(router) == 0
  end

  test "a refusal for a session that is no more is dropped" do
    {router, actions} = Router.event(Router.new(), 1, {:refused, 2, :unknown_session, nil})
    assert {Router.size(router), actions} == {0, []}
  end

  describe "a session whose process died" do
    test "is aborted where it does not run" do
      for ending <- [@ending, :linger] do
        {router, actions} = Router.down(with_session(1, ending), 1)
        assert actions == [{:write, 1, :abort}]
        assert Router.sessions(router) == []
        assert {router, []} = events(router, 1, [{:status, :aborted, 2}])
        assert Router.size(router) == 0
      end
    end

    test "has its grace where it runs" do
      {router, _} = events(with_session(), 1, [@running])
      {router, actions} = Router.down(router, 1)
      assert actions == [{:write, 1, {:signal, 15}}, {:grace, 1, 100}]
      {router, actions} = Router.grace_over(router, 1)
      assert actions == [{:write, 1, :abort}]
      {router, []} = events(router, 1, [{:pty_out, "x"}, {:status, :signaled, 9}])
      assert Router.size(router) == 0
      assert {^router, []} = Router.grace_over(router, 1)
    end

    test "is woken for its signal where it is paused" do
      signal = {:write, 1, {:signal, 15}}
      {router, _} = events(with_session(), 1, [@running, {:status, :paused}])
      {_, actions} = Router.down(router, 1)
      assert actions == [signal, {:write, 1, :resume}, {:grace, 1, 100}]
      {router, _} = events(router, 1, [{:status, :resumed}])
      {router, actions} = Router.down(router, 1)
      assert actions == [signal, {:grace, 1, 100}]
      # The agent's answer to the one before.
      assert {_, []} = events(router, 1, [{:status, :resumed}, @exited])
    end

    test "is left alone where it runs and may linger" do
      {router, _} = events(with_session(1, :linger), 1, [@running])
      {router, []} = Router.down(router, 1)
      {router, []} = events(router, 1, [@exited])
      assert Router.size(router) == 0
    end

    test "is forgotten where the agent never heard of it" do
      {router, _} = Router.down(with_session(), 1)
      {router, []} = Router.event(router, 1, {:refused, 2, :unknown_session, nil})
      assert Router.size(router) == 0
    end

    test "does not hold up its id's grace for another" do
      assert {_, []} = Router.grace_over(with_session(), 1)
      assert {_, []} = Router.down(Router.new(), 1)
    end
  end

  test "an answer without a session goes to who asked" do
    router = Router.ask(Router.new(), 5, :from)
    assert Router.callers(router) == [:from]

    for answer <- [{:seccomp_filter, "bpf"}, {:refused, 22, :seccomp_compile, "opne"}] do
      {router, actions} = Router.event(router, 5, answer)
      assert actions == [{:reply, :from, answer}]
      assert Router.size(router) == 0
    end
  end
end
