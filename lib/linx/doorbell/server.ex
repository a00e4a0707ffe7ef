defmodule Linx.Doorbell.Server do
  @moduledoc """
  The process of a doorbell: what happens to it goes to `Linx.Doorbell.Machine`, and what that decides is
  done here. It owns the session of its probe, and is linked to the process that runs its action.

  It is started with `{target, %Linx.Doorbell.Options{}}`, and is there once the first probe waits.
  """

  use GenServer

  alias Linx.Doorbell.{Action, Machine, Options, Target}
  alias Linx.Process.Error
  alias Linx.Sandbox.Host

  defstruct [:options, :target, :machine, :ids, :owner, :owner_monitor, :probe, :tag, :runner]

  @esrch 3
  # Who is root in the container can stop a process that comes in, and who installs it has to hear of that.
  @first_ms 30_000
  # A probe has nothing to tidy up.
  @grace 1000

  @impl true
  def init({target, options}) do
    Process.flag(:trap_exit, true)
    machine = Machine.new(rearm: options.rearm, debounce: options.debounce)

    state = %__MODULE__{
      options: options,
      machine: machine,
      tag: tag(options),
      owner: options.owner
    }

    monitor = options.owner && Process.monitor(options.owner)

    with {:ok, target} <- Target.open(target),
         state = %{state | target: target, ids: ids(options, target), owner_monitor: monitor},
         {:ok, state} <- arm(state),
         {:ok, host_pid, state} <- await_first(state, now() + @first_ms) do
      {:noreply, state} = step({:waits, host_pid}, state)
      {:ok, state}
    else
      {:error, reason} -> {:stop, {:shutdown, reason}}
    end
  end

  defp tag(%Options{tag: {:ok, tag}}), do: tag
  defp tag(%Options{tag: nil}), do: self()

  defp ids(%Options{uid: nil, gid: nil}, target), do: Target.ids(target)

  defp ids(options, _target),
    do: for(key <- [:uid, :gid], id = Map.get(options, key), do: {key, id})

  # Who installs it hears of a failure by the answer.
  defp await_first(%{probe: {session, tag}, owner_monitor: owner} = state, deadline) do
    receive do
      {:DOWN, ^owner, :process, _, _} ->
        close_probe(state)
        {:error, :owner_down}

      {:EXIT, ^session, reason} ->
        {:error, reason}

      message when elem(message, 0) == :linx_process and elem(message, 1) == tag ->
        case probe(message, state) do
          {nil, state} -> await_first(state, deadline)
          {{:waits, host_pid}, state} -> {:ok, host_pid, state}
          {input, state} -> failed(input, close_probe(state))
        end
    after
      max(deadline - now(), 0) ->
        close_probe(state)
        {:error, :timeout}
    end
  end

  defp failed({:ended, {:error, reason}}, _state), do: {:error, reason}
  defp failed({:ended, outcome}, _state), do: {:error, {:not_armed, outcome}}
  defp failed(:target_ended, _state), do: {:error, Error.new(@esrch, :open_target)}

  @impl true
  def handle_call(:info, _from, %{machine: machine} = state) do
    info = Map.take(machine, [:status, :host_pid, :rings])
    {:reply, {:ok, Map.put(info, :title, state.options.title)}, state}
  end

  @impl true
  def handle_info(message, %{probe: {_session, tag}} = state)
      when elem(message, 0) == :linx_process and elem(message, 1) == tag do
    case probe(message, state) do
      {nil, state} -> {:noreply, state}
      {input, state} -> step(input, state)
    end
  end

  def handle_info({:EXIT, runner, reason}, %{runner: runner} = state) do
    result =
      case reason do
        {:shutdown, {:acted, result}} -> result
        reason -> {:error, reason}
      end

    step({:acted, result}, %{state | runner: nil})
  end

  def handle_info({:EXIT, session, reason}, %{probe: {session, _}} = state),
    do: step({:ended, {:error, reason}}, %{state | probe: nil})

  def handle_info(:rested, state), do: step(:rested, state)

  def handle_info({:DOWN, owner, :process, _, _}, %{owner_monitor: owner} = state),
    do: {:stop, :normal, state}

  def handle_info({:EXIT, _pid, reason}, state) when reason != :normal, do: {:stop, reason, state}
  def handle_info(_late, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    close_probe(state)
    if state.runner, do: kill(state.runner)
    {_machine, actions} = Machine.handle(state.machine, :removed, now())
    for {:tell, event} <- actions, do: tell(event, state)
  end

  defp step(input, state) do
    {machine, actions} = Machine.handle(state.machine, input, now())
    perform(actions, %{state | machine: machine})
  end

  defp perform([], state), do: {:noreply, state}
  defp perform([:stop | _], state), do: {:stop, :normal, state}

  defp perform([{:tell, event} | actions], state) do
    tell(event, state)
    perform(actions, state)
  end

  defp perform([{:rest, ms} | actions], state) do
    Process.send_after(self(), :rested, ms)
    perform(actions, state)
  end

  defp perform([:act | actions], state) do
    %{options: %{on_ring: action, title: title}, machine: machine} = state
    ring = %{doorbell: self(), title: title, rings: machine.rings}
    # Its result is the reason of its end, since whoever is linked hears of that in any case.
    runner = spawn_link(fn -> exit({:shutdown, {:acted, Action.run(action, ring)}}) end)
    perform(actions, %{state | runner: runner})
  end

  defp perform([:arm], state) do
    case if(Target.ended?(state.target), do: {:error, :no_process}, else: arm(state)) do
      {:ok, state} -> {:noreply, state}
      {:error, reason} -> step(not_armed(reason, state), state)
    end
  end

  defp not_armed(reason, state),
    do: if(Target.end_of?(state.target, reason), do: :target_ended, else: {:not_armed, reason})

  defp tell(_event, %{owner: nil}), do: :ok
  defp tell(event, state), do: send(state.owner, {:linx_doorbell, state.tag, event})

  # Parked at first: what was entered by its pid is known only then to be the target.
  defp arm(%{options: options, target: target} = state) do
    tag = make_ref()
    own = [wait: options.title, tag: tag, inherit: false, cgroup: cgroup(options)]

    with {:ok, session} <- Linx.Process.enter(target.enter, own ++ state.ids),
         do: {:ok, %{state | probe: {session, tag}}}
  end

  defp cgroup(%Options{cgroup: nil}), do: if(Host.self().uid == 0, do: :target, else: false)
  defp cgroup(%Options{cgroup: cgroup}), do: cgroup

  # What a message of the probe's session means, if anything.
  defp probe({:linx_process, _tag, :ready, _host_pid}, %{probe: {session, _}} = state) do
    if Target.ended?(state.target) do
      {:target_ended, close_probe(state)}
    else
      # One that has ended meanwhile says how.
      Linx.Process.proceed(session)
      {nil, state}
    end
  end

  defp probe({:linx_process, _tag, :running}, %{probe: {session, _}} = state) do
    case Linx.Process.host_pid(session) do
      {:ok, host_pid} -> {{:waits, host_pid}, state}
      {:error, _} -> {nil, state}
    end
  end

  # It was refused a command, which none here is: nothing to be heard.
  defp probe({:linx_process, _tag, :refused, _errno, _name}, state), do: {nil, state}

  # Its last.
  defp probe(_message, %{probe: {session, _}} = state) do
    outcome = with {:ok, outcome} <- Linx.Process.wait(session), do: outcome
    state = close_probe(state)

    case outcome do
      {:error, reason} when state.machine.status == :arming -> {ended(reason, state), state}
      outcome -> {{:ended, outcome}, state}
    end
  end

  defp ended(reason, state) do
    with {:not_armed, reason} <- not_armed(reason, state), do: {:ended, {:error, reason}}
  end

  defp close_probe(%{probe: nil} = state), do: state

  defp close_probe(%{probe: {session, _tag}} = state) do
    Linx.Process.stop(session, @grace)

    try do
      GenServer.stop(session)
    catch
      :exit, _ -> :ok
    end

    %{state | probe: nil}
  end

  defp kill(runner) do
    monitor = Process.monitor(runner)
    Process.exit(runner, :kill)
    receive do: ({:DOWN, ^monitor, :process, _, _} -> :ok)
  end

  defp now, do: System.monotonic_time(:millisecond)
end
