defmodule Linx.Group do
  @moduledoc """
  Programs that are made of several processes, each with its own privileges only, connected by sockets
  that are made for them.

      {:ok, group} =
        Linx.Group.start_link(
          roles: [
            log: [argv: ["/usr/lib/web/log"]],
            worker: [argv: ["/usr/lib/web/worker"], instances: 4, links: [:log], user: "nobody", root: "/srv/empty"]
          ]
        )

      :ok = Linx.Group.await(group, 5000)
      :ok = Linx.Group.send(group, :worker, 1, "hello")

  The BEAM is the parent. It decides who is there, watches them, and talks to each over a channel of its
  own; among each other they talk over links, of which the BEAM sees nothing. The guide `docs/groups.md`
  builds a web server in this way.

  ## Roles

  `:roles` is a keyword list, each with

    * `:argv` and whatever else a session takes (`Linx.Process.Options`): `:uid`, `:sandbox`, `:rlimits`,
      `:log`, `:fds` with numbers above those of the links... Not `:owner`, `:tag`, `:linger`, `:auto_proceed`, `:agent`,
      `:active`, `:window`, and no pipes or terminal that the owner of a session would read
    * `:instances` - how many there are, 1..1000, default 1
    * `:links` - `:all`, or a list of roles to be linked to, default `[]`. A link is made where either side asks
      for it, between each instance of the one and each of the other. The instances of a role are linked to
      each other only where its list has the role itself
    * `:sends_fds` - boolean, whether its instances may send fds to the BEAM, default `false`: the kernel closes them
      then. To close an fd can take as long as its file wants (a socket that lingers, a file system of somebody's own), so
      this is for roles that are trusted not to want that
    * `:user`, `:root` - as `Linx.Sandbox.user/2` and `Linx.Sandbox.root/2` have it, on top of a `:sandbox` or of
      `Linx.Sandbox.new/0`

  ## What an instance has

  Its channel is fd 3, its links are the fds from 4 on, all of them connected unix sockets (SOCK_STREAM).
  The environment variable `LINX_GROUP` describes them, in words with one blank in between:

      role=worker number=2 id=3 channel=3 link=log/1/1/4 link=worker/1/2/5

  `number` counts from 1 within the role, `id` in the whole group; a link is `ROLE/NUMBER/ID/FD` of its peer. The same
  options always make the same fds. `Linx.Group.Frame` documents what goes over a channel. What goes over
  a link is the programs' own.

  ## What the owner is told

  `:owner` is by default the caller; a group that is started by a supervisor tells nobody, unless it has one.

  | message | meaning |
  |---|---|
  | `{:linx_group, group, {:started, role, number, host_pid}}` | this instance runs its program |
  | `{:linx_group, group, :running}` | all of them do |
  | `{:linx_group, group, {:message, role, number, message}}` | it has sent a `Linx.Group.Message` |
  | `{:linx_group, group, {:passive, role, number}}` | it has sent as many as were asked for, see `set_active/3` |
  | `{:linx_group, group, {:lost, role, number, outcome}}` | it has ended, and should not have |
  | `{:linx_group, group, {:ended, role, number, outcome}}` | it has ended because all of them are ended |
  | `{:linx_group, group, {:stopped, reason}}` | nothing is left; the last message |

  What an instance has sent comes before its end.

  ## Start, loss, end

  All instances are parked at their checkpoints until all are there, with all their fds; then all go on.

  One that ends without having been asked to, whatever its exit code, is lost. What happens then is the `:strategy`:

    * `:one_for_all`, the default - all others are ended, and the whole group is started again
    * `:one_for_one` - it is started again, by itself. It has new links; each peer that runs gets its
      new end with a frame of type 65535 over its channel, whose `peer` is the id of the one that was lost. The
      old end has seen its end of file. (Nobody can give a running process an fd at a number: the peer
      does that, with dup2(2).)

  More than `:max_restarts` losses within `:max_seconds` end the group with the reason `{:lost, role, number, outcome}`;
  with `max_restarts: 0` the first one does. An instance that violates the framing is killed and lost,
  with the outcome `{:protocol, what}`.

  To end an instance or all of them the group closes the channels first: who reads its end of file there
  should leave. Who has not done so after `:drain` milliseconds gets SIGTERM (or the `:kill` of its role), and after
  `:grace` more SIGKILL with all that it started. `stop/2` and a supervisor's shutdown wait until nobody is left.
  Where the BEAM or the process of the group is killed, the sessions end as sessions do whose owner dies.

  ## File descriptors

  With `fd:` a frame takes an open file along: a socket of `:socket` or `:gen_tcp`, or the number of any fd
  of the BEAM. The instance gets a copy: the BEAM goes on owning its own. What the BEAM had open does not
  block (O_NONBLOCK), and neither does the new end of a link: who wants it to has to say so (fcntl(2)). An instance whose role
  `:sends_fds` may do so, too: they are
  `Linx.Group.Fd`, to be closed or to be handed on to another one. One that the owner forgets is closed with
  the group. At most one goes with a frame.
  """

  alias Linx.Group.{Channel, Fd, Options, Sending, Server}

  @type outcome ::
          {:exited, non_neg_integer}
          | {:signaled, pos_integer}
          | :aborted
          | {:protocol, term}
          | {:error, term}

  @typedoc "One instance, or each of a role."
  @type to :: {role :: atom, number :: pos_integer} | (role :: atom)

  @type fd :: Fd.t() | :socket.socket() | port | non_neg_integer

  @type send_error ::
          :full | :closed | :timeout | :ebadf | :no_instance | :one_instance | :no_process

  @doc """
  Starts a group, linked to the caller. It goes on by itself: `await/2` tells when all of it runs.

    * `:roles` - required, see above
    * `:strategy` - `:one_for_all` (default) or `:one_for_one`
    * `:max_restarts`, `:max_seconds` - default 3 within 5
    * `:drain` - milliseconds that instances have to leave when their channels are closed, default 1000
    * `:grace` - milliseconds from SIGTERM to SIGKILL, default 3000
    * `:active` - how many messages of each instance the owner takes: `true` (default) for all of them, or 1..32767 at
      first, see `set_active/3`
    * `:owner` - pid, default the caller; the group ends with it
    * `:name` - as `GenServer.start_link/3` has it

  Errors are `t:Linx.Group.Options.reason/0`, which `Linx.Group.Options.message/1` puts into words, and what
  `Linx.Process.spawn/1` says where no session can be started at all, or `{:rendezvous, posix}` where there is no
  directory for sockets in `System.tmp_dir/0`. A program that cannot be
  executed is an instance that is lost.
  """
  @spec start_link(keyword) :: {:ok, pid} | {:error, Options.reason() | term}
  def start_link(options) do
    {name, options} =
      if Keyword.keyword?(options), do: Keyword.pop(options, :name), else: {nil, options}

    with {:ok, valid} <- Options.validate(options),
         do: Server.start_link(valid, if(name, do: [name: name], else: []))
  end

  @doc """
  For a supervisor: `{Linx.Group, options}`.

  Takes `:id` (default `Linx.Group`), `:restart` (`:permanent`) and `:shutdown` out of the options; the
  default of the latter is two seconds more than `:drain` and `:grace` together.
  """
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(options) do
    {id, options} = Keyword.pop(options, :id, __MODULE__)
    {restart, options} = Keyword.pop(options, :restart, :permanent)
    needed = Keyword.get(options, :drain, 1000) + Keyword.get(options, :grace, 3000) + 2000
    {shutdown, options} = Keyword.pop(options, :shutdown, needed)

    %{
      id: id,
      start: {__MODULE__, :start_link, [options]},
      restart: restart,
      shutdown: shutdown,
      type: :worker
    }
  end

  @doc "Waits until all instances run."
  @spec await(GenServer.server(), timeout) :: :ok | {:error, :timeout | :no_process | term}
  def await(group, timeout \\ 5000), do: call(group, :await, timeout)

  @doc "Ends the group, and returns when nothing is left of it."
  @spec stop(GenServer.server(), timeout) :: :ok
  def stop(group, timeout \\ :infinity), do: GenServer.stop(group, :normal, timeout)

  @doc """
  Who is in the group, in the order of their ids.

  `:state` is `:starting`, `:ready` (parked), `:released`, `:running` or `:gone`.
  """
  @spec instances(GenServer.server()) ::
          [
            %{
              role: atom,
              number: pos_integer,
              id: pos_integer,
              state: atom,
              host_pid: pos_integer | nil
            }
          ]
          | {:error, :no_process}
  def instances(group), do: call(group, :instances, :infinity)

  @doc """
  Sends a frame to one instance, `{role, number}`, or to each of a role.

    * `:peer` - which instance it is about, default 0 for none
    * `:fd` - goes along, default none
    * `:timeout` - of an fd of the caller's own: milliseconds in which it has to be sent, default 5000

  Answers when the frame is queued, of which there are at most 4 MiB for each instance: `{:error, :full}` beyond. With an
  fd of the caller's own it answers when that is sent, so that it may be closed then; only the caller waits
  for that. A `Linx.Group.Fd` goes to one instance, and is not the caller's any more.

  To a role the answer is `{:error, [{number, reason}]}` with those that could not be sent to.
  """
  @spec send(GenServer.server(), to, 0..65_279, iodata, keyword) ::
          :ok | {:error, send_error | [{pos_integer, send_error}]}
  def send(group, to, type, payload, options \\ []) do
    frame = Sending.frame(type, payload, options)

    with {:ok, channels} <- call(group, {:channels, to}, :infinity),
         do: Sending.send(frame, to, channels, options)
  end

  @doc """
  How many messages of an instance, or of each of a role, the owner takes from now on: 1..32767, or
  `true` for all.

  When they have come it is told `:passive`, and nothing more is read from that instance, which has to
  wait then, until this is called again. What it has sent by its end still comes.
  """
  @spec set_active(GenServer.server(), to, true | 1..32_767) ::
          :ok | {:error, :closed | :no_instance | :no_process}
  def set_active(group, to, mode)
      when mode == true or (is_integer(mode) and mode in 1..32_767) do
    with {:ok, channels} <- call(group, {:channels, to}, :infinity) do
      for {_number, channel} <- channels, channel, do: Channel.set_active(channel, mode)
      :ok
    end
  end

  defp call(group, request, timeout) do
    GenServer.call(group, request, timeout)
  catch
    :exit, {:timeout, _} -> {:error, :timeout}
    :exit, _ -> {:error, :no_process}
  end
end
