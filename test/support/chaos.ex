defmodule Linx.Test.Chaos do
  @moduledoc """
  A session to do harm to: of any kind, held in any stage, with an agent of its own, and every
  process of it known by a token.

      round = Chaos.start(:init, :running, world)
      Chaos.reach(round)
      Processes.kill(world.killer, Chaos.pids(round.token, [:agent, :init]))
      Processes.assert_none("agent and init", [round.token])
      Story.tell(round, "agent and init")
  """

  import ExUnit.Assertions

  alias Linx.Agent.Program
  alias Linx.Test.{FixtureProgram, Parked}
  alias Linx.Test.Chaos.{Hold, Leaves, Processes, Story}

  @stages [:starting, :spawned, :ready, :proceeding, :running]
  @tree ["stubborn", "daemon", "stopped"]
  @grace_ms 50

  @typedoc """
  What rounds share: a directory for files, the programs `tree_hostile` and `tree_lease`, the real
  agent, whether a session can have a cgroup, and the processes to enter.
  """
  @type world :: %{
          dir: Path.t(),
          program: Path.t(),
          lease: Path.t(),
          agent: Path.t(),
          cgroups?: boolean,
          targets: %{atom => pos_integer}
        }

  @type t :: %__MODULE__{
          token: String.t(),
          kind: atom,
          stage: atom,
          session: pid,
          holder: port | nil
        }

  defstruct [:token, :kind, :stage, :session, :holder]

  @doc """
  The kinds of session: an init as a child subreaper, a fresh pid namespace whose PID 1 is the
  workload or an init, a container entered, and one entered that has a pid namespace of its own.
  """
  @spec kinds() :: [atom]
  def kinds, do: [:init, :pid_namespace, :pid_namespace_init, :enter, :enter_pid]

  @doc """
  The stages in which a round can be held. There is one more, `:flooding`: running, on a PTY that it
  floods.
  """
  @spec stages() :: [atom]
  def stages, do: @stages

  @doc """
  Every role alone and every pair of those that a session of this kind has in this stage. An init
  that has a guard is safe with one of the two.
  """
  @spec victims(atom, atom) :: [[atom]]
  def victims(kind, stage) do
    roles = roles(kind, stage)
    pairs = for a <- roles, b <- roles, a < b, do: [a, b]
    Enum.map(roles, &[&1]) ++ (pairs -- [[:init, :init_guard]])
  end

  @doc """
  Every set of roles of which the rest can be expected to be ended: somebody is left who sees to it.
  """
  @spec victim_sets(atom, atom) :: [[atom, ...]]
  def victim_sets(kind, stage) do
    for set <- subsets(roles(kind, stage)),
        set != [],
        not ([:guard, :agent, :init] -- set == [] or [:init, :init_guard] -- set == []),
        do: set
  end

  defp subsets([]), do: [[]]

  defp subsets([role | rest]) do
    sets = subsets(rest)
    Enum.map(sets, &[role | &1]) ++ sets
  end

  defp roles(_kind, :starting), do: [:guard, :agent]
  defp roles(:pid_namespace, _stage), do: [:guard, :agent, :workload]
  defp roles(:enter_pid, _stage), do: [:guard, :agent, :init_guard, :init, :workload]
  defp roles(_kind, _stage), do: [:guard, :agent, :init, :workload]

  @doc "Starts what `:enter` rounds enter; it ends with the calling process."
  @spec world(Path.t()) :: world
  def world(dir) do
    %{
      dir: dir,
      program: FixtureProgram.path("tree_hostile"),
      lease: FixtureProgram.path("tree_lease"),
      agent: Program.path(),
      cgroups?: Leaves.possible?(),
      targets: %{enter: target(own([:uts])), enter_pid: target(own([:uts, :pid]))}
    }
  end

  defp target(namespaces) do
    options = [
      argv: ["/bin/sleep", "3600"],
      namespaces: namespaces,
      auto_proceed: true,
      init: true
    ]

    # With a PID 1 that reaps, as that of any container should.
    options = [tag: :target, agent: :dedicated, orphan_policy: {:kill, 0}] ++ options
    {:ok, _session} = Linx.Process.spawn(options)
    assert_receive {:linx_process, :target, :ready, pid}
    assert_receive {:linx_process, :target, :running}
    pid
  end

  # An ordinary user makes namespaces inside one of its own.
  @doc "Namespaces that this user may make, with these among them."
  @spec own([atom]) :: [atom]
  def own(namespaces),
    do: if(Parked.own("Uid") == 0, do: namespaces, else: [:user | namespaces])

  @doc """
  Starts a session on its way to a stage. The caller is its owner, its messages are tagged.

  The options are those of the session; `:token` is one that is known before, and `:tree` what its
  program is to do.
  """
  @spec start(atom, atom, world, keyword) :: t
  def start(kind, stage, world, options \\ []) do
    {token, options} = Keyword.pop_lazy(options, :token, &Processes.token/0)
    {tree, options} = Keyword.pop(options, :tree, @tree)
    {program, holder} = program(stage, world)

    options =
      Keyword.merge(
        [
          argv: [program, token | tree],
          tag: token,
          agent: :dedicated,
          orphan_policy: {:kill, @grace_ms},
          stdio: stdio(stage, world)
        ],
        options
      )

    Application.put_env(:linx, :agent_path, wrapper(token, world))
    {:ok, session} = launch(kind, options, world)
    %__MODULE__{token: token, kind: kind, stage: stage, session: session, holder: holder}
  after
    Application.delete_env(:linx, :agent_path)
  end

  defp program(:proceeding, world), do: Hold.slow_program(world.program, world.dir, world.lease)
  defp program(:flooding, _world), do: {"/usr/bin/yes", nil}
  defp program(_stage, world), do: {world.program, nil}

  defp stdio(:starting, world), do: [stdin: {:connect_unix, Hold.full_backlog(world.dir)}]
  defp stdio(:flooding, _world), do: :pty
  defp stdio(_stage, _world), do: :devnull

  # The agent with the token in its command line.
  defp wrapper(token, world) do
    path = Path.join(world.dir, "agent-#{token}")
    File.write!(path, "#!/bin/sh\nexec #{world.agent} #{token}\n")
    File.chmod!(path, 0o755)
    path
  end

  defp launch(:init, options, _world), do: Linx.Process.spawn([init: true] ++ options)

  defp launch(:pid_namespace, options, _world),
    do: Linx.Process.spawn([init: false, namespaces: own([:pid])] ++ options)

  defp launch(:pid_namespace_init, options, _world),
    do: Linx.Process.spawn([init: true, namespaces: own([:pid])] ++ options)

  defp launch(kind, options, world),
    do: Linx.Process.enter(world.targets[kind], [init: true] ++ options)

  @doc "Waits until the session is in its stage, and its tree whole where it runs."
  @spec reach(t) :: :ok
  def reach(%{stage: :starting} = round) do
    Processes.await(fn -> pids(round.token, [:guard, :agent]) |> length() == 2 end, fn ->
      "no agent of #{round.kind}"
    end)
  end

  def reach(%{stage: :spawned, session: session}) do
    Processes.await(fn -> match?({:ok, _}, Linx.Process.host_pid(session)) end, fn ->
      "not spawned: #{inspect(Linx.Process.info(session))}"
    end)
  end

  def reach(%{stage: :ready} = round) do
    await_ready(round)
    :ok
  end

  def reach(%{stage: :proceeding} = round) do
    await_ready(round)
    :ok = Linx.Process.proceed(round.session)
    Hold.assert_wanted(round.holder)
  end

  def reach(%{stage: :running} = round) do
    pid = await_ready(round)
    run(round, pid)
  end

  def reach(%{stage: :flooding, token: token} = round) do
    await_ready(round)
    :ok = Linx.Process.proceed(round.session)
    assert_receive {:linx_process, ^token, :pty_out, _}
    :ok
  end

  @doc "Lets a parked round run and waits until every member of its tree is there."
  @spec run(t, pos_integer) :: :ok
  def run(round, pid) do
    :ok = Linx.Process.proceed(round.session)
    Processes.await(fn -> Processes.name(pid) == "tree_whole" end, fn -> "no tree" end)
  end

  @doc "Waits for the checkpoint; answers the workload's pid."
  @spec await_ready(t) :: pos_integer
  def await_ready(round) do
    assert {:ready, pid} = Story.await_first(round)
    pid
  end

  @doc "Waits until a program that writes without pause has to wait for its reader."
  @spec await_blocked(pos_integer) :: :ok
  def await_blocked(pid) do
    Processes.await(fn -> written(pid) == written_later(pid) end, fn -> "#{pid} writes on" end)
  end

  defp written(pid), do: Regex.run(~r/wchar: \d+/, File.read!("/proc/#{pid}/io"))

  defp written_later(pid) do
    receive do
    after
      50 -> written(pid)
    end
  end

  @doc "The pids that play the roles in a round, as far as there are any."
  @spec pids(token :: String.t(), [atom]) :: [pos_integer]
  def pids(token, roles) do
    processes = Processes.with_token(token)
    named_so = for p <- processes, p.name == "linx_process", do: p.pid

    # A fork of the agent has its name until it takes its own: an init would be killed in its stead.
    agents = for p <- processes, p.pid in named_so, p.parent not in named_so, do: p.pid
    for p <- processes, role(p, agents) in roles, do: p.pid
  end

  defp role(%{name: "linx_guard", parent: parent}, agents),
    do: if(parent in agents, do: :init_guard, else: :guard)

  defp role(%{name: "linx_process", pid: pid}, agents),
    do: if(pid in agents, do: :agent)

  defp role(%{name: "linx_init"}, _agents), do: :init

  defp role(%{name: name}, _agents)
       when name in ["linx_child", "tree_hostile", "tree_whole", "yes"],
       do: :workload

  defp role(_process, _agents), do: nil
end
