defmodule Linx.Test.Leftovers do
  @moduledoc """
  What there is on the machine that a test may have left behind.

  Processes are found by descent from the BEAM and, for those that have detached themselves, by the
  environment variable `LINX_TEST_RUN`, which every process of a run inherits.
  """

  alias Linx.Agent.{Pool, Program}

  @mark "LINX_TEST_RUN"

  @type t :: %{
          processes: [String.t()],
          fds: [String.t()],
          ports: non_neg_integer,
          mounts: [String.t()],
          cgroups: [String.t()],
          sessions: [pid],
          routes: [String.t()]
        }

  @doc "Marks everything that this BEAM starts from now on."
  @spec mark() :: :ok
  def mark,
    do: if(System.get_env(@mark) == nil, do: System.put_env(@mark, System.pid()), else: :ok)

  @doc "What there is now. An agent of the pool, its guard and its idle inits do not count."
  @spec look() :: t
  def look do
    %{
      processes: processes(),
      fds: fds(),
      ports: length(Port.list()) - length(guards()),
      mounts: "/proc/self/mountinfo" |> File.read!() |> String.split("\n"),
      cgroups: cgroups(),
      sessions: sessions(),
      routes: routes()
    }
  end

  @doc "What is in the second look and was not in the first, as lines for people."
  @spec between(t, t) :: [String.t()]
  def between(before, now) do
    Enum.concat([
      for(process <- now.processes -- before.processes, do: "process #{process}"),
      for(fd <- now.fds -- before.fds, do: "fd of the BEAM: #{fd}"),
      for(_ <- [now.ports], now.ports > before.ports, do: "#{now.ports - before.ports} ports"),
      for(mount <- now.mounts -- before.mounts, do: "mount #{mount}"),
      for(cgroup <- now.cgroups -- before.cgroups, do: "cgroup #{cgroup}"),
      for(session <- now.sessions -- before.sessions, do: "session #{inspect(session)}"),
      for(route <- now.routes -- before.routes, do: "session #{route}")
    ])
  end

  @doc "The pid of each pool agent's guard."
  @spec guards() :: [pos_integer]
  def guards do
    for {_slot, _agent, port} <- :ets.tab2list(Pool), pid = Program.os_pid(port), do: pid
  end

  @doc "The pids of the inits that wait for their next session."
  @spec idle_inits() :: [pos_integer]
  def idle_inits, do: for({pid, _parent, "linx_idle"} <- table(), do: pid)

  @doc "Every process with its parent and name, as `/proc` has them."
  @spec table() :: [{pid :: pos_integer, parent :: non_neg_integer, name :: String.t()}]
  def table do
    for "/proc/" <> pid <- Path.wildcard("/proc/[0-9]*"),
        {:ok, stat} <- [File.read("/proc/#{pid}/stat")] do
      [_, name, parent] = Regex.run(~r/^\d+ \((.*)\) \S (\d+)/s, stat)
      {String.to_integer(pid), String.to_integer(parent), name}
    end
  end

  @doc "The pids below a process, at any depth."
  @spec descendants(pos_integer) :: [pos_integer]
  def descendants(pid), do: descendants(table(), pid)

  defp descendants(table, pid) do
    children = for {child, ^pid, _} <- table, do: child
    children ++ Enum.flat_map(children, &descendants(table, &1))
  end

  defp processes do
    table = table()
    beam = String.to_integer(System.pid())
    guards = guards()
    agents = for {pid, parent, "linx_process"} <- table, parent in guards, do: pid

    idle = for {pid, parent, "linx_idle"} <- table, parent in agents, do: pid
    # The BEAM's own: what starts its ports, and its name resolver.
    own = for {pid, _, name} <- table, name in ["erl_child_setup", "inet_gethost"], do: pid
    below = descendants(table, beam)

    for {pid, parent, name} <- table,
        pid in below or marked?(pid),
        pid not in [beam | guards ++ agents ++ idle ++ own],
        do: "#{pid} (#{name}) below #{parent}"
  end

  defp marked?(pid) do
    case File.read("/proc/#{pid}/environ") do
      {:ok, environ} -> "#{@mark}=#{System.get_env(@mark)}" in String.split(environ, "\0")
      {:error, _} -> false
    end
  end

  @doc "The cgroups of this run, also those of its agents' sessions."
  @spec cgroups() :: [Path.t()]
  def cgroups do
    below = for {_version, _controllers, own} <- Linx.Cgroup.mounts(), do: own <> "/"

    for start <- Enum.uniq(["", "*/", "*/*/"] ++ below),
        path <- Path.wildcard(Path.expand(start <> "*linx*", "/sys/fs/cgroup")),
        not foreign?(Path.basename(path)),
        uniq: true,
        do: path
  end

  @doc """
  Whether something is another run's. The first number in its name is the pid of who made it: here
  that of a live process which is none of this run's. One that nobody has reaped is dead as well.
  """
  @spec foreign?(String.t()) :: boolean
  def foreign?(name) do
    case Regex.run(~r/\d+/, name) do
      [pid] -> pid != System.pid() and alive?(pid) and not marked?(pid)
      nil -> false
    end
  end

  defp alive?(pid) do
    case File.read("/proc/#{pid}/stat") do
      {:ok, stat} -> not (stat =~ ~r/^\d+ \(.*\) [ZX]/s)
      {:error, _} -> false
    end
  end

  # By kind: the pipes of an agent have other numbers when it has been replaced.
  defp fds do
    fds =
      for fd <- Path.wildcard("/proc/self/fd/*"),
          {:ok, target} <- [File.read_link(fd)],
          do: Regex.replace(~r/:\[\d+\]$/, target, "")

    fds -- List.duplicate("pipe", 2 * length(guards()))
  end

  defp sessions do
    for pid <- Process.list(),
        {:dictionary, dictionary} <- [Process.info(pid, :dictionary)],
        dictionary[:"$initial_call"] == {Linx.Process.Session, :init, 1},
        do: pid
  end

  defp routes do
    for {_slot, agent, _port} <- :ets.tab2list(Pool),
        {id, entry} <- :sys.get_state(agent).router.entries,
        do: "#{id} of an agent: #{inspect(entry)}"
  end
end
