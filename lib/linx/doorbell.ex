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
  when it is removed; an action that runs then is killed, and its command ended (SIGTERM, 5 seconds, SIGKILL).

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

  Two processes and an open file of the BEAM, and the probe: 9 to 13 kB of memory (PSS, measured with 300 of
  them) and 40 kB of page tables. Putting one in place costs as much as `Linx.Process.enter/2`.
  """

  alias Linx.Doorbell.{Options, Server}
  alias Linx.Process.Error

  @type doorbell :: GenServer.server()

  @type error :: Options.reason() | {:bad_target, term} | Error.t() | {:not_armed, term} | atom

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
      unwrap(GenServer.start(Server, {target, options}))
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
      unwrap(GenServer.start_link(Server, {own[:target], options}, Keyword.take(own, [:name])))
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
  Takes a doorbell away. When this answers its probe is gone, and an action that runs has been killed: its command
  then ends as a session does whose owner has died.
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
end
