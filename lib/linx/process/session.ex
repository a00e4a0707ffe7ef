defmodule Linx.Process.Session do
  @moduledoc """
  The process of a session: what happens to it goes to `Linx.Process.Machine`, and what that decides
  is done by `Linx.Process.Actions`.

  It is linked to its starter as any other process is: only an exit that is not normal counts. It
  writes to its agent's port itself and hears of events from `Linx.Agent`; the port of a dedicated
  agent is its own. No call blocks it, and neither does an agent that does not read for a while.
  """

  use GenServer, restart: :temporary

  alias Linx.Agent.{Outbox, Pool, Program}
  alias Linx.Process.{Actions, Confinement, Ending, LogReader, Machine, Options, Streams}
  alias Linx.{Protocol, Telemetry}

  # What a shutdown waits for the end beyond the grace that the workload has.
  @patience 5000
  # What it waits for a log then: a supervisor's default :shutdown leaves half a second for both.
  @log_patience 400
  # Bytes of a request that are worth to be let go of.
  @large_frame 2048
  # The exit status of an agent that has lost its channel, for the case where none can be seen.
  @channel_lost 1

  defstruct [
    :machine,
    :outbox,
    # {pid, monitor} of a shared agent, and this session's id there. With a dedicated one both are
    # nil, the port's frames are bare and come here, and the guard's pid is kept.
    :agent,
    :id,
    :os_pid,
    # See `Linx.Process.Confinement`.
    :confinement,
    :owner,
    :owner_monitor,
    # Whether the owner is to be told anything.
    :hears?,
    :tag,
    :grace_timer,
    # For `Linx.Telemetry`, `nil` where nobody is to be told.
    :watch,
    # The process that reads the output for a log.
    :log,
    # Callers who wait for a stream: the monitor and the timer of each.
    waits: %{}
  ]

  @doc """
  Starts a session whose request is `frame`, with an agent of the pool or one of its own.

  Errors: `:closed` where the agent is gone, those of `Linx.Agent.Program.open/0`.
  """
  @spec start(Options.t(), Pool.place() | :dedicated, frame :: binary) ::
          {:ok, pid} | {:error, term}
  def start(%Options{} = options, place, frame) do
    # The request as a whole is not kept: a session is small.
    confinement = Confinement.pack(options.confinement)
    owner = options.owner || caller()
    options = %{options | request: nil, confinement: confinement, owner: owner}

    case GenServer.start(__MODULE__, {self(), options, place, frame}) do
      {:error, {:shutdown, reason}} -> {:error, reason}
      answer -> answer
    end
  end

  @doc "The shared agent of a session, and its port."
  @spec agent(pid) :: {:ok, {pid, port}} | {:error, :no_process | :not_shared}
  def agent(session) do
    GenServer.call(session, :agent, :infinity)
  catch
    :exit, _ -> {:error, :no_process}
  end

  # A supervisor would only log what it is told.
  defp caller do
    case Process.get(:"$initial_call") do
      {:supervisor, _module, _arity} -> {:supervisor, self()}
      _other -> self()
    end
  end

  @impl true
  def init({starter, options, place, frame}) do
    Process.flag(:trap_exit, true)
    started_at = System.monotonic_time()

    with {:ok, state} <- connect(place, options),
         {status, _, outbox} when status != :closed <- Outbox.push(state.outbox, frame, nil) do
      # Not by start_link: GenServer would take even a normal exit of its parent for the end.
      Process.link(starter)

      machine =
        Machine.new(
          mode: options.mode,
          linger: options.linger,
          kill: options.kill,
          started_at: started_at,
          orphan_policy: options.orphan_policy,
          proceeded?: options.auto_proceed,
          pty?: options.pty?,
          streams: options.streams
        )

      log = if options.log, do: LogReader.start(self(), options.log)
      watch = Telemetry.started(machine, options.tag)

      state = %{
        state
        | outbox: outbox,
          machine: machine,
          tag: options.tag,
          confinement: options.confinement,
          log: log,
          watch: watch
      }

      if options.timeout != :infinity,
        do: Process.send_after(self(), :time_over, options.timeout)

      state = own(state, options.owner)
      if byte_size(frame) > @large_frame, do: {:ok, state, {:continue, :tidy}}, else: {:ok, state}
    else
      {:closed, _, _} -> {:stop, {:shutdown, :closed}}
      {:error, reason} -> {:stop, {:shutdown, reason}}
    end
  end

  # A session may do nothing for long, and would keep its request in memory.
  @impl true
  def handle_continue(:tidy, state) do
    :erlang.garbage_collect()
    {:noreply, state}
  end

  defp connect(:dedicated, _options) do
    with {:ok, port} <- Program.open(),
         do: {:ok, %__MODULE__{outbox: Outbox.new(port), os_pid: Program.os_pid(port)}}
  end

  defp connect({agent, port, id}, options) do
    monitor = Process.monitor(agent)
    :ok = Linx.Agent.register(agent, id, Ending.of_orphan(options))
    {:ok, %__MODULE__{outbox: Outbox.new(port), id: id, agent: {agent, monitor}}}
  end

  defp own(state, {:supervisor, owner}), do: %{own(state, owner) | hears?: false}

  defp own(state, owner),
    do: %{state | owner: owner, owner_monitor: Process.monitor(owner), hears?: true}

  @impl true
  def handle_call({:set_owner, owner}, _from, state) do
    Process.demonitor(state.owner_monitor, [:flush])
    {:reply, :ok, own(state, owner)}
  end

  # What another session needs to enter this one.
  def handle_call(:target, _from, %{machine: machine} = state) do
    answer =
      cond do
        Machine.ended?(machine) -> {:error, :no_process}
        machine.host_pid == nil -> {:error, :not_ready}
        true -> {:ok, machine.host_pid, place(state), Confinement.unpack(state.confinement)}
      end

    {:reply, answer, state}
  end

  def handle_call(:agent, _from, %{agent: nil} = state),
    do: {:reply, {:error, :not_shared}, state}

  def handle_call(:agent, _from, %{agent: {agent, _monitor}} = state),
    do: {:reply, {:ok, {agent, Outbox.port(state.outbox)}}, state}

  def handle_call(:confinement, _from, state),
    do: {:reply, {:ok, Confinement.unpack(state.confinement)}, state}

  def handle_call(request, from, state), do: step({:call, from, request}, state)

  @impl true
  def handle_cast({:forget, ref}, state), do: step({:forget, ref}, state)

  @impl true
  def handle_info({Linx.Agent, event}, state), do: step({:event, event}, state)

  def handle_info({:DOWN, monitor, :process, _, _}, %{owner_monitor: monitor} = state),
    do: step(:owner_down, state)

  def handle_info({:DOWN, monitor, :process, _, _}, %{agent: {_, monitor}} = state),
    do: step({:agent_down, @channel_lost}, state)

  def handle_info({:grace_over, ref}, %{grace_timer: {_, ref}} = state),
    do: step(:grace_over, %{state | grace_timer: nil})

  def handle_info(:time_over, state), do: step(:time_over, state)

  def handle_info({{:gone, ref}, _monitor, :process, _, _}, state),
    do: step({:gone, ref}, Actions.unwatch(ref, state))

  def handle_info({:overdue, ref}, state), do: step({:overdue, ref}, state)

  def handle_info({Outbox, :flush}, state),
    do: {:noreply, Actions.written(Outbox.flush(state.outbox), nil, state)}

  def handle_info({port, {:data, frame}}, state) when is_port(port) do
    case Protocol.decode_bare(frame) do
      {:ok, event} -> step({:event, event}, state)
      {:error, :malformed_frame} -> give_up(port, state)
    end
  end

  def handle_info({port, {:exit_status, status}}, state) when is_port(port),
    do: step({:agent_down, status}, state)

  # Without an exit status before it: a write met a closed pipe while the guard is still at work.
  def handle_info({:EXIT, port, _reason}, state) when is_port(port) do
    if not Machine.ended?(state.machine),
      do: Program.report_exit(port, state.os_pid, @channel_lost)

    {:noreply, state}
  end

  def handle_info({:EXIT, _pid, :normal}, state), do: {:noreply, state}
  def handle_info({:EXIT, _pid, reason}, state), do: {:stop, reason, state}
  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    state = state_of(step(:shutdown, state))

    if state.machine.ending != nil,
      do: await_end(state, now() + (Actions.grace_left(state) || 0) + @patience),
      else: await_log(state, now() + @log_patience)
  end

  # Calls but those of the log are left alone: their callers hear that the session is gone.
  defp await_end(state, deadline) do
    if Machine.ended?(state.machine) do
      await_log(state, now() + @log_patience)
    else
      receive do
        {:"$gen_call", {log, _} = from, request} when log == state.log ->
          {:call, from, request} |> step(state) |> state_of() |> await_end(deadline)

        message
        when elem(message, 0) in [Linx.Agent, :DOWN, :EXIT, :grace_over, Outbox] or
               is_port(elem(message, 0)) ->
          message |> handle_info(state) |> state_of() |> await_end(deadline)
      after
        max(deadline - now(), 0) -> :ok
      end
    end
  end

  # What the workload wrote last is to be logged, too.
  defp await_log(%{log: nil}, _deadline), do: :ok

  defp await_log(state, deadline) do
    if Streams.unread?(state.machine.streams) do
      receive do
        {:"$gen_call", {log, _} = from, request} when log == state.log ->
          {:call, from, request} |> step(state) |> state_of() |> await_log(deadline)
      after
        max(deadline - now(), 0) -> :ok
      end
    end
  end

  defp state_of({:noreply, state}), do: state
  defp state_of({:stop, _reason, state}), do: state

  defp step(input, state) do
    {machine, actions} = Machine.handle(state.machine, input)
    performed = Actions.perform(actions, %{state | machine: machine})
    Telemetry.changed(state.watch, state.machine, machine)
    performed
  end

  # Without its port the program ends, and the workload by its orphan policy.
  defp give_up(port, state) do
    Port.close(port)
    step({:agent_down, @channel_lost}, state)
  end

  defp place(%{agent: nil}), do: nil
  defp place(%{agent: {agent, _}} = state), do: {agent, Outbox.port(state.outbox), state.id}

  defp now, do: System.monotonic_time(:millisecond)
end
