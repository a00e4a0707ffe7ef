defmodule Linx.Sandbox.Preset do
  @moduledoc """
  Where a sandbox starts from: see `Linx.Sandbox.new/1` for what each is for.

  A preset is nothing but calls of `Linx.Sandbox`: whatever it sets can be set again.
  """

  alias Linx.Sandbox
  alias Linx.Sandbox.Files

  @nobody 65_534
  @all Linx.Protocol.namespaces()

  # What programs are made of, and nothing that is about this machine or its users.
  @system ~w(/usr /bin /sbin /lib /lib32 /lib64 /libx32 /etc/alternatives /etc/ld.so.cache)

  @environment %{
    "HOME" => "/tmp",
    "LANG" => "C.UTF-8",
    "PATH" => "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
  }

  # What the container runtimes leave root inside.
  @container_capabilities [:cap_chown, :cap_dac_override, :cap_fowner, :cap_fsetid, :cap_kill] ++
                            [:cap_setgid, :cap_setuid, :cap_setpcap, :cap_net_bind_service] ++
                            [:cap_net_raw, :cap_sys_chroot, :cap_mknod, :cap_audit_write] ++
                            [:cap_setfcap]

  @type name :: :none | :strict | :container | :build

  @doc "The names that `apply_to/2` takes."
  @spec names() :: [name]
  def names, do: [:none, :strict, :container, :build]

  @doc "What `:strict` shows of the host, where it is there."
  @spec system_paths() :: [Path.t()]
  def system_paths, do: @system

  @doc "Adds a preset to a sandbox."
  @spec apply_to(Sandbox.t(), name) :: Sandbox.t()
  def apply_to(sandbox, :none), do: sandbox

  def apply_to(sandbox, :strict) do
    sandbox
    |> Sandbox.namespaces(@all)
    |> Sandbox.user(@nobody)
    |> Sandbox.group(@nobody)
    |> Sandbox.hostname("sandbox")
    |> Sandbox.env(@environment)
    |> Sandbox.root(:tmpfs, size: "1m", read_only: true)
    |> system()
    |> Sandbox.proc(subset: :pid, hidepid: :invisible)
    |> Sandbox.dev()
    |> Sandbox.tmpfs("/tmp", size: "64m")
    |> Sandbox.capabilities(:none)
    |> Sandbox.seccomp(:default)
    |> Sandbox.executable(["/"])
    |> Sandbox.writable("/dev/shm")
    |> Sandbox.access("/dev", [:read_file, :write_file, :read_dir, :ioctl_dev])
    |> Sandbox.scope([:abstract_unix_socket, :signal])
  end

  def apply_to(sandbox, :container) do
    sandbox
    |> Sandbox.namespaces(@all -- [:user, :time])
    |> Sandbox.user(0)
    |> Sandbox.group(0)
    |> Sandbox.hostname("container")
    |> Sandbox.env(Map.put(@environment, "HOME", "/root"))
    |> Sandbox.proc()
    |> Sandbox.sysfs()
    |> Sandbox.dev()
    |> Sandbox.mqueue()
    |> masked()
    |> Sandbox.capabilities({:keep, @container_capabilities})
    |> Sandbox.seccomp(:default)
  end

  def apply_to(sandbox, :build) do
    sandbox
    |> Sandbox.namespaces(@all -- [:user, :net, :time])
    |> Sandbox.hostname("build")
    |> Sandbox.root(:host, read_only: true)
    |> Sandbox.proc()
    |> Sandbox.dev()
    |> masked()
    |> Sandbox.tmpfs("/tmp", size: "1g")
    |> Sandbox.capabilities(:none)
    |> Sandbox.seccomp(:default)
  end

  def apply_to(_sandbox, other) do
    raise ArgumentError,
          "no preset #{inspect(other)}: there are #{Enum.map_join(names(), ", ", &inspect/1)}"
  end

  defp masked(sandbox) do
    sandbox
    |> Sandbox.mask(Files.default_masks())
    |> Sandbox.read_only_path(Files.default_read_only())
  end

  # A link, as /bin is where it has been merged with /usr/bin, is followed: what it leads to is there.
  defp system(sandbox) do
    @system
    |> Enum.filter(&File.exists?/1)
    |> Enum.reduce(sandbox, &Sandbox.bind(&2, &1, &1, []))
  end
end
