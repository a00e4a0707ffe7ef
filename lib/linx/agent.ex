defmodule Linx.Agent do
  @moduledoc """
  An agent that many sessions share: a process that owns one `linx_process` and passes on what it
  says.

  Sessions find their agent by themselves (`Linx.Agent.Pool`); nobody needs to start one. What can be
  asked of an agent, whichever of the pool it is:

      {:ok, %{sessions: 0}} = Linx.Agent.stats()
      {:ok, [:cap_chown | _]} = Linx.Agent.capabilities()

  A session sends its request and its commands straight to the port, so the agent's process handles
  only what comes back: one message per event. It ends what was run by a session whose process was
  killed, by the session's orphan policy.

  When `linx_process` dies each of its sessions hears of it, as
  `{:linx_process, :error, exit_status, :agent_died}`, and the next session starts another. By then
  everything that those sessions ran is dead. Only where this process itself is killed, or gives up a
  program that does not speak the protocol, the sessions hear it (with status 1) before `linx_process`,
  which then ends what they ran by their orphan policies.
  """

  use GenServer, restart: :temporary

  require Logger

  alias Linx.Agent.{Outbox, Pool, Program, Router}
  alias Linx.Protocol

  @call_timeout 10_000
  @hello_timeout 10_000
  # The exit status of an agent that has lost its channel, for the case where none can be seen.
  @channel_lost 1

  @doc """
  Starts an agent.

    * `:slot` - integer, its place in the pool; `nil`, for an agent that no session finds by itself,
      default `nil`
  """
  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(options), do: GenServer.start_link(__MODULE__, Keyword.get(options, :slot))

  @doc """
  The capabilities that libcap knows, in the order of their bits.
  """
  @spec capabilities() :: {:ok, [atom]} | {:error, term}
  def capabilities do
    # Decoding makes no atoms: they have to be there.
    {:module, _} = Code.ensure_loaded(Linx.Capabilities.Constants)

    with {:ok, {:capabilities, names}} <- ask(:capabilities), do: {:ok, names}
  end

  @doc """
  What an agent can do here, as it said in its first frame.
  """
  @spec hello() :: {:ok, map} | {:error, term}
  def hello do
    with {:ok, {:hello, hello}} <- ask(:hello), do: {:ok, hello}
  end

  @doc """
  What an agent counts of itself: sessions, pids, bytes, fds, memory.
  """
  @spec stats() :: {:ok, map} | {:error, term}
  def stats do
    with {:ok, {:stats, stats}} <- ask(:stats), do: {:ok, stats}
  end

  @doc """
  Compiles seccomp rules, in the form in which they go to the agent, to a BPF program.

  Errors: `{errno, detail}`, where the detail names the syscall that is not known, and those of
  starting an agent.
  """
  @spec compile_seccomp(map) :: {:ok, binary} | {:error, {Linx.Errno.name(), binary | nil} | term}
  def compile_seccomp(rules) do
    case ask({:seccomp_compile, rules}) do
      {:ok, {:seccomp_filter, bpf}} -> {:ok, bpf}
      {:ok, {:refused, code, _name, detail}} -> {:error, {errno(code), detail}}
      {:error, reason} -> {:error, reason}
    end
  end

  @doc """
  The sessions of an agent whose workloads have not ended; none where it is gone.
  """
  @spec sessions(pid) :: [pid]
  def sessions(agent) do
    GenServer.call(agent, :sessions, @call_timeout)
  catch
    :exit, _ -> []
  end

  @doc """
  Tells an agent of a session, before the session's first frame is written to its port.
  """
  @spec register(pid, Protocol.id(), Router.ending()) :: :ok
  def register(agent, id, ending), do: GenServer.cast(agent, {:register, id, self(), ending})

  defp ask(question) do
    with {:ok, {agent, _port, id}} <- Pool.checkout() do
      GenServer.call(agent, {:ask, id, question}, @call_timeout)
    end
  catch
    :exit, {:timeout, _} -> {:error, :timeout}
    :exit, _ -> {:error, :agent_died}
  end

  defp errno(code) do
    case Linx.Errno.to_name(code) do
      {:ok, name} -> name
      :error -> code
    end
  end

  defstruct [
    :port,
    :os_pid,
    :outbox,
    router: Router.new(),
    # Who waits for which answer without an id, the first asker first.
    asked: %{},
    hello: nil,
    status: @channel_lost
  ]

  @impl true
  def init(slot) do
    Process.flag(:trap_exit, true)
    # Keeps a backlog of events out of this process's garbage collections.
    Process.flag(:message_queue_data, :off_heap)

    if slot != nil and Pool.taken?(slot), do: :ignore, else: open(slot)
  end

  defp open(slot) do
    case Program.open() do
      {:ok, port} ->
        # Before any session's frame: nobody else knows the port yet.
        hello = Protocol.encode(nil, {:hello, Protocol.version()})
        {_, _, outbox} = Outbox.push(Outbox.new(port), hello, nil)
        if slot != nil, do: Pool.enter(slot, port)
        Process.send_after(self(), :greeting_due, @hello_timeout)
        {:ok, %__MODULE__{port: port, os_pid: Program.os_pid(port), outbox: outbox}}

      {:error, reason} ->
        {:stop, {:shutdown, reason}}
    end
  end

  @impl true
  def handle_cast({:register, id, pid, ending}, state) do
    monitor = :erlang.monitor(:process, pid, tag: {:session_down, id})
    {router, actions} = Router.register(state.router, id, pid, monitor, ending)
    {:noreply, perform(actions, %{state | router: router})}
  end

  @impl true
  def handle_call(:sessions, _from, state), do: {:reply, Router.sessions(state.router), state}

  def handle_call({:ask, id, {:seccomp_compile, _} = question}, from, state) do
    state = %{state | router: Router.ask(state.router, id, from)}
    {:noreply, write(Protocol.encode(id, question), state)}
  end

  def handle_call({:ask, _id, :hello}, _from, %{hello: %{} = hello} = state),
    do: {:reply, {:ok, {:hello, hello}}, state}

  # It comes unasked.
  def handle_call({:ask, _id, :hello}, from, state),
    do: {:noreply, %{state | asked: Map.update(state.asked, :hello, [from], &(&1 ++ [from]))}}

  # Answers without an id come in the order of the questions.
  def handle_call({:ask, _id, question}, from, state) do
    asked = Map.update(state.asked, question, [from], &(&1 ++ [from]))
    {:noreply, write(Protocol.encode(nil, question), %{state | asked: asked})}
  end

  @impl true
  def handle_info({port, {:data, frame}}, %{port: port} = state) do
    case Protocol.decode(frame) do
      {:ok, {nil, answer}} -> answer(answer, state)
      {:ok, {id, event}} -> {:noreply, route(id, event, state)}
      {:error, :malformed_frame} -> give_up("it sent a frame that is none", state)
    end
  end

  def handle_info({{:session_down, id}, _monitor, :process, _pid, _reason}, state) do
    {router, actions} = Router.down(state.router, id)
    {:noreply, perform(actions, %{state | router: router})}
  end

  def handle_info({:grace_over, id}, state) do
    {router, actions} = Router.grace_over(state.router, id)
    {:noreply, perform(actions, %{state | router: router})}
  end

  def handle_info({Outbox, :flush}, state) do
    {_, _, outbox} = Outbox.flush(state.outbox)
    {:noreply, %{state | outbox: outbox}}
  end

  def handle_info({port, {:exit_status, status}}, %{port: port} = state), do: died(status, state)

  # A write met a closed pipe before the exit was seen: the guard is still at work.
  def handle_info({:EXIT, port, _reason}, %{port: port} = state) do
    Pool.leave(self(), port)
    Program.report_exit(port, state.os_pid, @channel_lost)
    {:noreply, state}
  end

  def handle_info(:greeting_due, %{hello: nil} = state), do: give_up("it does not answer", state)
  def handle_info(:greeting_due, state), do: {:noreply, state}

  # The supervisor's shutdown is handled by GenServer; other links are none of ours.
  def handle_info({:EXIT, _pid, _reason}, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    # First, so that who starts a session on hearing this gets another agent.
    Pool.leave(self(), state.port)

    for pid <- Router.sessions(state.router),
        do: send(pid, {__MODULE__, {:error, state.status, :agent_died, nil}})

    for from <- Router.callers(state.router) ++ Enum.concat(Map.values(state.asked)),
        do: GenServer.reply(from, {:error, :agent_died})
  end

  defp answer({:hello, %{protocol: version} = hello} = answer, state) do
    if version == Protocol.version() do
      {callers, asked} = Map.pop(state.asked, :hello, [])
      for from <- callers, do: GenServer.reply(from, {:ok, answer})
      {:noreply, %{state | hello: hello, asked: asked}}
    else
      give_up("it speaks version #{inspect(version)} of the protocol", state)
    end
  end

  defp answer({:refused, code, name, _detail}, state) do
    Logger.error("linx_process refused a frame: #{errno(code)}, #{name}")
    {:noreply, state}
  end

  defp answer({kind, _} = answer, state) do
    case state.asked do
      %{^kind => [from | rest]} ->
        GenServer.reply(from, {:ok, answer})
        {:noreply, %{state | asked: Map.put(state.asked, kind, rest)}}

      _ ->
        give_up("it answers what was not asked", state)
    end
  end

  defp answer(_event, state), do: give_up("it sent an event of no session", state)

  defp route(id, event, state) do
    {router, actions} = Router.event(state.router, id, event)
    perform(actions, %{state | router: router})
  end

  defp perform([], state), do: state

  defp perform([action | rest], state) do
    perform(rest, act(action, state))
  end

  defp act({:deliver, pid, event}, state) do
    send(pid, {__MODULE__, event})
    state
  end

  defp act({:demonitor, monitor}, state) do
    Process.demonitor(monitor, [:flush])
    state
  end

  defp act({:write, id, command}, state), do: write(Protocol.encode(id, command), state)

  defp act({:grace, id, milliseconds}, state) do
    Process.send_after(self(), {:grace_over, id}, milliseconds)
    state
  end

  defp act({:reply, from, event}, state) do
    GenServer.reply(from, {:ok, event})
    state
  end

  # What is lost with a closed port is answered when its exit is seen.
  defp write(frame, state) do
    {_, _, outbox} = Outbox.push(state.outbox, frame, nil)
    %{state | outbox: outbox}
  end

  defp died(status, state) do
    if status != 0, do: Logger.error("linx_process died with status #{status}")
    {:stop, {:shutdown, {:agent_died, status}}, %{state | status: status}}
  end

  # Without its port the program ends, and its sessions by their orphan policies.
  defp give_up(why, state) do
    Logger.error("linx_process is given up: #{why}")
    {:stop, {:shutdown, {:agent_died, @channel_lost}}, state}
  end
end
