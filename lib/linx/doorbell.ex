defmodule Linx.Doorbell do
  @moduledoc """
  Lets a contained program ask the host for one thing that was decided beforehand.

      {:ok, bell} =
        Linx.Doorbell.install(container, title: "reload-proxy", on_ring: ["systemctl", "reload", "proxy"])

      # Inside of the container:
      #   pkill -HUP -f reload-proxy

  There is no socket and no file in the container, and nothing that the program could say but that it
  rings. A *probe* is put into it: a process that has entered it and has no program (`:wait` of
  `Linx.Process.Options`), with a title that `pgrep -f` inside finds. It has no capability, no open file, no
  environment, and a seccomp filter with which it may wait and exit; nobody inside can look into it,
  whatever he may do there. Whoever may send it a signal rings: the probe ends by SIGHUP, which is told
  apart from every other end, and the host runs the action.

  `docs/doorbells.md` is the guide, and says when not to use them. On the command line it is `mix linx.doorbell`.

  ## What happens when

  The action runs in a process of its own, one at a time. When it has finished, the next probe is put in
  place, but not before `:debounce` milliseconds after the ring. Until then nobody is there to be rung:
  `pkill` says so by its exit code 1, and no ring is taken and then ignored. A probe that ends in another
  way does not ring; another one takes its place after 100 milliseconds, doubled each time it happens in a row, up to
  10 seconds, so that whoever kills probes cannot keep the host busy.

  When the target ends, the probe ends with it, and the doorbell too. So it does when its owner dies, or
  when it is removed; an action that runs then is killed, with its command.

  ## What the owner is told

  `{:linx_doorbell, bell, event}`, with `bell` the doorbell's pid, or the term of its option `:tag`:

  | event | meaning |
  |---|---|
  | `{:armed, host_pid}` | a probe waits |
  | `:rung` | it was rung, and the action begins |
  | `{:action, {:ok, result}}` | the action has finished: `{:exited, code}` or `{:signaled, number}` of a command, or what the function answered |
  | `{:action, {:error, reason}}` | the command could not be run; the function raised (`{exception, stacktrace}`), threw or exited (`{kind, reason}`), or was killed |
  | `{:lost, outcome}` | the probe ended, as `Linx.Process.wait/2` has it, and nobody rang |
  | `{:not_armed, reason}` | no probe could be put in place: a `Linx.Process.Error`, or how it ended before it waited. It is tried again |
  | `{:gone, reason}` | the last: `:target_ended`, `:rung` with `rearm: false`, or `:removed` |

  ## In a supervision tree

      children = [{Linx.Doorbell, target: 4711, title: "reload-proxy", on_ring: &Proxy.reload/0}]

  It is restarted only if it crashes (`restart: :transient`), not when its target has ended.

  ## Cost

  Two processes and an open file of the BEAM, and the probe: 9 kB of memory (PSS, measured with 300 of
  them) and 40 kB of page tables. Putting one in place costs as much as `Linx.Process.enter/2`.
  """

  use GenServer

  alias Linx.Doorbell.{Action, Machine, Options, Target}
  alias Linx.Process.Error
  alias Linx.Sandbox.Host

  defstruct [:options, :target, :machine, :ids, :owner, :owner_monitor, :probe, :tag, :runner]

  @type doorbell :: GenServer.server()

  @type error :: Options.reason() | {:bad_target, term} | Error.t() | {:not_armed, term} | atom

  @esrch 3
  # Who is root in the container can stop a process that comes in, and who installs it has to hear of that.
  @first_ms 30_000
  # A probe has nothing to tidy up.
  @grace 1000

  @doc """
  Installs a doorbell in a target, a session or a host pid, and answers when its probe waits there.

    * `:title` - string of 1 to 255 bytes, required: what the probe is called inside (`/proc/PID/cmdline`). Its first
      15 bytes are the process's name too (`/proc/PID/comm`). A longer one is refused, never cut
    * `:on_ring` - required: a list of strings, a command of the host and its arguments; or a function of
      no argument, or of one, which is `%{doorbell: pid, title: title, rings: count}`
    * `:rearm` - boolean, whether it can be rung more than once, default `true`
    * `:debounce` - milliseconds after a ring in which there is no other, default 100
    * `:uid`, `:gid` - 0..4294967294, the probe's ids as the target's user namespace has them. Who is neither root
      there (CAP_KILL) nor this user cannot ring. Default those that the target's process has
    * `:cgroup` - `:target` to have the probe in the target's cgroups, `false` to leave it in the agent's, which
      `/proc/PID/cgroup` then shows inside; default `:target` for root, who may do that, else `false`
    * `:owner` - pid, is told what happens, default the caller; the doorbell ends with it
    * `:tag` - any term, marks the messages in place of the doorbell's pid

  Errors are `t:Linx.Doorbell.Options.reason/0`, `{:bad_target, term}`, `:not_ready` or `:no_process` of a
  session, `t:Linx.Process.Error.t/0` where the target cannot be entered or has ended, `{:not_armed, outcome}` where
  somebody inside killed the probe, and `:timeout` where it has not got to wait after 30 seconds: the container is
  frozen, or stops it.
  """
  @spec install(pid | pos_integer, keyword) :: {:ok, pid} | {:error, error}
  def install(target, opts) do
    with {:ok, options} <- Options.validate(opts) do
      options = %{options | owner: options.owner || self()}
      unwrap(GenServer.start(__MODULE__, {target, options}))
    end
  end

  @doc """
  The same for a supervisor: linked to the caller, with the `:target` among the options, and without an owner
  unless one is named. Takes `:name` too.
  """
  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(opts) do
    {own, opts} = Keyword.split(opts, [:target, :name])

    with {:ok, options} <- Options.validate(opts) do
      unwrap(
        GenServer.start_link(__MODULE__, {own[:target], options}, Keyword.take(own, [:name]))
      )
    end
  end

  @doc """
  For a supervisor: `{Linx.Doorbell, opts}`. Takes `:id`, by default with the title, out of the options.
  """
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(opts) do
    {id, opts} = Keyword.pop(opts, :id, {__MODULE__, opts[:title]})
    %{id: id, start: {__MODULE__, :start_link, [opts]}, restart: :transient, type: :worker}
  end

  @doc """
  Takes a doorbell away. When this answers, neither its probe nor its action runs any more.
  """
  @spec remove(doorbell) :: :ok | {:error, :no_doorbell}
  def remove(bell) do
    GenServer.stop(bell, :normal)
  catch
    :exit, _ -> {:error, :no_doorbell}
  end

  @doc """
  What is known of a doorbell: its `:title`, its `:status` (`t:Linx.Doorbell.Machine.status/0`), the
  `:host_pid` of the probe that waits, or `nil`, and how often it was rung, `:rings`.
  """
  @spec info(doorbell) :: {:ok, map} | {:error, :no_doorbell}
  def info(bell) do
    GenServer.call(bell, :info)
  catch
    :exit, _ -> {:error, :no_doorbell}
  end

  defp unwrap({:error, {:shutdown, reason}}), do: {:error, reason}
  defp unwrap(answer), do: answer

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
