defmodule Linx.Prefork.Server do
  @moduledoc """
  The process of a warm script: does what `Linx.Prefork.Machine` decides.

  It owns the script's sessions, so that they end with it. Runs are their callers' own; it only lets
  them go, one slot each, and takes the slot back when they are done or dead.
  """

  use GenServer

  alias Linx.Command
  alias Linx.Prefork.{Error, Machine, Script}

  # What is kept of the script's output, for the error of its start.
  @kept 8192

  defstruct [:machine, :command, :ident, :start_timeout, scripts: %{}, callers: %{}, awaiting: []]

  @typedoc "What is needed to run with a generation."
  @type place ::
          {Machine.generation(), session :: pid, listener :: String.t(), ident :: String.t()}

  @impl true
  def init({%Command{} = command, options}) do
    Process.flag(:trap_exit, true)
    {limits, own} = Keyword.split(options, [:max_servers, :idle_timeout])
    state = struct!(%__MODULE__{machine: Machine.new(limits), command: command}, own)
    {:ok, state, {:continue, :start}}
  end

  @impl true
  def handle_continue(:start, state), do: {:noreply, step(state, :start)}

  @impl true
  def handle_call({:checkout, failed}, {pid, _tag} = from, state) do
    slot = Process.monitor(pid)
    state = %{state | callers: Map.put(state.callers, slot, from)}
    {:noreply, step(state, {:checkout, slot, failed})}
  end

  def handle_call(:await, from, %{machine: m} = state) do
    case m.phase do
      :starting -> {:noreply, %{state | awaiting: [from | state.awaiting]}}
      :backoff when m.last_error != nil -> {:reply, {:error, m.last_error}, state}
      _was_or_will_be -> {:reply, :ok, state}
    end
  end

  def handle_call(:stats, _from, %{machine: m} = state) do
    stats = %{
      ident: state.ident,
      state: m.phase,
      starts: m.generation,
      runs: m.runs,
      running: MapSet.size(m.running),
      waiting: length(m.waiting),
      last_error: m.last_error
    }

    {:reply, stats, state}
  end

  @impl true
  def handle_cast({:checkin, slot}, state) do
    Process.demonitor(slot, [:flush])
    {:noreply, leave(state, slot)}
  end

  @impl true
  def handle_info({:DOWN, slot, :process, _pid, _reason}, state),
    do: {:noreply, leave(state, slot)}

  def handle_info({:later, input}, state), do: {:noreply, step(state, input)}
  def handle_info({:start_timeout, generation}, state), do: {:noreply, late(state, generation)}

  def handle_info(message, state)
      when elem(message, 0) == :linx_process and elem(elem(message, 1), 0) == :prefork do
    {:prefork, generation, which} = elem(message, 1)
    event = message |> Tuple.delete_at(0) |> Tuple.delete_at(0)

    case state.scripts do
      %{^generation => script} -> {:noreply, heard(state, generation, script, {which, event})}
      _ -> {:noreply, state}
    end
  end

  def handle_info(_message, state), do: {:noreply, state}

  # Nothing is left when this has ended.
  @impl true
  def terminate(_reason, state) do
    for {_generation, %{sessions: %Script{} = script}} <- state.scripts do
      Linx.Process.stop(script.call, 0)
      Linx.Process.stop(script.session, 0)
    end
  end

  defp leave(state, slot) do
    state = %{state | callers: Map.delete(state.callers, slot)}
    step(state, {:checkin, slot})
  end

  defp step(state, input) do
    {machine, actions} = Machine.handle(state.machine, input)
    Enum.reduce(actions, %{state | machine: machine}, &perform/2)
  end

  defp perform({:start, generation}, state) do
    case Script.start(state.command, generation) do
      {:ok, sessions} ->
        Process.send_after(self(), {:start_timeout, generation}, state.start_timeout)
        script = %{sessions: sessions, warm?: false, killed: nil, output: ""}
        put_in(state.scripts[generation], script)

      {:error, reason} ->
        fail(state, generation, reason, "")
    end
  end

  defp perform({:retire, generation}, state) do
    with %{^generation => script} <- state.scripts,
         do: Script.retire(script.sessions, generation)

    state
  end

  defp perform({:let_go, slot, generation}, state) do
    %{session: session, listener: listener} = state.scripts[generation].sessions
    answer(state, slot, {:ok, slot, {generation, session, listener, state.ident}})
  end

  defp perform({:refuse, slot, error}, state) do
    Process.demonitor(slot, [:flush])
    state = answer(state, slot, {:error, error})
    %{state | callers: Map.delete(state.callers, slot)}
  end

  defp perform({:later, time, input}, state) do
    Process.send_after(self(), {:later, input}, time)
    state
  end

  defp answer(state, slot, answer) do
    GenServer.reply(Map.fetch!(state.callers, slot), answer)
    state
  end

  # The script has greeted, and nothing is to be run in that call.
  defp heard(state, generation, script, {:call, {:ready, _pid}}) do
    Linx.Process.abort(script.sessions.call)
    state = put_in(state.scripts[generation].warm?, true)
    state |> awaited(:ok) |> step({:up, generation})
  end

  # How the script ends tells more.
  defp heard(state, generation, %{warm?: false}, {:call, {:error, _code, _stage}}),
    do: kill(state, generation, :no_greeting)

  defp heard(state, generation, %{warm?: false} = script, {:script, {:stdout, bytes}})
       when is_binary(bytes) do
    output = script.output <> bytes
    drop = max(byte_size(output) - @kept, 0)
    kept = :binary.copy(binary_part(output, drop, byte_size(output) - drop))
    put_in(state.scripts[generation].output, kept)
  end

  defp heard(state, generation, script, {:script, {:exited, code}}),
    do: ended(state, generation, script, {:exited, code})

  defp heard(state, generation, script, {:script, {:signaled, number}}),
    do: ended(state, generation, script, {:signaled, number})

  defp heard(state, generation, script, {:script, {:error, code, stage}}) do
    error =
      case Linx.Process.wait(script.sessions.session, 0) do
        {:error, %{__exception__: true} = error} -> error
        _not_told -> Linx.Process.Error.new(code, stage)
      end

    ended(state, generation, script, error)
  end

  defp heard(state, _generation, script, {:call, {:aborted}}) do
    done(script.sessions.call)
    state
  end

  defp heard(state, _generation, _script, _event), do: state

  # Its process is of no more use to anybody.
  defp done(session), do: Process.exit(session, :shutdown)

  defp ended(state, generation, %{warm?: true} = script, outcome) do
    done(script.sessions.session)
    state = %{state | scripts: Map.delete(state.scripts, generation)}
    step(state, {:ended, generation, if(outcome == {:exited, 0}, do: :normal, else: :abnormal)})
  end

  defp ended(state, generation, script, outcome) do
    done(script.sessions.call)
    done(script.sessions.session)
    reason = if outcome == {:signaled, 9}, do: script.killed || outcome, else: outcome
    state = %{state | scripts: Map.delete(state.scripts, generation)}
    fail(state, generation, reason, script.output)
  end

  defp fail(state, generation, reason, output) do
    error = %Error{reason: reason, ident: state.ident, output: output}
    state |> awaited({:error, error}) |> step({:start_failed, generation, error})
  end

  defp late(state, generation) do
    case state.scripts do
      %{^generation => %{warm?: false}} -> kill(state, generation, :start_timeout)
      _ -> state
    end
  end

  defp kill(state, generation, why) do
    script = state.scripts[generation]
    Linx.Process.signal(script.sessions.session, :sigkill)
    put_in(state.scripts[generation], %{script | killed: script.killed || why})
  end

  defp awaited(state, answer) do
    for from <- state.awaiting, do: GenServer.reply(from, answer)
    %{state | awaiting: []}
  end
end
