defmodule Linx.Process do
  @moduledoc """
  Runs a program as a session: a process of its own here, a Linux process there.

      iex> {:ok, session} = Linx.Process.spawn(argv: ["/bin/sh", "-c", "exit 3"])
      iex> receive do
      ...>   {:linx_process, :ready, _host_pid} -> Linx.Process.proceed(session)
      ...> end
      :ok
      iex> Linx.Process.wait(session)
      {:ok, {:exited, 3}}

  ## The life of a session

  The Linux process is created and *parked* before it runs anything: the checkpoint. There its
  `host_pid` is known, and what has to be done from outside can be done: id maps (`Linx.User`),
  capabilities (`Linx.Capabilities`), a seccomp filter (`Linx.Seccomp`), network devices. `proceed/1`
  lets it go on to exec its program. With `auto_proceed: true` it does not wait.

  The stages are `:starting`, `:spawned`, `:ready` (parked), `:running` (exec has happened), and one
  of `:exited`, `:signaled`, `:aborted`, `:errored`. The owner gets a message for each step:

  | message | meaning |
  |---|---|
  | `{:linx_process, :ready, host_pid}` | it is parked at the checkpoint |
  | `{:linx_process, :running}` | exec succeeded, or it waits (`:wait`) |
  | `{:linx_process, :forked}` | its first process has exited with 0, what it left is the session from here on (`forking: true`) |
  | `{:linx_process, :pty_out, binary}` | output of its PTY |
  | `{:linx_process, :stdout, binary}`, `:stderr` the same | output of a pipe |
  | `{:linx_process, :stdout, :eof}`, `:stderr` the same | the end of that pipe, once |
  | `{:linx_process, :passive}` | it has had the number of pieces of output that it asked for |
  | `{:linx_process, :syscall, call}` | a system call waits to be decided, see `Linx.Seccomp.Call` |
  | `{:linx_process, :refused, errno, name}` | a command was not carried out, nothing else changed |
  | `{:linx_process, :exited, code}` | it ended by itself |
  | `{:linx_process, :signaled, number}` | a signal ended it |
  | `{:linx_process, :aborted}` | it was aborted before exec |
  | `{:linx_process, :error, errno, stage}` | a step failed, and the session with it |
  | `{:linx_process, :error, status, :agent_died}` | its agent died, and everything with it |

  Exactly one of the last five comes, and nothing after it. With the option `tag: term` each message
  is `{:linx_process, tag, ...}`. Where a capability or seccomp command was refused, `proceed/1` ends
  the session with that error: a workload less confined than was asked does not run.

  ## Streams

      iex> {:ok, session} =
      ...>   Linx.Process.spawn(argv: ["/usr/bin/sort"], stdio: :pipe, active: false, auto_proceed: true)
      iex> :ok = Linx.Process.write(session, "b\\na\\n")
      iex> :ok = Linx.Process.close_stdin(session)
      iex> Linx.Process.recv(session, :stdout, 5000)
      {:ok, "a\\nb\\n"}
      iex> Linx.Process.recv(session, :stdout, 5000)
      {:error, :closed}

  A pipe (`stdio: :pipe`, or for one fd) and a PTY carry bytes, in the pieces in which they come: a piece
  has no meaning of its own, it may end within a line. The order is kept within a stream, not between
  two; `stderr: :stdout` makes one stream of both.

  *Each stream has a window* of `:window` bytes. Nothing more than that is on its way and not taken, so
  that neither side can fill the other's memory: a workload that writes on waits, as it would for any
  reader of a pipe, and so does who calls `write/2` or `pty_write/2`. Output is taken when `recv/3`
  answers it or when the owner is sent it. An owner that is sent everything (`active: true`, the
  default) may be sent more than it can handle; with `active: :once` or a number it says how much.

  *Nothing is lost.* What the workload has written arrives before its end is told, also what waits in
  a pipe then. Where another process holds the pipe open, what it writes is read for at most `:drain`
  milliseconds more. The owner of a session that is active, or is so once or for a number of pieces,
  hears of its end after the last piece of output, so to hear the rest it goes on calling `set_active/2`.
  The owner of a passive one (`active: false`) hears at once, and `recv/3` goes on answering what is
  left; without `linger` the session stays until that has been read. `wait/2` and `stop/2` never wait
  for a reader.

  A session under a supervisor and without an `:owner` drops the output that it would send.

  ## What ends with what

  When the workload ends, everything that it started and left behind is killed before its end is
  told. When its owner dies, when the process that started the session crashes, or when the session
  is stopped, by its supervisor or by `GenServer.stop/1`, the workload is ended first: SIGTERM, the
  grace of its `:orphan_policy`, SIGKILL to all of it. At a stop a grace of up to 5 seconds is cut to
  4.5, so that it fits into a supervisor's default `:shutdown`; a longer one needs a longer
  `:shutdown`. A parked workload is aborted. A session that is killed (`Process.exit(pid, :kill)`)
  leaves this to its agent, and when the BEAM itself is killed the agent does it too.

  A session that has had its `:timeout` is ended in the same way. How the workload ended is told as it
  happened, `{:signaled, 15}` mostly; that the time was over is in `info/1`, as `timed_out?`.

  In place of SIGTERM the workload gets another signal with the option `:kill`. Only where the BEAM is
  killed, or a session that has a dedicated agent, it is SIGTERM all the same.

  With `orphan_policy: :linger` a workload that runs is left alone when its owner dies or its session's
  process ends: only its own end, a signal, `stop/2` and its `:timeout` end it. Its session ends
  without a last message to the owner. Nobody reads its pipes from then on: it waits once a window of
  them is full.

  ## In a supervision tree

      children = [{Linx.Process, argv: ["/usr/sbin/daemon"], auto_proceed: true}]

  Under a supervisor sessions do not linger: they stop when the workload ends, with a reason that
  says how: `:normal` for exit code 0, `{:exited, code}`, `{:signaled, number}`,
  `{:shutdown, :aborted}`, `{:error, %Linx.Process.Error{}}`.

  A supervisor that starts a session without an `:owner` owns it, but is told nothing: it would only
  log it. A restart is made with the same options, so an `:owner` among them has to live as long.

  No function here exits its caller: a session that is gone answers `{:error, :no_process}`.
  """

  import Kernel, except: [spawn: 1]

  alias Linx.Process.{Chunks, Error, Info, Isolation, Launch, Live, Options, Stats, Streams}

  @typedoc "What `spawn/1` and `enter/2` answered."
  @type session :: GenServer.server()

  @type outcome ::
          {:ok, {:exited, non_neg_integer} | {:signaled, pos_integer} | :aborted}
          | {:error, Error.t() | :no_process}

  @type recv_error :: :closed | :timeout | :active | :no_pipe | :no_pty | :no_process

  @type winsize ::
          {rows :: 0..65_535, cols :: 0..65_535, xpix :: 0..65_535, ypix :: 0..65_535}
          | %{
              :rows => 0..65_535,
              :cols => 0..65_535,
              optional(:xpix) => 0..65_535,
              optional(:ypix) => 0..65_535
            }

  @max_pid 0x7FFFFFFF

  @doc """
  Starts a program in a new process, and in new namespaces if asked.

  `:argv` is required, a list of binaries with the absolute path of the program first, or `:wait` in its place; what else there is
  to ask for, such as `:namespaces`, `:stdio`, `:timeout` and `:sandbox`, is in `Linx.Process.Options`.

  Errors are `t:Linx.Process.Options.Reason.t/0` for a bad option, `{:missing_binary, path}` where the
  agent was not built, `{:not_started, :linx}` where the application is not,
  `t:Linx.Process.Error.t/0` where the agent could not be started, and, where `:agent` is a session,
  `:no_process` if that is gone and `:not_shared` if its agent is a dedicated one. What fails later is told to the
  owner.
  """
  @spec spawn(keyword) :: {:ok, pid} | {:error, Options.Reason.t() | Error.t() | term}
  def spawn(opts) do
    with {:ok, options} <- Options.validate(:spawn, opts), do: Launch.start(options, nil)
  end

  @doc """
  Starts a program inside the namespaces of another process: a host pid, or a session.

  Options and errors are those of `spawn/1`, but `:namespaces` are those of the target to join, by
  default every one that is not the BEAM's own anyway. A session as the target gives
  `{:error, :not_ready}` where its workload does not exist yet, `{:error, :no_process}` where it has
  ended. It is entered by its own agent, which knows it by more than its pid, unless one of the two
  has a dedicated agent.

  What confines a session confines who enters it, too: its user, groups, capabilities, securebits,
  seccomp filters, `no_new_privs`, landlock, rlimits, nice, CPUs, umask and cgroups, whether its options
  and sandbox said so or commands at its checkpoint, and the environment that its sandbox has. An option
  that is given counts more, also one of a sandbox; of rlimits and sets of capabilities those of the same
  name, while seccomp filters and rules of landlock add up. With `inherit: false` it is only in the same namespaces. So that all of it holds, a session should be
  entered once it runs: what is ordered at its checkpoint afterwards is not passed on.
  """
  @spec enter(pos_integer | session, keyword) ::
          {:ok, pid} | {:error, Options.Reason.t() | Error.t() | term}
  def enter(target, opts) when is_integer(target) and target > 0 and target <= @max_pid do
    with {:ok, options} <- Options.validate(:enter, opts), do: Launch.start(options, target)
  end

  def enter(target, opts) when is_pid(target) do
    with {:ok, options} <- Options.validate(:enter, opts),
         {:ok, host_pid, place, confinement} <- call(target, :target) do
      enter(host_pid, place, Options.inherit(options, confinement))
    end
  end

  defp enter(_host_pid, {agent, port, target_id}, %Options{agent: :shared} = options) do
    with {:ok, id} <- Linx.Agent.Pool.new_id(),
         {:error, :closed} <- Launch.start(options, {{agent, port, id}, target_id}) do
      # The target's agent has died, and the target with it.
      {:error, :no_process}
    end
  end

  defp enter(host_pid, _place, options), do: Launch.start(options, host_pid)

  @doc """
  For a supervisor: `{Linx.Process, opts}`.

  Takes `:id` (default `Linx.Process`), `:restart` (`:permanent`) and `:shutdown` (5000) out of the
  options; the others are those of `spawn/1`, with `linger: false` unless told otherwise.
  """
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(opts) do
    {id, opts} = Keyword.pop(opts, :id, __MODULE__)
    {restart, opts} = Keyword.pop(opts, :restart, :permanent)
    {shutdown, opts} = Keyword.pop(opts, :shutdown, 5000)

    %{
      id: id,
      start: {__MODULE__, :spawn, [Keyword.put_new(opts, :linger, false)]},
      restart: restart,
      shutdown: shutdown,
      type: :worker
    }
  end

  @doc """
  Lets a parked workload go on to exec.

  `{:error, :not_ready}` where it is not parked: not yet, or not any more.
  """
  @spec proceed(session) :: :ok | {:error, :not_ready | :no_process}
  def proceed(session), do: call(session, :proceed)

  @doc """
  Ends a workload before it runs anything; the session then ends with `:aborted`.

  Works at once in every stage before `:running`. One that gets to exec at the same moment is killed
  all the same, and ends with `{:signaled, 9}`.
  """
  @spec abort(session) :: :ok | {:error, :running | :no_process}
  def abort(session), do: call(session, :abort)

  @doc """
  Sends the workload a signal, by number (1 to 64) or name (`Linx.Signal`). Before `:running` it is
  kept until then.
  """
  @spec signal(session, Linx.Signal.t()) :: :ok | {:error, {:bad_signal, term} | :no_process}
  def signal(session, signal) do
    case Linx.Signal.to_number(signal) do
      {:ok, number} -> call(session, {:signal, number})
      :error -> {:error, {:bad_signal, signal}}
    end
  end

  @doc """
  Ends the workload: SIGTERM (or its `:kill`), up to `grace` milliseconds for it to end, then SIGKILL to all of it.

  Answers how it ended, as `wait/2` does. A workload that is parked is aborted.
  """
  @spec stop(session, grace :: non_neg_integer) :: outcome
  def stop(session, grace \\ 5000) when is_integer(grace) and grace >= 0,
    do: call(session, {:stop, grace, make_ref()})

  @doc """
  Waits for the end of the workload, at most `timeout` milliseconds.
  """
  @spec wait(session, timeout) :: outcome | {:error, :timeout}
  def wait(session, timeout \\ :infinity) do
    ref = make_ref()

    with {:error, :timeout} <- call(session, {:wait, ref}, timeout) do
      GenServer.cast(session, {:forget, ref})
      {:error, :timeout}
    end
  end

  @doc """
  The workload's pid in the pid namespace of the BEAM.

  It stays what it was when the workload has ended; the number may then be another process's.
  """
  @spec host_pid(session) :: {:ok, pos_integer} | {:error, :not_ready | :no_process}
  def host_pid(session), do: call(session, :host_pid)

  @doc """
  The sessions of this node whose workloads have not ended, in no order.

  Starting and ending a session costs nothing for it; asking takes a message to each agent. One that
  has a dedicated agent is listed until that has ended, too.
  """
  @spec list() :: [pid]
  defdelegate list, to: Live

  @doc "What is known of a session."
  @spec info(session) :: {:ok, Info.t()} | {:error, :no_process}
  def info(session), do: call(session, :info)

  @doc """
  How the workload is confined, read back from the kernel: see `Linx.Process.Isolation`.

  `{:error, :not_ready}` while there is no process yet, `{:error, :no_process}` once it has ended. At
  the checkpoint it tells what holds there: much of a confinement follows after `proceed/1`.
  `Linx.Sandbox.verify/1` compares it with what was asked for.
  """
  @spec isolation(session) :: {:ok, Isolation.t()} | {:error, :not_ready | :no_process}
  def isolation(session) do
    with {:ok, pid} <- host_pid(session),
         {:ok, confinement} <- confinement(session) do
      # The agent's answer comes after all that it had told before.
      Isolation.read(pid, confinement, fn -> match?({:ok, _}, stats(session)) end)
    end
  end

  @doc """
  What of the session's request confines the workload, as it is on the wire (docs/protocol.md).
  """
  @spec confinement(session) :: {:ok, map} | {:error, :no_process}
  def confinement(session), do: call(session, :confinement)

  @doc """
  What the session uses at the moment: CPU, memory, processes, file descriptors, bytes.

  `{:error, :not_ready}` while there is no process yet.
  """
  @spec stats(session) ::
          {:ok, Stats.t()} | {:error, :not_ready | :no_process | Linx.Errno.name()}
  def stats(session), do: call(session, :stats)

  @doc """
  Holds a running workload and everything it has started, until `resume/1`. Answers when all of it
  is still.

  With a cgroup of its own (`:cgroup`) the session is frozen as a whole. Elsewhere every process of
  it gets SIGSTOP; whoever is waiting for one of them can see that, and may start it again. A tree
  that forks faster than it can be stopped is let go on, with `{:error, :etimedout}`.

  Signals wait until it goes on, but SIGKILL works at once and SIGTERM lets it go on first. A paused
  session can be stopped, and ends with its owner and its `:timeout`, as any other.
  """
  @spec pause(session) :: :ok | {:error, :not_running | :no_process | Linx.Errno.name()}
  def pause(session), do: call(session, :pause)

  @doc "Lets a paused workload go on."
  @spec resume(session) :: :ok | {:error, :not_running | :no_process | Linx.Errno.name()}
  def resume(session), do: call(session, :resume)

  @doc """
  Writes to the workload's stdin, which is a pipe.

  Answers when the agent has taken all of it: as long as the workload does not read, at most one
  window is taken, and who writes more waits. Each write arrives whole, in the order of the calls. What
  a writer who dies has begun is written to its end.

  `{:error, :closed}` once the workload has closed its end or has ended, or after `close_stdin/1`;
  `{:error, :no_pipe}` where its stdin is no pipe.
  """
  @spec write(session, iodata) :: :ok | {:error, :closed | :no_pipe | :no_process}
  def write(session, data),
    do: call(session, {:write, make_ref(), IO.iodata_to_binary(data)})

  @doc """
  Closes the workload's stdin: it reads the end of input, after what was written before.

  Answers at once, also where stdin is closed already. Its output goes on.
  """
  @spec close_stdin(session) :: :ok | {:error, :no_pipe | :no_process}
  def close_stdin(session), do: call(session, :close_stdin)

  @doc """
  Sets how the owner gets output, as `:inet` does.

    * `true` - each piece as a message, as soon as it comes
    * `false` - none: output is fetched with `recv/3`
    * `:once` - one piece, and then none
    * a number, -32768..32767 - is added to the pieces that the owner still takes; at 0 the owner
      gets `{:linx_process, :passive}`

  It holds for all streams together. The end of a stream is no piece.

  `{:error, {:bad_active, mode}}` for anything else, and where the sum is more than 32767.
  """
  @spec set_active(session, boolean | :once | integer) ::
          :ok | {:error, {:bad_active, term} | :no_pipe | :no_process}
  def set_active(session, mode) do
    if Streams.mode?(mode),
      do: call(session, {:set_active, mode}),
      else: {:error, {:bad_active, mode}}
  end

  @doc """
  Waits for output that the owner does not get: the next bytes of `:stdout`, `:stderr` or `:pty_out`, at
  most `timeout` milliseconds; with `:all` those of whichever stream has some, and its name with them.

  Anyone may ask. Bytes go to one who asks, and to nobody who has stopped waiting, be it by the
  timeout or by dying.

  `{:error, :closed}` after the last byte, `{:error, :active}` while output goes to the owner,
  `{:error, :no_pipe}` and `{:error, :no_pty}` where there is no such stream.
  """
  @spec recv(session, Streams.name(), timeout) :: {:ok, binary} | {:error, recv_error}
  @spec recv(session, :all, timeout) :: {:ok, {Streams.name(), binary}} | {:error, recv_error}
  def recv(session, stream, timeout \\ :infinity)
      when stream in [:stdout, :stderr, :pty_out, :all] and
             (timeout == :infinity or (is_integer(timeout) and timeout >= 0)),
      do: call(session, {:recv, make_ref(), stream, timeout})

  @doc """
  The workload's output as a lazy Enumerable of its pieces as they come, to the end of its streams.

    * `:from` - `:stdout`, `:stderr` or `:pty_out`, the elements are binaries; or `:all`, the elements
      are `{stream, binary}`; default `:all`
    * `:lines` - boolean, whether the elements are lines, without their newline, in place of pieces as
      they come; a line of any length is kept until it is whole; default `false`

  The session becomes passive; start it so (`active: false`), or what came before is with the owner. It
  reads on only as fast as its elements are taken. A stream that is not asked for is left to others: once
  its window is used up, the workload waits for somebody to read it.

  Whoever stops before the end, or raises, kills the workload. How it ended is `wait/2`'s to tell; where
  it could not run, or its agent has died, `Linx.Process.Error` is raised.
  """
  @spec stream!(session, keyword) :: Enumerable.t()
  def stream!(session, opts \\ []), do: Chunks.new(session, opts)

  @doc """
  Types into the workload's PTY. Answers as `write/2` does.
  """
  @spec pty_write(session, iodata) :: :ok | {:error, :no_pty | :not_running | :no_process}
  def pty_write(session, data),
    do: call(session, {:pty_write, make_ref(), IO.iodata_to_binary(data)})

  @doc """
  Sets the size of the workload's PTY: rows, columns, and the same in pixels (0 where unknown).
  """
  @spec pty_set_winsize(session, winsize) ::
          :ok | {:error, {:bad_winsize, term} | :no_pty | :no_process}
  def pty_set_winsize(session, winsize) do
    case winsize do
      %{rows: rows, cols: cols} ->
        sizes = {rows, cols, Map.get(winsize, :xpix, 0), Map.get(winsize, :ypix, 0)}
        set_winsize(session, sizes, winsize)

      sizes ->
        set_winsize(session, sizes, winsize)
    end
  end

  defguardp is_size(n) when is_integer(n) and n in 0..65_535

  defp set_winsize(session, {rows, cols, xpix, ypix} = sizes, _given)
       when is_size(rows) and is_size(cols) and is_size(xpix) and is_size(ypix),
       do: call(session, {:pty_winsize, sizes})

  defp set_winsize(_session, _sizes, given), do: {:error, {:bad_winsize, given}}

  @doc "The session itself, if its workload has a PTY: what `pty_write/2` and the like take."
  @spec pty_master(session) :: {:ok, session} | {:error, :no_pty | :no_process}
  def pty_master(session) do
    with :ok <- call(session, :pty_master), do: {:ok, session}
  end

  @doc """
  Gives the session another owner. What it has told the old one is not repeated.
  """
  @spec set_owner(session, pid) :: :ok | {:error, :no_process}
  def set_owner(session, owner) when is_pid(owner), do: call(session, {:set_owner, owner})

  @doc """
  Sends a parked workload a command of the protocol, for `Linx.Capabilities` and `Linx.Seccomp`.

  Commands are carried out in the order in which they are given.
  """
  @spec command(session, tuple) :: :ok | {:error, :not_ready | :running | :no_process}
  def command(session, command), do: call(session, {:command, command})

  # A session may end during the call, or be on another node that goes down.
  defp call(session, request, timeout \\ :infinity) do
    GenServer.call(session, request, timeout)
  catch
    :exit, {:timeout, _} -> {:error, :timeout}
    :exit, _ -> {:error, :no_process}
  end
end
