defmodule Linx.Bench.Peers do
  @moduledoc """
  Other ways to run programs, measured where they are installed: the libraries erlexec, MuonTrap and
  Exile, and the commands bwrap and unshare.

  The libraries are looked for on the code path, to which `load/1` adds a folder of ebin folders. They
  are called by name, so that none of them is needed to compile this.
  """

  @libraries [erlexec: :exec, MuonTrap: MuonTrap, Exile: Exile.Process]
  @commands ["bwrap", "unshare"]

  @doc "Puts every ebin folder below `dir` on the code path; `nil` for none."
  @spec load(Path.t() | nil) :: :ok
  def load(nil), do: :ok

  def load(dir) do
    dir |> Path.join("**/ebin") |> Path.wildcard() |> Enum.each(&Code.append_path/1)
  end

  @doc "The names of the peers that are not there."
  @spec missing() :: [String.t()]
  def missing do
    libraries = for {name, _} <- @libraries, not available?(name), do: Atom.to_string(name)
    libraries ++ Enum.reject(@commands, &System.find_executable/1)
  end

  @doc "Whether a library is there."
  @spec available?(atom) :: boolean
  def available?(name), do: Code.ensure_loaded?(Keyword.fetch!(@libraries, name))

  @doc "Starts what the libraries that are there need to have running."
  @spec start() :: :ok
  def start do
    if available?(:erlexec), do: start_erlexec()
    if available?(:Exile), do: {:ok, _} = Application.ensure_all_started(:exile)
    :ok
  end

  @doc "The libraries that are there, each with a function that runs a program and waits."
  @spec runners() :: [{String.t(), (Path.t() -> term)}]
  def runners do
    for {name, run} <- [
          erlexec: &run_erlexec/1,
          MuonTrap: fn path -> {_, 0} = apply(MuonTrap, :cmd, [path, []]) end,
          Exile: &run_exile/1
        ],
        available?(name),
        do: {Atom.to_string(name), run}
  end

  @doc "The commands that are there, each with the arguments that isolate a program fully."
  @spec isolators(Path.t()) :: [{String.t(), Path.t(), [String.t()]}]
  def isolators(program) do
    for {name, args} <- [
          {"bwrap", ~w(--unshare-all --ro-bind / /)},
          {"unshare", ~w(--user --mount --uts --ipc --net --pid --fork --cgroup --time)}
        ],
        path = System.find_executable(name),
        do: {name, path, args ++ [program]}
  end

  @doc "Starts a program under erlexec."
  @spec start_by_erlexec(Path.t()) :: pos_integer
  def start_by_erlexec(path) do
    {:ok, _pid, os_pid} = exec(path, [], [:monitor])
    os_pid
  end

  @doc "Kills what `start_by_erlexec/1` started and waits until its end is seen."
  @spec kill_by_erlexec(pos_integer) :: :ok
  def kill_by_erlexec(os_pid) do
    :ok = apply(:exec, :kill, [os_pid, 9])
    receive do: ({:DOWN, ^os_pid, :process, _, {:exit_status, 9}} -> :ok)
  end

  @doc "Runs a program on a PTY under erlexec and counts the bytes that it wrote."
  @spec count_pty_by_erlexec(Path.t(), [String.t()]) :: non_neg_integer
  def count_pty_by_erlexec(path, args) do
    {:ok, _pid, os_pid} = exec(path, args, [:monitor, :pty, {:stdout, self()}])
    count_erlexec_output(os_pid, 0)
  end

  @doc "Runs a program under erlexec and counts the bytes that it wrote to a pipe."
  @spec count_output_by_erlexec(Path.t(), [String.t()]) :: non_neg_integer
  def count_output_by_erlexec(path, args) do
    {:ok, _pid, os_pid} = exec(path, args, [:monitor, {:stdout, self()}])
    count_erlexec_output(os_pid, 0)
  end

  defp count_erlexec_output(os_pid, bytes) do
    receive do
      {:stdout, ^os_pid, data} -> count_erlexec_output(os_pid, bytes + byte_size(data))
      {:DOWN, ^os_pid, :process, _, _} -> bytes
    end
  end

  # erlexec refuses to run as root unless it is told the users it may run programs as.
  defp start_erlexec do
    opts =
      case System.cmd("id", ["-u"]) do
        {"0\n", 0} -> [:root, user: ~c"root", limit_users: [~c"root"]]
        _ -> []
      end

    case apply(:exec, :start, [opts]) do
      {:ok, _} -> :ok
      {:error, {:already_started, _}} -> :ok
    end
  end

  defp run_erlexec(path) do
    {:ok, _pid, os_pid} = exec(path, [], [:monitor])
    receive do: ({:DOWN, ^os_pid, :process, _, :normal} -> :ok)
  end

  defp run_exile(path) do
    {:ok, process} = apply(Exile.Process, :start_link, [[path]])
    {:ok, 0} = apply(Exile.Process, :await_exit, [process])
  end

  defp exec(path, args, opts) do
    apply(:exec, :run, [Enum.map([path | args], &String.to_charlist/1), opts])
  end
end
