defmodule Linx.Prefork do
  @moduledoc """
  Programs whose start is paid once: a script that is started, waits where its initialisation is
  complete, and from then on runs as a fork of itself.

      {:ok, report} = Linx.Prefork.start_link(argv: ["python3", "report.py"])
      {output, 0} = Linx.Prefork.run(report, ["--month", "7"])

  The script calls a library at the point where it is ready: `linx_prefork.py` in `priv` for Python,
  `Proc::Prefork::Interp` for Perl, see docs/prefork.md for these and others. The same script runs under the
  commands `linx-prefork` and `prefork-interp`, and by itself.

  Under a supervisor it is `{Linx.Prefork, argv: ["python3", "report.py"], name: Report}`.

  ## What a run is

  A run is a session (`Linx.Process`): it has arguments, an environment, stdin, stdout and stderr of its
  own, also as a PTY, and ends by a status. What confines it is what confines the script: with `:sandbox`
  the script is started in a sandbox, and every run is in it, as its directory and its ids are the
  script's. All runs have the memory of the script as it was when it was ready. Runs of users who must not
  learn of each other need a script each.

  A run leaves nothing in its process group; what has left that group is the script's, and ends with it.

  ## When the script is started anew

  It is started with the server, and again when a run needs it: after a change of its files, which
  the script's library notices when a run comes, after it has ended or crashed, after `:idle_timeout`. Runs
  that come meanwhile wait for that one start; those that are running go on. Where nothing of a run can have begun, it is tried again by itself, and only
  then. A script that does not start is told by `Linx.Prefork.Error`, with what it wrote, to all who
  wait; the next start is delayed, for up to 10 seconds after repeated failures.

  ## Limits

  Signals: SIGKILL, and SIGINT, SIGTERM and SIGHUP as one request to end, which is SIGINT in the run. No
  `Linx.Process.pause/1` and `stats/1`. A run takes as long as a fork of the script: for a large heap that is more
  than the exec of a small program.
  """

  alias Linx.Command
  alias Linx.Command.{Environment, Pipeline}
  alias Linx.Prefork.{Machine, Server}
  alias Linx.Process.{Error, Options}

  @type server :: GenServer.server()

  @typedoc """
    * `:state` - `:up`, `:starting`, `:down` until the next run, or `:backoff` after a failure
    * `:starts`, `:runs` - how many there were
    * `:running`, `:waiting` - runs that are let go, and those that wait for the script or for `:max_servers`
    * `:last_error` - why the last start failed, `nil` after one that did not
  """
  @type stats :: %{
          ident: String.t(),
          state: :down | :starting | :up | :backoff,
          starts: non_neg_integer,
          runs: non_neg_integer,
          running: non_neg_integer,
          waiting: non_neg_integer,
          last_error: Linx.Prefork.Error.t() | nil
        }

  @attempts 3
  # A run that ended so has not begun.
  @nothing_ran [:prefork_connect, :prefork_greeting, :prefork_send]
  @own [:argv, :name, :ident, :max_servers, :idle_timeout, :start_timeout]
  @not_for_a_script [:into, :lines, :input, :stderr, :stderr_to_stdout, :log, :checkpoint] ++
                      [:timeout, :max_output, :parallelism]

  @doc "For a supervisor: `{Linx.Prefork, options}`; `:id` is by default the `:name`, or `Linx.Prefork`."
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(options) do
    {id, options} = Keyword.pop(options, :id, Keyword.get(options, :name, __MODULE__))
    %{id: id, start: {__MODULE__, :start_link, [options]}, type: :worker}
  end

  @doc """
  Starts a script, and a process that is linked to the caller and owns it.

    * `:argv` - list of binaries, required: the program, looked for as `Linx.cmd/3` does, and its arguments up
      to the script's name. Mind that its own arguments are no run's
    * `:name` - as of `GenServer.start_link/3`
    * `:ident` - string, what errors and stats call it, default the last of `:argv`
    * `:max_servers` - how many runs are let go at a time, others wait; default `:infinity`. The script's
      library has a limit of its own, 4 unless the script says otherwise
    * `:idle_timeout` - after so many milliseconds without a run the script is ended, until the next run;
      default `:infinity`
    * `:start_timeout` - milliseconds that the script may take to be ready, default 30000
    * `:cd`, `:env` and every option that says how a session is isolated, as of `Linx.cmd/3`; they hold for
      the script, and so for its runs, but for the environment, which each run has its own of

  Answers before the script is ready: `await/2` tells. Raises `ArgumentError` for bad options and
  `ErlangError` where there is no such program.
  """
  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(options) do
    {own, session} = Keyword.split(options, @own)
    for {key, _value} = given <- session, key in @not_for_a_script, do: invalid!(given)
    [program | args] = argv = argv!(own[:argv])
    command = Command.new!(program, args, session)

    server = [
      ident: own |> Keyword.get(:ident, List.last(argv)) |> ident!(),
      max_servers: own |> Keyword.get(:max_servers, :infinity) |> count!(:max_servers),
      idle_timeout: own |> Keyword.get(:idle_timeout, :infinity) |> count!(:idle_timeout),
      start_timeout: own |> Keyword.get(:start_timeout, 30_000) |> count!(:start_timeout)
    ]

    GenServer.start_link(Server, {command, server}, Keyword.take(own, [:name]))
  end

  defp argv!([program | _] = argv) when is_binary(program), do: argv
  defp argv!(other), do: invalid!({:argv, other})

  defp ident!(ident) when is_binary(ident), do: ident
  defp ident!(other), do: invalid!({:ident, other})

  defp count!(:infinity, key) when key != :start_timeout, do: :infinity
  defp count!(number, _key) when is_integer(number) and number > 0, do: number
  defp count!(other, key), do: invalid!({key, other})

  defp invalid!({key, value}),
    do: raise(ArgumentError, "invalid option #{inspect(key)} with value #{inspect(value)}")

  @doc """
  Waits for the script to be ready, if it is being started; answers why its last start failed.
  """
  @spec await(server, timeout) :: :ok | {:error, Linx.Prefork.Error.t()}
  def await(server, timeout \\ :infinity), do: GenServer.call(server, :await, timeout)

  @doc """
  Runs the script with these arguments, waits for its end, and answers its output and status as
  `Linx.cmd/3` does.

  Takes the options of `Linx.cmd/3`, with their meaning there, but those that concern how a
  process is made: `:cd`, `:arg0` and isolation are the script's. `:timeout` counts from when the
  run is let go.

  Raises as `Linx.cmd/3` does, and `Linx.Prefork.Error` where the script does not start.
  """
  @spec run(server, [String.t()], keyword) ::
          {collected :: term, non_neg_integer | {:signal, pos_integer}}
  def run(server, args, options \\ []) do
    # Before anything is asked for.
    command = Command.run_of!("prefork", args, options)
    run(server, command, nil, @attempts)
  end

  defp run(server, command, failed, attempts) do
    {:ok, slot, {generation, _session, _listener, _ident} = place} = checkout!(server, failed)

    case attempt(server, slot, place, command) do
      {:done, answer} -> answer
      {:nothing_ran, _, _} when attempts > 1 -> run(server, command, generation, attempts - 1)
      {:nothing_ran, error, stacktrace} -> reraise(error, stacktrace)
    end
  end

  defp attempt(server, slot, {_generation, session, listener, ident}, command) do
    command = Command.lead_to(%{command | name: ident}, session, {:connect, listener})
    {:done, Pipeline.run!(command)}
  rescue
    error in Error ->
      if again?(error, command),
        do: {:nothing_ran, error, __STACKTRACE__},
        else: reraise(error, __STACKTRACE__)
  after
    checkin(server, slot)
  end

  # Input that may have been taken cannot be asked for twice.
  defp again?(%{stage: :prefork_send}, command), do: command.input in [nil, ""]
  defp again?(%{stage: stage}, _command), do: stage in @nothing_ran

  @doc """
  Starts a run as a session, with messages as of `Linx.Process`, once the script is ready.

  Takes the options of `Linx.Process.spawn/1` but those that concern how a process is made; `:env` is by default
  the BEAM's environment. It comes back when the run is at its checkpoint. With `auto_proceed: true` it is let go then.

  `{:error, reason}` for a bad option, as of `Linx.Process.spawn/1`; `{:error, error}` with a
  `Linx.Prefork.Error` where the script does not start.
  """
  @spec spawn(server, [String.t()], keyword) ::
          {:ok, Linx.Process.session()} | {:error, Options.Reason.t() | Exception.t() | term}
  def spawn(server, args, options \\ []) do
    run = [argv: args, prefork: {:connect, "prefork"}]

    options =
      Keyword.put_new_lazy(options, :env, fn -> Environment.merge(Environment.current(), []) end)

    with {:ok, _valid} <- Options.validate(:spawn, run ++ options) do
      caller = self()

      # It has the slot for as long as the run lasts, and hears of a start that is to be tried again.
      {keeper, monitor} = spawn_monitor(fn -> keep(server, args, options, caller) end)

      receive do
        {^keeper, {:ok, session} = answer} ->
          Process.demonitor(monitor, [:flush])
          Process.link(session)
          answer

        {^keeper, answer} ->
          Process.demonitor(monitor, [:flush])
          answer

        {:DOWN, ^monitor, :process, ^keeper, reason} ->
          exit(reason)
      end
    end
  end

  defp keep(server, args, options, caller) do
    answer = greeted(server, args, options, nil, @attempts)

    with {:ok, session, ready} <- answer do
      owner = Keyword.get(options, :owner) || caller
      Process.unlink(session)
      :ok = Linx.Process.set_owner(session, owner)
      send(owner, ready)
      if options[:auto_proceed], do: Linx.Process.proceed(session)
      send(caller, {self(), {:ok, session}})
      # The slot is free when this process ends, and the run ends with its owner.
      _ = Linx.Process.wait(session)
    else
      {:error, _reason} = error -> send(caller, {self(), error})
    end
  end

  defp greeted(server, args, options, failed, attempts) do
    with {:ok, slot, {generation, session, listener, _ident}} <- checkout(server, failed) do
      run = [argv: args, prefork: {:connect, listener}, agent: session, owner: self()]
      options = Keyword.drop(options, [:owner, :auto_proceed, :agent])

      with {:ok, run} <- Linx.Process.spawn(run ++ options),
           {:ok, ready} <- ready(run) do
        {:ok, run, ready}
      else
        {:error, reason} ->
          checkin(server, slot)

          if attempts > 1 and nothing_ran?(reason),
            do: greeted(server, args, options, generation, attempts - 1),
            else: {:error, reason}
      end
    end
  end

  # Whatever its tag is, this process has no other session.
  defp ready(run) do
    receive do
      message when elem(message, 0) == :linx_process ->
        if :ready in [elem(message, 1), elem(message, 2)],
          do: {:ok, message},
          else: failed(run)
    end
  end

  defp failed(run) do
    with {:ok, outcome} <- Linx.Process.wait(run), do: {:error, outcome}
  end

  defp nothing_ran?(%Error{stage: stage}), do: stage in @nothing_ran
  defp nothing_ran?(reason), do: reason == :no_process

  @doc """
  Ends the script and everything that it runs, and its process.
  """
  @spec stop(server, timeout) :: :ok
  def stop(server, timeout \\ :infinity), do: GenServer.stop(server, :normal, timeout)

  @doc "What the script's server does at the moment, and has done."
  @spec stats(server) :: stats
  def stats(server), do: GenServer.call(server, :stats)

  @spec checkout(server, Machine.generation() | nil) ::
          {:ok, slot :: reference, Server.place()} | {:error, Linx.Prefork.Error.t()}
  defp checkout(server, failed), do: GenServer.call(server, {:checkout, failed}, :infinity)

  defp checkout!(server, failed) do
    with {:error, error} <- checkout(server, failed), do: raise(error)
  end

  defp checkin(server, slot), do: GenServer.cast(server, {:checkin, slot})
end
