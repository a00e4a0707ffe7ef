defmodule Linx.Capabilities.Constants do
  @moduledoc """
  The names of Linux capabilities and their bit numbers.

      iex> Linx.Capabilities.Constants.to_bit(:cap_net_admin)
      {:ok, 12}

  The kernel numbers capabilities from 0 and only ever appends, so a name and its bit never
  change. This list ends at `:cap_checkpoint_restore` (40, Linux 5.9). A newer kernel may have
  more: such a bit is called `:cap_41`, `:cap_42`, ... up to `:cap_63` here, so that a set that
  was read from the kernel loses nothing on its way through this module.
  """

  import Bitwise

  @names [
    :cap_chown,
    :cap_dac_override,
    :cap_dac_read_search,
    :cap_fowner,
    :cap_fsetid,
    :cap_kill,
    :cap_setgid,
    :cap_setuid,
    :cap_setpcap,
    :cap_linux_immutable,
    :cap_net_bind_service,
    :cap_net_broadcast,
    :cap_net_admin,
    :cap_net_raw,
    :cap_ipc_lock,
    :cap_ipc_owner,
    :cap_sys_module,
    :cap_sys_rawio,
    :cap_sys_chroot,
    :cap_sys_ptrace,
    :cap_sys_pacct,
    :cap_sys_admin,
    :cap_sys_boot,
    :cap_sys_nice,
    :cap_sys_resource,
    :cap_sys_time,
    :cap_sys_tty_config,
    :cap_mknod,
    :cap_lease,
    :cap_audit_write,
    :cap_audit_control,
    :cap_setfcap,
    :cap_mac_override,
    :cap_mac_admin,
    :cap_syslog,
    :cap_wake_alarm,
    :cap_block_suspend,
    :cap_audit_read,
    :cap_perfmon,
    :cap_bpf,
    :cap_checkpoint_restore
  ]

  @last_bit length(@names) - 1
  @unnamed for bit <- (@last_bit + 1)..63, do: :"cap_#{bit}"
  @bits (@names ++ @unnamed) |> Enum.with_index() |> Map.new()
  @by_bit List.to_tuple(@names ++ @unnamed)

  @typedoc "A capability: a name such as `:cap_net_admin`, or `:cap_41` where it has none here."
  @type capability :: atom

  @doc """
  Every named capability, in the order of their bits.

      iex> caps = Linx.Capabilities.Constants.all()
      iex> {length(caps), hd(caps)}
      {41, :cap_chown}
  """
  @spec all() :: [capability, ...]
  def all, do: @names

  @doc """
  The named capability with the highest bit.

      iex> Linx.Capabilities.Constants.last_cap()
      :cap_checkpoint_restore
  """
  @spec last_cap() :: capability
  def last_cap, do: elem(@by_bit, @last_bit)

  @doc """
  The bit number of a capability.

      iex> Linx.Capabilities.Constants.to_bit(:cap_checkpoint_restore)
      {:ok, 40}
      iex> Linx.Capabilities.Constants.to_bit(:net_admin)
      {:error, {:bad_capability, :net_admin}}
  """
  @spec to_bit(capability) :: {:ok, 0..63} | {:error, {:bad_capability, term}}
  def to_bit(capability) do
    case @bits do
      %{^capability => bit} -> {:ok, bit}
      _ -> {:error, {:bad_capability, capability}}
    end
  end

  @doc """
  The capability with a bit number, 0 to 63.

      iex> Linx.Capabilities.Constants.from_bit(21)
      {:ok, :cap_sys_admin}
      iex> Linx.Capabilities.Constants.from_bit(64)
      {:error, {:bad_capability, 64}}
  """
  @spec from_bit(integer) :: {:ok, capability} | {:error, {:bad_capability, term}}
  def from_bit(bit) when bit in 0..63, do: {:ok, elem(@by_bit, bit)}
  def from_bit(other), do: {:error, {:bad_capability, other}}

  @doc """
  The mask of a list or set of capabilities. The first that is none is the error.

      iex> Linx.Capabilities.Constants.to_bits([:cap_chown, :cap_fowner])
      {:ok, 0b1001}
      iex> Linx.Capabilities.Constants.to_bits([:cap_chown, "cap_fowner"])
      {:error, {:bad_capability, "cap_fowner"}}
  """
  @spec to_bits([capability] | MapSet.t(capability)) ::
          {:ok, non_neg_integer} | {:error, {:bad_capability, term}}
  def to_bits(%MapSet{} = capabilities), do: capabilities |> MapSet.to_list() |> to_mask(0)
  def to_bits(capabilities), do: to_mask(capabilities, 0)

  defp to_mask([], mask), do: {:ok, mask}

  defp to_mask([capability | rest], mask) do
    with {:ok, bit} <- to_bit(capability), do: to_mask(rest, mask ||| 1 <<< bit)
  end

  defp to_mask(other, _mask), do: {:error, {:bad_capability, other}}

  @doc """
  The capabilities of a 64-bit mask.

      iex> Linx.Capabilities.Constants.from_bits(0b1001)
      MapSet.new([:cap_chown, :cap_fowner])
  """
  @spec from_bits(non_neg_integer) :: MapSet.t(capability)
  def from_bits(mask) when mask in 0..0xFFFFFFFFFFFFFFFF do
    for bit <- 0..63, (mask >>> bit &&& 1) == 1, into: MapSet.new(), do: elem(@by_bit, bit)
  end
end
