defmodule Linx.GroupTest do
  use ExUnit.Case, async: true

  alias Linx.Group.{Frame, Inbox, Machine, Options, Role}

  doctest Linx.Group.Frame
  doctest Linx.Group.Inbox
  doctest Linx.Group.Machine
  doctest Linx.Group.Options
  doctest Linx.Group.Plan
  doctest Linx.Group.Role
  doctest Linx.Group.Roster
  doctest Linx.Group.Sending

  @argv [argv: ["/bin/true"]]

  defp plan(roles) do
    with {:ok, options} <- Options.validate(roles: roles), do: options.plan
  end

  defp peers(plan), do: Map.new(plan, fn {id, one} -> {id, Enum.map(one.links, &elem(&1, 0))} end)

  describe "options" do
    test "are refused by name" do
      for {options, reason} <- [
            {:none, {:bad_options, :none}},
            {[], {:bad_roles, nil}},
            {[roles: []], {:bad_roles, []}},
            {[roles: [a: @argv, a: @argv]], {:bad_roles, [a: @argv, a: @argv]}},
            {[roles: [A: @argv]], {:bad_role_name, :A}},
            {[roles: [a: nil]], {:bad_role, :a, :argv_required}},
            {[roles: [a: [argv: ["true"]]]], {:bad_role, :a, {:bad_argv, ["true"]}}},
            {[roles: [a: @argv ++ [instances: 1001]]], {:bad_role, :a, {:bad_instances, 1001}}},
            {[roles: [a: @argv ++ [links: [:b]]]], {:bad_role, :a, {:bad_links, :b}}},
            {[roles: [a: @argv ++ [sends_fds: 1]]], {:bad_role, :a, {:bad_sends_fds, 1}}},
            {[roles: [a: @argv ++ [links: :b]]], {:bad_role, :a, {:bad_links, :b}}},
            {[roles: [a: @argv ++ [owner: self()]]], {:bad_role, :a, {:unknown_option, :owner}}},
            {[roles: [a: @argv ++ [stdio: :pipe]]], {:bad_role, :a, {:bad_stdio, :pipe}}},
            {[roles: [a: @argv ++ [user: -1]]], {:bad_role, :a, {:bad_sandbox, {:user, -1}}}},
            {[roles: [a: @argv ++ [fds: %{3 => :devnull}]]],
             {:bad_role, :a, {:bad_fds, {3, :devnull}}}},
            {[roles: [a: @argv ++ [instances: 65, links: [:a]]]], {:bad_role, :a, :too_many_fds}},
            {[roles: [a: @argv], strategy: :all], {:bad_strategy, :all}},
            {[roles: [a: @argv], max_restarts: -1], {:bad_max_restarts, -1}},
            {[roles: [a: @argv], max_seconds: 0], {:bad_max_seconds, 0}},
            {[roles: [a: @argv], drain: :infinity], {:bad_drain, :infinity}},
            {[roles: [a: @argv], grace: -1], {:bad_grace, -1}},
            {[roles: [a: @argv], active: 0], {:bad_active, 0}},
            {[roles: [a: @argv], owner: :me], {:bad_owner, :me}},
            {[roles: [a: @argv], colour: 1], {:unknown_option, :colour}}
          ] do
        assert Options.validate(options) == {:error, reason}
        assert Linx.Group.start_link(options) == {:error, reason}
        assert is_binary(Options.message(reason))
      end
    end

    test "an error names the role, the option, the value and what was expected" do
      reason = {:bad_role, :a, {:bad_fds, {4, :devnull}}}

      assert Options.validate(
               roles: [a: @argv ++ [instances: 2, links: [:a], fds: %{4 => :devnull}]]
             ) == {:error, reason}

      assert Options.message(reason) ==
               "role :a: invalid option :fds: {4, :devnull}, expected a number above those of the channel and the links"

      assert Options.message({:bad_role, :a, :argv_required}) =~
               "role :a: option :argv is required"
    end

    test "user and root are the sandbox's" do
      {:ok, role} = Role.new(:a, @argv ++ [user: 7, root: "/srv"])
      assert %{uid: 7, root: %{kind: :dir, source: "/srv"}} = role.options.request

      assert Role.new(:a, @argv ++ [user: 7, sandbox: 1]) ==
               {:error, {:bad_role, :a, {:bad_sandbox, 1}}}
    end
  end

  describe "a plan" do
    test "links instances where either role asks, and those of one role only if it names itself" do
      three = &(@argv ++ [instances: 2, links: &1])
      assert peers(plan(a: three.([]), b: three.([]))) == %{1 => [], 2 => [], 3 => [], 4 => []}
      linked = %{1 => [3, 4], 2 => [3, 4], 3 => [1, 2], 4 => [1, 2]}
      assert peers(plan(a: three.([:b]), b: three.([]))) == linked
      assert peers(plan(a: three.([]), b: three.([:a]))) == linked
      assert peers(plan(a: three.(:all), b: three.([:a]))) == linked

      assert peers(plan(a: three.([:a]), b: three.([]))) == %{
               1 => [2],
               2 => [1],
               3 => [],
               4 => []
             }
    end

    test "gives each link one fd on either side, from 4 on" do
      plan =
        plan(a: @argv ++ [instances: 3, links: [:a, :b]], b: @argv ++ [instances: 2], c: @argv)

      for {id, one} <- plan, {{peer, fd}, index} <- Enum.with_index(one.links) do
        assert fd == 4 + index
        assert List.keymember?(plan[peer].links, id, 0)
      end
    end
  end

  test "frames are what they were, in whatever pieces they come" do
    frames =
      for size <- [0, 1, 15, 16, 17, 70_000],
          do: %Frame{type: 65_279, peer: size, pid: 1, payload: :binary.copy("x", size)}

    bytes = frames |> Enum.map(&Frame.encode/1) |> IO.iodata_to_binary()

    for step <- [1000, 16, 7] do
      pieces = for <<piece::binary-size(step) <- bytes>>, do: piece
      whole = div(byte_size(bytes), step) * step
      pieces = pieces ++ [binary_part(bytes, whole, byte_size(bytes) - whole)]

      {read, inbox} =
        Enum.reduce(pieces, {[], %Inbox{}}, fn piece, {read, inbox} ->
          all(Inbox.put(inbox, piece, []), read)
        end)

      assert {Enum.reverse(read), inbox} == {frames, %Inbox{}}
    end
  end

  defp all(inbox, read) do
    case Inbox.next(inbox) do
      {:ok, frame, nil, inbox} -> all(inbox, [frame | read])
      :more -> {read, inbox}
    end
  end

  test "fds are of those frames that speak of one, in their order" do
    bytes = for fd? <- [false, true, true], do: Frame.encode(%Frame{fd?: fd?})
    inbox = Inbox.put(%Inbox{}, IO.iodata_to_binary(bytes), [:one, :two])
    {:ok, _, nil, inbox} = Inbox.next(inbox)
    {:ok, _, :one, inbox} = Inbox.next(inbox)
    {:ok, _, :two, inbox} = Inbox.next(inbox)
    assert Inbox.next(inbox) == :more

    assert Inbox.next(Inbox.put(inbox, "", [:stray])) == {:error, :stray_fd}
    assert Inbox.next(Inbox.put(inbox, <<0>>, [:early])) == :more
    assert Inbox.next(Inbox.put(inbox, <<0>>, [:early, :stray])) == {:error, :stray_fd}
    assert Inbox.next(Inbox.put(inbox, Frame.encode(%Frame{fd?: true}), [])) == {:error, :no_fd}
  end

  describe "the machine" do
    defp machine(strategy, options \\ []) do
      names = %{1 => {:a, 1}, 2 => {:a, 2}, 3 => {:b, 1}}

      {machine, [{:start, [1, 2, 3]}]} =
        Machine.start(Machine.new(names, [strategy: strategy] ++ options))

      machine
    end

    defp ready(machine), do: Enum.reduce(1..3, machine, &elem(Machine.ready(&2, &1), 0))

    defp running(machine) do
      machine = Enum.reduce(1..3, ready(machine), &elem(Machine.running(&2, &1, &1 * 100), 0))
      assert machine.phase == :running
      machine
    end

    # What is told of the ends of these, and the last actions.
    defp ended(machine, ids) do
      Enum.reduce(ids, {machine, []}, fn id, {machine, _actions} ->
        Machine.gone(machine, id, {:exited, 0}, 0)
      end)
    end

    test "lets all go when the last is ready, and says so when the last runs" do
      machine = machine(:one_for_all)
      {machine, []} = Machine.ready(machine, 2)
      {machine, []} = Machine.ready(machine, 1)
      {machine, [{:proceed, [1, 2, 3]}]} = Machine.ready(machine, 3)
      {machine, [{:tell, {:started, :b, 1, 300}}]} = Machine.running(machine, 3, 300)
      {machine, [{:tell, {:started, :a, 1, 100}}]} = Machine.running(machine, 1, 100)

      {machine, [{:tell, {:started, :a, 2, 200}}, {:tell, :running}]} =
        Machine.running(machine, 2, 200)

      assert machine.phase == :running
    end

    test "one that is lost takes the others along, and all start again" do
      machine = running(machine(:one_for_all))
      {machine, actions} = Machine.gone(machine, 2, {:signaled, 9}, 0)
      assert actions == [{:tell, {:lost, :a, 2, {:signaled, 9}}}, {:close, [1, 3]}, {:wait, 1}]

      {machine, [{:tell, {:ended, :a, 1, {:exited, 0}}}]} =
        Machine.gone(machine, 1, {:exited, 0}, 0)

      {machine, [{:terminate, [3]}]} = Machine.overdue(machine, 1)

      {machine, [{:tell, {:ended, :b, 1, {:exited, 0}}}, {:start, [1, 2, 3]}]} =
        ended(machine, [3])

      # A timer of the last round means nothing.
      assert Machine.overdue(machine, 1) == {machine, []}
      assert running(machine).restarts == [0]
    end

    test "one that is lost starts again alone, and goes on alone" do
      machine = running(machine(:one_for_one))

      {machine, [{:tell, {:lost, :a, 1, {:exited, 1}}}, {:start, [1]}]} =
        Machine.gone(machine, 1, {:exited, 1}, 0)

      {machine, [{:tell, {:lost, :a, 2, {:exited, 1}}}, {:start, [2]}]} =
        Machine.gone(machine, 2, {:exited, 1}, 0)

      {machine, [{:proceed, [2]}]} = Machine.ready(machine, 2)
      {machine, [{:proceed, [1]}]} = Machine.ready(machine, 1)
      {_machine, [{:tell, {:started, :a, 1, 101}}]} = Machine.running(machine, 1, 101)
    end

    test "one that is lost before all were there starts again before they go on" do
      machine = machine(:one_for_one)
      {machine, []} = Machine.ready(machine, 1)

      {machine, [{:tell, {:lost, :a, 1, {:signaled, 9}}}, {:start, [1]}]} =
        Machine.gone(machine, 1, {:signaled, 9}, 0)

      {machine, []} = Machine.ready(machine, 2)
      {machine, []} = Machine.ready(machine, 3)
      assert {_machine, [{:proceed, [1, 2, 3]}]} = Machine.ready(machine, 1)
    end

    test "counts losses as supervisors do" do
      for strategy <- [:one_for_one, :one_for_all] do
        machine = running(machine(strategy, max_restarts: 1, max_seconds: 5))

        again = fn machine ->
          if strategy == :one_for_all,
            do: running(elem(ended(machine, [2, 3]), 0)),
            else: running(machine)
        end

        {machine, _} = Machine.gone(machine, 1, {:exited, 1}, 0)
        {machine, _} = Machine.gone(again.(machine), 1, {:exited, 1}, 5000)
        assert machine.phase != :stopping
        lost = {:lost, :a, 1, {:exited, 1}}

        {machine, [{:tell, ^lost}, {:close, [2, 3]}, {:wait, _}]} =
          Machine.gone(again.(machine), 1, {:exited, 1}, 9999)

        {machine, actions} = ended(machine, [2, 3])
        assert machine.phase == :ended

        assert actions == [
                 {:tell, {:ended, :b, 1, {:exited, 0}}},
                 {:tell, {:stopped, lost}},
                 {:finish, lost}
               ]
      end
    end

    test "stops whatever it is about to do" do
      {machine, [{:terminate, [1, 2, 3]}, {:close, []}, {:wait, 1}]} =
        Machine.stop(machine(:one_for_all), :why)

      assert Machine.ready(machine, 1) |> elem(1) == []
      assert {%{phase: :ended}, actions} = ended(machine, [1, 2, 3])
      assert List.last(actions) == {:finish, :why}

      {machine, _} = Machine.gone(running(machine(:one_for_all)), 1, {:exited, 1}, 0)
      {machine, []} = Machine.stop(machine, :why)
      assert {machine, []} == Machine.stop(machine, :other)
      assert {%{phase: :ended}, actions} = ended(machine, [2, 3])
      assert List.last(actions) == {:finish, :why}
    end
  end
end
