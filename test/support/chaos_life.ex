defmodule Linx.Test.Chaos.Life do
  @moduledoc """
  A session whose life is drawn by lot: its kind, what its program does, and what is done to it at
  which moment. `live/2` fails where the owner is told what cannot be.

      Life.draw({seed, 1}, world) |> Life.live(world)
  """

  import ExUnit.Assertions

  alias Linx.Test.{Chaos, Parked}
  alias Linx.Test.Chaos.{Processes, Story}

  @deadline_ms 20_000
  # For a message that may never come.
  @patience_ms 100
  @signals [:sigterm, :sigkill, :sigusr1, :sigstop, :sigcont, :sigint]
  @answers %{
    proceed: [:ok, {:error, :not_ready}, {:error, :no_process}],
    abort: [:ok, {:error, :running}, {:error, :no_process}],
    signal: [:ok, {:error, :no_process}]
  }

  @typedoc """
    * `:target` - a pid to enter, or `nil`
    * `:tree` - what its program does, as words of `tree_hostile`
    * `:deeds` - what is done to it; a moment is a number of microseconds or a message to wait for
  """
  @type t :: %{
          name: String.t(),
          options: keyword,
          target: pos_integer | nil,
          tree: [String.t()],
          deeds: [{moment :: non_neg_integer | :ready | :running, deed :: term}]
        }

  @doc "What the lots are drawn from: `LINX_CHAOS_SEED`, or a new seed."
  @spec seed() :: integer
  def seed, do: environment("LINX_CHAOS_SEED", :rand.uniform(1_000_000))

  @doc "How often lots are drawn: `LINX_CHAOS_ROUNDS`, or a default."
  @spec rounds(pos_integer) :: pos_integer
  def rounds(default), do: environment("LINX_CHAOS_ROUNDS", default)

  defp environment(name, default),
    do: name |> System.get_env("#{default}") |> String.to_integer()

  @doc "Draws a life."
  @spec draw({integer, integer}, Chaos.world()) :: t
  def draw({seed, number}, world) do
    :rand.seed(:exsss, {seed, number, 0})
    target = Enum.random([nil, nil, nil] ++ Map.values(world.targets))
    namespaces = if target, do: [], else: namespaces()
    init = coin()
    # Nobody promises to end what a workload leaves behind without an init.
    trees = if init or namespaces != [], do: [["deaf", "stubborn", "daemon"]], else: []

    %{
      name: "life #{number} of LINX_CHAOS_SEED=#{seed}",
      options: [auto_proceed: coin(), init: init] ++ namespaces,
      target: target,
      tree: Enum.random([["exit=5"], []] ++ trees),
      deeds: for(_ <- 1..Enum.random(1..5), do: {moment(), deed()})
    }
  end

  defp coin, do: Enum.random([true, false])

  defp namespaces do
    own = if Parked.own("Uid") == 0, do: [], else: [:user]
    if coin(), do: [namespaces: [:pid | own]], else: []
  end

  defp moment, do: Enum.random([0, Enum.random(0..3000), Enum.random(0..3000), :ready, :running])

  defp deed do
    Enum.random(
      [:proceed, :proceed, :proceed, :abort, :kill_owner, :kill_session] ++
        [{:signal, Enum.random(@signals)}, {:signal, Enum.random(@signals)}] ++
        [{:stop, Enum.random(0..20)}]
    )
  end

  @doc "Lives a life; answers what the owner was told."
  @spec live(t, Chaos.world()) :: [tuple]
  def live(plan, world) do
    Process.flag(:trap_exit, true)
    life = start(plan, world)
    life = Enum.reduce(plan.deeds, life, &do_deed/2)

    if life.owner == nil or life.session_killed,
      do: assert_vanishes(life),
      else: assert_ends(life)
  end

  defp start(plan, world) do
    token = Processes.token()
    mark = Path.join(world.dir, "mark-#{token}")
    test = self()
    owner = spawn(fn -> relay(test) end)

    options =
      [argv: [world.program, token, "mark=#{mark}" | plan.tree], stdio: :devnull] ++
        [owner: owner, tag: token, orphan_policy: {:kill, 20}] ++ plan.options

    {:ok, session} =
      if plan.target,
        do: Linx.Process.enter(plan.target, options),
        else: Linx.Process.spawn(options)

    %{
      plan: plan,
      token: token,
      mark: mark,
      owner: owner,
      session: session,
      session_killed: false,
      told: []
    }
  end

  # So that the owner's death is not this process's.
  defp relay(test) do
    receive do
      message -> send(test, message)
    end

    relay(test)
  end

  defp do_deed({moment, deed}, life), do: life |> listen_until(moment) |> perform(deed)

  defp listen_until(life, moment) when is_integer(moment) do
    until = System.monotonic_time(:microsecond) + moment
    listen(life, fn _ -> System.monotonic_time(:microsecond) >= until end, 0)
  end

  defp listen_until(life, message) do
    until = System.monotonic_time(:millisecond) + @patience_ms

    heard? = fn life ->
      ended?(life) or List.keymember?(life.told, message, 0) or
        System.monotonic_time(:millisecond) > until
    end

    listen(life, heard?, 1)
  end

  defp listen(%{token: token} = life, enough?, pause) do
    receive do
      message when elem(message, 0) == :linx_process and elem(message, 1) == token ->
        message = message |> Tuple.delete_at(0) |> Tuple.delete_at(0)
        listen(%{life | told: life.told ++ [message]}, enough?, pause)
    after
      pause -> if enough?.(life), do: life, else: listen(life, enough?, pause)
    end
  end

  defp ended?(life),
    do: Enum.any?(life.told, &(elem(&1, 0) in [:exited, :signaled, :aborted, :error]))

  defp perform(life, :kill_owner) do
    if life.owner, do: Process.exit(life.owner, :kill)
    %{life | owner: nil}
  end

  defp perform(life, :kill_session) do
    Process.exit(life.session, :kill)
    %{life | session_killed: true}
  end

  defp perform(life, {:stop, grace}) do
    case Linx.Process.stop(life.session, grace) do
      {:ok, _} -> life
      {:error, :no_process} -> life
      {:error, %Linx.Process.Error{} = error} -> flunk("#{describe(life)}: #{inspect(error)}")
    end
  end

  defp perform(life, deed) do
    answer = answer(life.session, deed)
    verb = if is_tuple(deed), do: elem(deed, 0), else: deed
    assert answer in @answers[verb], "#{describe(life)}: #{verb} answered #{inspect(answer)}"
    life
  end

  defp answer(session, :proceed), do: Linx.Process.proceed(session)
  defp answer(session, :abort), do: Linx.Process.abort(session)
  defp answer(session, {:signal, signal}), do: Linx.Process.signal(session, signal)

  # Whoever should have heard of the end is dead: there is just nothing left.
  defp assert_vanishes(life) do
    monitor = Process.monitor(life.session)
    assert_receive {:DOWN, ^monitor, :process, _, _}, @deadline_ms, describe(life)
    Processes.assert_none(describe(life), [life.token])
    life.told
  end

  defp assert_ends(life) do
    outcome = Linx.Process.stop(life.session, 0)
    until = System.monotonic_time(:millisecond) + @deadline_ms
    life = listen(life, &(ended?(&1) or System.monotonic_time(:millisecond) > until), 1)
    # The end is told when everything is over, and not before.
    assert Processes.with_token(life.token) == [], describe(life)

    assert {:ok, _} = Linx.Process.info(life.session)
    life = listen(life, fn _ -> true end, 0)
    assert Story.legal?(life.told), describe(life)
    assert outcome == outcome(List.last(life.told)), describe(life)
    assert Linx.Process.wait(life.session) == outcome, describe(life)
    assert true?(life, File.exists?(life.mark)), describe(life)
    for verb <- [:proceed, :abort, {:signal, 15}], do: assert_over(life, verb)
    GenServer.stop(life.session)
    life.told
  end

  defp outcome({:exited, code}), do: {:ok, {:exited, code}}
  defp outcome({:signaled, number}), do: {:ok, {:signaled, number}}
  defp outcome({:aborted}), do: {:ok, :aborted}
  defp outcome(other), do: other

  # Only what was running has left its mark, and what exited was running.
  defp true?(life, mark?) do
    case List.last(life.told) do
      {:exited, _} -> mark?
      _ -> {:running} in life.told or not mark?
    end
  end

  defp assert_over(life, verb),
    do: assert(answer(life.session, verb) == {:error, :no_process}, describe(life))

  defp describe(life), do: "#{life.plan.name}, #{inspect(life.plan)}: told #{inspect(life.told)}"
end
