defmodule Linx.Process.Isolation do
  @moduledoc """
  What holds of a session's workload, as the kernel says, see `Linx.Process.isolation/1`.

    * `:pid` - the workload's, as the BEAM counts
    * `:namespaces` - `%{name => :fresh | :shared}`, by comparison with the BEAM's own
    * `:uid`, `:gid` - `{real, effective, saved, file_system}` as the BEAM sees them; `:groups` a list
    * `:uid_map`, `:gid_map` - `[{inside, outside, length}]`
    * `:setgroups` - `:allow` or `:deny`
    * `:loopback` - whether the interface `lo` is up and has its address
    * `:time_offsets` - `{monotonic, boottime}`, nanoseconds that its clocks are ahead of the machine's
    * `:capabilities` - a `Linx.Capabilities.State`
    * `:no_new_privs` - boolean
    * `:seccomp` - `{mode, filters}`, the mode `:disabled`, `:strict` or `:filter`; the number of the
      filters is `nil` before Linux 5.9
    * `:mounts` - a list of `%{target:, type:, source:, options:}`, as the workload sees them
    * `:rlimits` - `%{name => {soft, hard}}` by the names of getrlimit(2)
    * `:cgroups` - `%{controllers => path}`, the key `""` for version 2
    * `:nice`, `:oom_score_adj`, `:cpus` (a list), `:umask`
    * `:landlock` - what was asked for, as the kernel does not tell what rules a process has (landlock(7));
      where that was said to be by best effort, what this kernel's ABI enforces of it, and as `:lacking` the
      names of the rest. Of who has entered a session with rules of its own a list, the session's first

  What the BEAM's user may not read is `:unknown`.
  """

  alias Linx.Capabilities.State
  alias Linx.Landlock
  alias Linx.Process.Isolation.Proc
  alias Linx.Protocol
  alias Linx.User.Pinned

  @fields [:pid, :namespaces, :uid, :gid, :groups, :uid_map, :gid_map, :setgroups] ++
            [:loopback, :time_offsets, :capabilities] ++
            [:no_new_privs, :seccomp, :mounts, :rlimits, :cgroups, :nice, :oom_score_adj] ++
            [:cpus, :umask, :landlock]

  @enforce_keys @fields
  defstruct @fields

  @type unknown :: :unknown
  @type ids ::
          {non_neg_integer, non_neg_integer, non_neg_integer, non_neg_integer}
  @type map_range :: {inside :: non_neg_integer, outside :: non_neg_integer, pos_integer}
  @type mount :: %{
          target: Path.t(),
          type: String.t(),
          source: String.t(),
          options: [String.t()]
        }

  @type t :: %__MODULE__{
          pid: pos_integer,
          namespaces: %{atom => :fresh | :shared | unknown},
          uid: ids,
          gid: ids,
          groups: [non_neg_integer],
          uid_map: [map_range] | unknown,
          gid_map: [map_range] | unknown,
          setgroups: :allow | :deny | unknown,
          loopback: boolean | unknown,
          time_offsets: {monotonic :: integer, boottime :: integer} | unknown,
          capabilities: State.t(),
          no_new_privs: boolean,
          seccomp: {:disabled | :strict | :filter, non_neg_integer | nil},
          mounts: [mount] | unknown,
          rlimits: %{atom => {limit, limit}} | unknown,
          cgroups: %{String.t() => Path.t()} | unknown,
          nice: integer,
          oom_score_adj: integer | unknown,
          cpus: [non_neg_integer],
          umask: non_neg_integer | nil,
          landlock: map | [map | unknown] | nil | unknown
        }
  @type limit :: non_neg_integer | :infinity

  @doc "The names of what is told."
  @spec fields() :: [atom]
  def fields, do: @fields

  @doc """
  Reads what holds of a process; `confinement` is what was asked for.

  `lives?` is asked while the process is held on to: whether the pid is that of the one that is meant.
  `:no_process` where it says no, or the process ends meanwhile.
  """
  @spec read(pos_integer, map, (() -> boolean)) :: {:ok, t} | {:error, :no_process}
  def read(pid, confinement, lives?) do
    Pinned.with_files(pid, ["status"], :read, fn pinned ->
      with true <- lives?.(),
           {:ok, status} <- Proc.status(pid),
           {:ok, stat} <- Proc.stat(pid),
           isolation = read(pid, status, stat, confinement),
           {:ok, _still_there} <- Pinned.read(pinned, "status") do
        {:ok, isolation}
      end
    end)
    |> case do
      {:ok, isolation} -> {:ok, isolation}
      _ -> {:error, :no_process}
    end
  end

  defp read(pid, status, stat, confinement) do
    %__MODULE__{
      pid: pid,
      namespaces: Map.new(Protocol.namespaces(), &{&1, namespace(pid, &1)}),
      uid: Proc.ids(status["Uid"]),
      gid: Proc.ids(status["Gid"]),
      groups: Proc.numbers(status["Groups"]),
      uid_map: Proc.id_map(pid, "uid_map"),
      gid_map: Proc.id_map(pid, "gid_map"),
      setgroups: Proc.setgroups(pid),
      loopback: Proc.loopback(pid),
      time_offsets: Proc.time_offsets(pid),
      capabilities: Proc.capabilities(pid),
      no_new_privs: status["NoNewPrivs"] == "1",
      seccomp: Proc.seccomp(status),
      mounts: Proc.mounts(pid),
      rlimits: Proc.rlimits(pid),
      cgroups: Proc.cgroups(pid),
      nice: stat.nice,
      oom_score_adj: Proc.number(pid, "oom_score_adj"),
      cpus: Proc.cpus(status["Cpus_allowed_list"]),
      umask: Proc.octal(status["Umask"]),
      landlock: landlock(confinement[:landlock])
    }
  end

  defp landlock(layers) when is_list(layers), do: Enum.map(layers, &landlock/1)

  # Nothing is lacking from other rules, or there would be no session.
  defp landlock(%{best_effort: true} = rules) do
    case Landlock.abi() do
      {:ok, abi} ->
        {enforced, lacking} = Landlock.enforced(rules, abi)
        Map.put(enforced, :lacking, lacking)

      {:error, _} ->
        :unknown
    end
  end

  defp landlock(rules), do: rules

  defp namespace(pid, name) do
    file = if name == :mount, do: "mnt", else: Atom.to_string(name)

    case {File.read_link("/proc/#{pid}/ns/#{file}"), File.read_link("/proc/self/ns/#{file}")} do
      {{:ok, same}, {:ok, same}} -> :shared
      {{:ok, _}, {:ok, _}} -> :fresh
      _ -> :unknown
    end
  end

  defimpl Inspect do
    def inspect(isolation, _opts) do
      fresh = for {name, :fresh} <- isolation.namespaces, do: name
      {mode, _filters} = isolation.seccomp
      words = ["pid", isolation.pid, "fresh", inspect(Enum.sort(fresh)), "seccomp", mode]
      "#Linx.Process.Isolation<#{Enum.join(words, " ")}>"
    end
  end
end
