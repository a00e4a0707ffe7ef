defmodule Linx.Process.Machine do
  @moduledoc """
  What a session does about each thing that happens to it.

  `handle/2` takes the session as it is and an input, and answers the session as it is then and what
  is to be done, in order. It does nothing itself: the process around it does.

      iex> alias Linx.Process.Machine
      iex> session = Machine.new(mode: :spawn, linger: true)
      iex> {session, actions} = Machine.handle(session, {:event, {:status, :spawned, 41}})
      iex> {session.stage, actions}
      {:spawned, []}
      iex> {session, actions} = Machine.handle(session, {:event, {:status, :ready, 41}})
      iex> {session.stage, actions}
      {:ready, [{:tell, {:ready, 41}}]}
      iex> {_session, actions} = Machine.handle(session, {:call, :caller, :proceed})
      iex> actions
      [{:write, :proceed, :caller}]
  """

  alias Linx.Seccomp.Call
  alias Linx.Process.{Ending, Flow, Info, Outcome, Questions, Streams}

  @typedoc "Who a call is to be answered to; opaque here."
  @type from :: term

  @type input ::
          {:event, Linx.Protocol.event()}
          | {:call, from, request :: term}
          | {:forget, reference}
          | {:gone, reference}
          | {:overdue, reference}
          | :grace_over
          | :time_over
          | :owner_down
          | {:agent_down, code :: integer}
          | :shutdown

  @typedoc """
    * `{:write, command, from}` - send it to the agent; once it is on its way answer `:ok` to `from`,
      unless that is `nil`
    * `{:reply, from, answer}`
    * `{:tell, message}` - to the owner, completed with what every message starts with
    * `{:grace, milliseconds}` - have `:grace_over` come in then; a time that is running already and
      ends earlier stays
    * `{:watch, ref, from, timeout}` - have `{:gone, ref}` come in when the caller dies, and
      `{:overdue, ref}` after so many milliseconds, until `{:unwatch, ref}`
    * `:ended` - nothing more is to be heard from the agent
    * `{:stop, reason}` - the process ends
  """
  @type action ::
          {:write, term, from | nil}
          | {:reply, from, term}
          | {:tell, tuple}
          | {:grace, non_neg_integer}
          | {:watch, reference, from, timeout}
          | {:unwatch, reference}
          | :ended
          | {:stop, term}

  @type t :: %__MODULE__{
          mode: :spawn | :enter,
          stage: Info.stage(),
          started_at: integer | nil,
          host_pid: pos_integer | nil,
          child_pid: pos_integer | nil,
          pty?: boolean,
          result: Info.result() | nil,
          usage: map | nil,
          paused?: boolean,
          linger: boolean,
          orphan_policy: Linx.Process.Options.orphan_policy(),
          kill: 1..64,
          timed_out?: boolean,
          proceeded?: boolean,
          ending: nil | :grace | :aborting,
          leaving?: boolean,
          signals: [1..64],
          winsize: tuple | nil,
          waiters: [{reference, from}],
          asked: [{Questions.question(), from}],
          streams: Streams.t() | nil,
          told?: boolean
        }

  @enforce_keys [:mode, :linger]
  defstruct [
    :mode,
    :linger,
    :started_at,
    :host_pid,
    :child_pid,
    :result,
    :usage,
    :ending,
    :winsize,
    :streams,
    stage: :starting,
    pty?: false,
    paused?: false,
    orphan_policy: {:kill, 5000},
    # The first signal to a workload that is to end.
    kill: 15,
    timed_out?: false,
    # Past the point up to which an abort cannot come too late.
    proceeded?: false,
    # Nobody is left to linger for.
    leaving?: false,
    # The owner knows of the end.
    told?: false,
    signals: [],
    waiters: [],
    # What the agent has not answered yet, the first question first.
    asked: []
  ]

  @streams [:stdout, :stderr, :pty_out, :stdin, :stdin_ack]
  @stream_verbs [:write, :recv, :set_active, :pty_write]

  @doc "A session whose request is on its way to the agent."
  @spec new(keyword) :: t
  def new(fields), do: struct!(__MODULE__, fields)

  @info Map.keys(%Info{mode: :spawn, stage: :starting}) -- [:__struct__]

  @doc "The session for `Linx.Process.info/1`."
  @spec info(t) :: Info.t()
  def info(%__MODULE__{} = m) do
    struct!(Info, Map.take(m, @info))
  end

  @doc "Whether the workload's end has been reported."
  @spec ended?(t) :: boolean
  def ended?(%__MODULE__{result: result}), do: result != nil

  @doc """
  The session after an input, and what is to be done about it.
  """
  @spec handle(t, input) :: {t, [action]}
  def handle(%__MODULE__{} = m, {:event, event}), do: event(m, event)
  def handle(%__MODULE__{} = m, {:call, from, request}), do: call(m, from, request)

  def handle(%__MODULE__{} = m, {:forget, ref}),
    do: {%{m | waiters: List.keydelete(m.waiters, ref, 0)}, []}

  def handle(%__MODULE__{} = m, {:gone, ref}), do: Flow.gone(m, ref)
  def handle(%__MODULE__{} = m, {:overdue, ref}), do: Flow.overdue(m, ref)

  def handle(%__MODULE__{result: nil} = m, {:agent_down, code}),
    do: event(m, {:error, code, :agent_died, nil})

  def handle(%__MODULE__{} = m, {:agent_down, _code}), do: {m, []}

  # The inputs that end a session.
  def handle(%__MODULE__{} = m, input), do: Ending.begin(m, input)

  # Whatever comes after the terminal event is late and says nothing.
  defp event(%{result: result} = m, _event) when result != nil, do: {m, []}

  defp event(m, {name, _} = event) when name in @streams, do: Flow.event(m, event)

  defp event(m, {:status, :spawned, pid}), do: Flow.open(%{m | stage: :spawned, host_pid: pid})

  defp event(m, {:status, :ready, pid}) do
    {m, late} = flush_winsize(%{m | stage: :ready, child_pid: pid})
    {m, [{:tell, {:ready, m.host_pid}} | late]}
  end

  defp event(m, {:status, :running}) do
    {m, winsize} = flush_winsize(m)
    signals = for number <- Enum.reverse(m.signals), do: {:write, {:signal, number}, nil}
    m = %{m | stage: :running, proceeded?: true, signals: []}
    {m, [{:tell, {:running}} | winsize ++ signals]}
  end

  defp event(m, {:status, :forked}), do: {m, [{:tell, {:forked}}]}

  defp event(m, {:refused, code, name, _detail}) do
    with :error <- Questions.refused(m, code, name), :error <- Flow.refused(m, code, name) do
      {m, [{:tell, {:refused, code, name}}]}
    else
      {:ok, done} -> done
    end
  end

  defp event(m, {:syscall, wire}), do: {m, [{:tell, {:syscall, Call.from_wire(wire)}}]}
  defp event(m, {:usage, usage}), do: {%{m | usage: usage}, []}
  defp event(m, {:stats, _} = answer), do: Questions.answered(m, answer)

  defp event(m, {:status, s} = answer) when s in [:paused, :resumed],
    do: Questions.answered(m, answer)

  defp event(m, terminal) do
    result = Outcome.of(terminal)
    m = %{m | result: result, stage: Outcome.stage(result), signals: [], winsize: nil}

    replies =
      for {_ref, from} <- Enum.reverse(m.waiters), do: {:reply, from, Outcome.answer(result)}

    {m, unanswered} = Questions.over(%{m | waiters: []})
    {m, cut} = Flow.over(m)
    {m, told, stop} = Flow.conclude(m)
    {m, replies ++ unanswered ++ cut ++ told ++ [:ended | stop]}
  end

  defp call(m, from, :close_stdin), do: Flow.call(m, from, :close_stdin)

  defp call(m, from, request) when elem(request, 0) in @stream_verbs,
    do: Flow.call(m, from, request)

  defp call(m, from, :info), do: {m, [{:reply, from, {:ok, info(m)}}]}
  defp call(%{host_pid: nil} = m, from, :host_pid), do: {m, [{:reply, from, not_ready()}]}
  defp call(m, from, :host_pid), do: {m, [{:reply, from, {:ok, m.host_pid}}]}

  defp call(%{pty?: false} = m, from, {:pty_winsize, _}),
    do: {m, [{:reply, from, {:error, :no_pty}}]}

  defp call(%{pty?: false} = m, from, :pty_master), do: {m, [{:reply, from, {:error, :no_pty}}]}
  defp call(m, from, :pty_master), do: {m, [{:reply, from, :ok}]}

  defp call(%{result: nil} = m, from, {:wait, ref}),
    do: {%{m | waiters: [{ref, from} | m.waiters]}, []}

  defp call(%{result: nil} = m, from, {:stop, grace, ref}),
    do: Ending.begin(%{m | waiters: [{ref, from} | m.waiters]}, {:stop, grace})

  defp call(m, from, {:wait, _ref}), do: {m, [{:reply, from, Outcome.answer(m.result)}]}
  defp call(m, from, {:stop, _, _ref}), do: {m, [{:reply, from, Outcome.answer(m.result)}]}

  # No verb below does anything to a workload that has ended.
  defp call(%{result: result} = m, from, _request) when result != nil,
    do: {m, [{:reply, from, {:error, :no_process}}]}

  defp call(m, from, question) when question in [:stats, :pause, :resume],
    do: Questions.ask(m, from, question)

  defp call(%{stage: :ready, proceeded?: false} = m, from, :proceed),
    do: {%{m | proceeded?: true}, [{:write, :proceed, from}]}

  defp call(m, from, :proceed), do: {m, [{:reply, from, not_ready()}]}

  defp call(%{stage: :running} = m, from, :abort), do: {m, [{:reply, from, {:error, :running}}]}
  defp call(m, from, :abort), do: Ending.begin(m, {:abort, from})

  defp call(%{stage: :running} = m, from, {:signal, number}),
    do: {m, [{:write, {:signal, number}, from}]}

  defp call(m, from, {:signal, number}),
    do: {%{m | signals: [number | m.signals]}, [{:reply, from, :ok}]}

  defp call(%{stage: stage} = m, from, {:pty_winsize, _} = command)
       when stage in [:ready, :running],
       do: {m, [{:write, command, from}]}

  defp call(m, from, {:pty_winsize, _} = command),
    do: {%{m | winsize: command}, [{:reply, from, :ok}]}

  defp call(%{stage: :running} = m, from, {:command, {:syscall_answer, _, _} = command}),
    do: {m, [{:write, command, from}]}

  defp call(%{proceeded?: true} = m, from, {:command, _}),
    do: {m, [{:reply, from, {:error, :running}}]}

  defp call(%{stage: :ready} = m, from, {:command, command}),
    do: {m, [{:write, command, from}]}

  defp call(m, from, {:command, _}), do: {m, [{:reply, from, not_ready()}]}

  defp not_ready, do: {:error, :not_ready}

  defp flush_winsize(%{winsize: nil} = m), do: {m, []}
  defp flush_winsize(m), do: {%{m | winsize: nil}, [{:write, m.winsize, nil}]}
end
