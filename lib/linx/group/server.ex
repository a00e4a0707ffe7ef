defmodule Linx.Group.Server do
  @moduledoc """
  The process of a group: what happens to its instances goes to `Linx.Group.Machine`, and what that decides is
  done here.

  It owns the sessions, so they end with it, and no call blocks it.
  """

  use GenServer

  alias Linx.Group.{Channel, Machine, Member, Options, Roster}

  defstruct [:options, :machine, :owner, members: %{}, waiting: []]

  @doc false
  @spec start_link(Options.t(), GenServer.options()) :: GenServer.on_start()
  def start_link(%Options{} = options, server) do
    case GenServer.start_link(__MODULE__, {options, caller()}, server) do
      {:error, {:shutdown, reason}} -> {:error, reason}
      answer -> answer
    end
  end

  # A supervisor would only log what it is told.
  defp caller,
    do: if(match?({:supervisor, _, _}, Process.get(:"$initial_call")), do: nil, else: self())

  @impl true
  def init({options, caller}) do
    Process.flag(:trap_exit, true)
    owner = options.owner || caller
    if owner, do: Process.monitor(owner)
    names = Map.new(options.plan, fn {id, one} -> {id, {one.role, one.number}} end)

    machine =
      Machine.new(names,
        strategy: options.strategy,
        max_restarts: options.max_restarts,
        max_seconds: options.max_seconds
      )

    {machine, [{:start, ids}]} = Machine.start(machine)
    state = %__MODULE__{options: options, machine: machine, owner: owner}
    state = start(state, ids)

    case Enum.find(state.members, fn {_id, member} -> match?({:error, _}, member.outcome) end) do
      nil -> {:ok, state}
      {_id, %{outcome: {:error, reason}}} -> give_up(state, reason)
    end
  end

  # The sessions end with their owner.
  defp give_up(state, reason) do
    for {_id, member} <- state.members, do: Member.over(member, :aborted)
    {:stop, {:shutdown, reason}}
  end

  @impl true
  def handle_call(:await, from, state) do
    if state.machine.phase == :running,
      do: {:reply, :ok, state},
      else: {:noreply, %{state | waiting: [from | state.waiting]}}
  end

  def handle_call({:channels, to}, _from, state),
    do: {:reply, Roster.channels(state.members, to), state}

  def handle_call(:instances, _from, state),
    do: {:reply, Roster.list(state.members, state.machine.states), state}

  @impl true
  def handle_info({:linx_process, {ref, id}, event}, state), do: heard(state, ref, id, {event})

  def handle_info({:linx_process, {ref, id}, event, detail}, state),
    do: heard(state, ref, id, {event, detail})

  def handle_info({:linx_process, {ref, id}, :error, _code, _stage}, state) do
    with %{^id => %{ref: ^ref, session: session}} <- state.members,
         {:error, error} <- Linx.Process.wait(session) do
      heard(state, ref, id, {:over, {:error, error}})
    else
      _other -> {:noreply, state}
    end
  end

  def handle_info({Channel, pid, id, {:violation, reason}}, state) do
    case state.members do
      %{^id => %{channel: ^pid, outcome: nil} = member} ->
        terminate_session(member.session, 0)
        {:noreply, put(state, %{member | outcome: {:protocol, reason}})}

      _earlier ->
        {:noreply, state}
    end
  end

  def handle_info({:not_started, id}, state), do: gone(state, state.members[id])

  def handle_info({:EXIT, pid, reason}, state) do
    case Roster.find(state.members, pid) do
      %{channel: ^pid} = member -> channel_gone(state, %{member | channel: nil})
      %{session: ^pid} = member -> session_gone(state, member, reason)
      nil -> {:noreply, state}
    end
  end

  def handle_info({:overdue, round}, state),
    do: step(state, Machine.overdue(state.machine, round))

  def handle_info({:DOWN, _monitor, :process, owner, _reason}, %{owner: owner} = state),
    do: {:stop, {:shutdown, :owner}, state}

  def handle_info(_late, state), do: {:noreply, state}

  # Whoever asks for the end waits for it.
  @impl true
  def terminate(reason, %{machine: machine} = state) do
    {_noreply, state} = step_all(state, Machine.stop(machine, reason))
    wind_down(state)
  end

  defp wind_down(%{machine: %{phase: :ended}}), do: :ok

  defp wind_down(state) do
    receive do
      message ->
        {_what, state} = message |> handle_info(state) |> state_of()
        wind_down(state)
    end
  end

  defp state_of({:noreply, state}), do: {:noreply, state}
  defp state_of({:stop, _reason, state}), do: {:stop, state}

  # Of an earlier session of that instance nothing counts any more.
  defp heard(state, ref, id, event) do
    case state.members do
      %{^id => %{ref: ^ref, session: session} = member} when session != nil ->
        heard(state, member, event)

      _earlier ->
        {:noreply, state}
    end
  end

  defp heard(state, member, {:ready, host_pid}) do
    fds? = state.options.roles[member.plan.role].sends_fds

    case Member.meet(member, owner: state.owner, active: state.options.active, fds?: fds?) do
      {:ok, member, links} ->
        state = put(state, %{member | host_pid: host_pid})
        state = Enum.reduce(links, state, &relink(&2, member, &1))
        step(state, Machine.ready(state.machine, member.plan.id))

      {:error, reason} ->
        terminate_session(member.session, 0)
        {:noreply, put(state, %{member | outcome: {:error, reason}, meeting: nil})}
    end
  end

  defp heard(state, member, {:running}),
    do: step(state, Machine.running(state.machine, member.plan.id, member.host_pid))

  defp heard(state, member, {:exited, code}), do: over(state, member, {:exited, code})
  defp heard(state, member, {:signaled, number}), do: over(state, member, {:signaled, number})
  defp heard(state, member, {:aborted}), do: over(state, member, :aborted)
  defp heard(state, member, {:over, outcome}), do: over(state, member, outcome)
  defp heard(state, _member, _other), do: {:noreply, state}

  defp relink(state, peer, {id, socket}),
    do: put(state, Member.relink(state.members[id], peer, socket))

  # Its last messages come ahead of its end: the channel goes first.
  defp over(state, member, outcome) do
    member = %{Member.over(member, outcome) | session: nil}
    state = put(state, member)
    if member.channel, do: {:noreply, state}, else: gone(state, member)
  end

  defp channel_gone(state, %{session: nil} = member), do: gone(put(state, member), member)
  defp channel_gone(state, member), do: {:noreply, put(state, member)}

  # It has not told its end, and has ended its workload.
  defp session_gone(state, member, reason),
    do: over(state, %{member | session: nil}, {:error, {:session, reason}})

  defp gone(state, member) do
    state = put(state, %{member | host_pid: nil})
    now = System.monotonic_time(:millisecond)
    step(state, Machine.gone(state.machine, member.plan.id, member.outcome, now))
  end

  defp put(state, member), do: %{state | members: Map.put(state.members, member.plan.id, member)}

  defp step(state, decided) do
    case step_all(state, decided) do
      {nil, state} -> {:noreply, state}
      {{:finish, reason}, state} -> {:stop, {:shutdown, reason}, state}
    end
  end

  defp step_all(state, {machine, actions}),
    do: Enum.reduce(actions, {nil, %{state | machine: machine}}, &perform/2)

  defp perform({:finish, _reason} = finish, {_none, state}) do
    for from <- state.waiting, do: GenServer.reply(from, {:error, state.machine.reason})
    {finish, %{state | waiting: []}}
  end

  defp perform({:start, ids}, {finish, state}) do
    state = start(state, ids)

    # As if it had been lost right away.
    for id <- ids, state.members[id].outcome, do: send(self(), {:not_started, id})
    {finish, state}
  end

  defp perform({:proceed, ids}, {finish, state}) do
    # One that has died meanwhile says so in its own way.
    for id <- ids, do: Linx.Process.proceed(state.members[id].session)
    {finish, state}
  end

  defp perform({:close, ids}, {finish, state}) do
    for id <- ids, channel = state.members[id].channel, do: Channel.shut(channel)
    {finish, state}
  end

  defp perform({:terminate, ids}, {finish, state}) do
    for id <- ids,
        session = state.members[id].session,
        do: terminate_session(session, state.options.grace)

    {finish, state}
  end

  defp perform({:wait, round}, {finish, state}) do
    Process.send_after(self(), {:overdue, round}, state.options.drain)
    {finish, state}
  end

  defp perform({:tell, what}, {finish, state}) do
    if state.owner, do: send(state.owner, {:linx_group, self(), what})
    {finish, if(what == :running, do: answer(state), else: state)}
  end

  defp answer(state) do
    for from <- state.waiting, do: GenServer.reply(from, :ok)
    %{state | waiting: []}
  end

  # Waits for the end, which the session tells anyway.
  defp terminate_session(session, grace) do
    spawn(fn -> Linx.Process.stop(session, grace) end)
  end

  # All of a group at once are connected by the agent; who comes later, by way of the BEAM.
  defp start(state, ids) do
    whole? = length(ids) == map_size(state.options.plan)
    batch = if whole?, do: System.unique_integer([:positive])
    members = if whole?, do: %{}, else: state.members
    Enum.reduce(ids, %{state | members: members}, &start_one(&2, &1, batch))
  end

  defp start_one(state, id, batch) do
    agent = Enum.find_value(state.members, :shared, fn {_id, member} -> member.session end)

    case start_member(state.options, id, batch, agent) do
      {:ok, member} ->
        put(state, member)

      {:error, reason} ->
        put(state, %Member{plan: state.options.plan[id], outcome: {:error, reason}})
    end
  end

  # Who comes later shares no link with the agent's other sessions, so if that has died, any will do.
  defp start_member(options, id, nil, agent) do
    with {:error, :no_process} <- Member.start(options, id, nil, agent),
         do: Member.start(options, id, nil, :shared)
  end

  defp start_member(options, id, batch, agent), do: Member.start(options, id, batch, agent)
end
