defmodule Linx.Doctor.Report do
  @moduledoc """
  What `Linx.Doctor.Probe` found on a machine, before anything is concluded from it.

    * `:kernel` - text of `/proc/sys/kernel/osrelease`
    * `:uid` - the effective uid
    * `:capabilities` - a `Linx.Capabilities.State`, or `nil` where it cannot be read
    * `:agent` - `{:ok, version, features}`, `{:missing, path}` or `{:broken, reason}`
    * `:landlock_abi` - of this kernel, 0 where it has none; `nil` where there is no agent to ask
    * `:library_version` - what the agent's version should be
    * `:privileged`, `:unprivileged` - outcome by namespace of starting a program in it, with the
      caller's own rights, and without any through a fresh user namespace
    * `:pty`, `:filter`, `:notify` - outcome of starting a program on a PTY, under a seccomp filter, and
      under one that asks about a system call
    * `:id_maps`, `:hostname`, `:loopback`, `:time_offsets` - outcome of starting a program with the
      caller's own rights and ranges of ids mapped, a host name, a loopback interface and clocks of
      its own
    * `:files` - outcome by what of starting a program with a root of its own, and with a proc, dev,
      overlay and id-mapped bind mounted in it
    * `:presets` - outcome by preset of `Linx.Sandbox` of starting a program in it
    * `:cgroup_limits` - outcome of starting a program with its memory, processes and CPU limited
    * `:namespaces` - namespaces the kernel was built with
    * `:sysctls` - integer by path below `/proc/sys`; absent where the kernel has none
    * `:seccomp_actions` - the actions the kernel knows; `[]` where it has no seccomp
    * `:lsms` - the active security modules, or `nil` where they cannot be read
    * `:cgroups` - the mounted hierarchies
    * `:limits` - soft limits, an integer or `:unlimited`
    * `:ptmx?` - whether `/dev/ptmx` is there
    * `:systemd?` - whether systemd runs the machine
  """

  alias Linx.Capabilities

  @type namespace :: :user | :mount | :uts | :ipc | :cgroup | :net | :time | :pid

  @typedoc "`:untried` carries the reason in words."
  @type outcome :: :ok | {:error, errno :: integer, stage :: atom} | {:untried, String.t()}

  @type cgroup :: %{
          version: 1 | 2,
          path: Path.t(),
          controllers: [String.t()],
          writable: boolean
        }

  @type t :: %__MODULE__{
          kernel: String.t(),
          uid: non_neg_integer,
          capabilities: Capabilities.State.t() | nil,
          agent: {:ok, String.t(), [atom]} | {:missing, Path.t()} | {:broken, String.t()},
          landlock_abi: non_neg_integer | nil,
          library_version: String.t(),
          privileged: %{namespace => outcome},
          unprivileged: %{namespace => outcome},
          pty: outcome,
          filter: outcome,
          notify: outcome,
          id_maps: outcome,
          hostname: outcome,
          loopback: outcome,
          time_offsets: outcome,
          files: %{file => outcome},
          presets: %{preset => outcome},
          cgroup_limits: outcome,
          namespaces: [namespace],
          sysctls: %{String.t() => integer},
          seccomp_actions: [String.t()],
          lsms: [String.t()] | nil,
          cgroups: [cgroup],
          limits: %{open_files: limit, processes: limit},
          ptmx?: boolean,
          systemd?: boolean
        }

  @type limit :: non_neg_integer | :unlimited
  @type file :: :root | :proc | :dev | :overlay | :idmap
  @type preset :: :strict | :container | :build

  @enforce_keys [
    :kernel,
    :uid,
    :capabilities,
    :agent,
    :landlock_abi,
    :library_version,
    :privileged,
    :unprivileged,
    :pty,
    :filter,
    :notify,
    :id_maps,
    :hostname,
    :loopback,
    :time_offsets,
    :files,
    :presets,
    :cgroup_limits,
    :namespaces,
    :sysctls,
    :seccomp_actions,
    :lsms,
    :cgroups,
    :limits,
    :ptmx?,
    :systemd?
  ]
  defstruct @enforce_keys

  @files [:root, :proc, :dev, :overlay, :idmap]
  @presets [:strict, :container, :build]
  @namespaces [:user, :mount, :uts, :ipc, :cgroup, :net, :time, :pid]

  @doc "The eight namespaces by their names in Linx."
  @spec all_namespaces() :: [namespace, ...]
  def all_namespaces, do: @namespaces

  @doc "What is tried of file systems."
  @spec files() :: [file, ...]
  def files, do: @files

  @doc "The presets of `Linx.Sandbox` that confine."
  @spec presets() :: [preset, ...]
  def presets, do: @presets

  @doc """
  The kernel's short name of a namespace, as in `/proc/self/ns` and in sysctls.

      iex> Linx.Doctor.Report.kernel_name(:mount)
      "mnt"
  """
  @spec kernel_name(namespace) :: String.t()
  def kernel_name(:mount), do: "mnt"
  def kernel_name(namespace) when namespace in @namespaces, do: Atom.to_string(namespace)

  @doc """
  What an outcome other than `:ok` says.

      iex> Linx.Doctor.Report.words({:error, 13, :cgroup_mkdir})
      "EACCES in cgroup_mkdir"
  """
  @spec words(outcome) :: String.t()
  def words({:untried, reason}), do: reason

  def words({:error, errno, stage}) do
    case Linx.Errno.to_name(errno) do
      {:ok, name} -> "#{name |> Atom.to_string() |> String.upcase()} in #{stage}"
      :error -> "error #{errno} in #{stage}"
    end
  end

  @doc """
  Whether the agent found a feature of the kernel; `nil` where there is no agent to ask.
  """
  @spec feature(t, atom) :: boolean | nil
  def feature(%{agent: {:ok, _version, features}}, feature), do: feature in features
  def feature(_report, _feature), do: nil

  @doc """
  The path below `/proc/sys` of the limit on a kind of namespace.

      iex> Linx.Doctor.Report.max_sysctl(:user)
      "user/max_user_namespaces"
  """
  @spec max_sysctl(namespace) :: String.t()
  def max_sysctl(namespace), do: "user/max_#{kernel_name(namespace)}_namespaces"
end
