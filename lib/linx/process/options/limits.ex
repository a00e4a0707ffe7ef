defmodule Linx.Process.Options.Limits do
  @moduledoc """
  The options that say what a workload may use and how it is scheduled, and their form on the wire.

      iex> Linx.Process.Options.Limits.rlimits(nofile: 256, core: {0, :infinity})
      {:ok, [{:nofile, 256, 256}, {:core, 0, :infinity}]}
      iex> Linx.Process.Options.Limits.rlimits(files: 256)
      {:error, {:bad_rlimits, [files: 256]}}

  Any term may be asked about.
  """

  @names Linx.Protocol.names().rlimit
  @max_limit 0xFFFFFFFFFFFFFFFE
  @max_umask 0o777
  @max_cpu 8191

  @typedoc "A limit of getrlimit(2), in its unit there."
  @type limit :: 0..0xFFFFFFFFFFFFFFFE | :infinity

  @doc "The names of the limits: those of getrlimit(2), without their `RLIMIT_`."
  @spec names() :: [atom]
  def names, do: @names

  @doc "A keyword list or map of limits, each for soft and hard or `{soft, hard}`; no name twice."
  @spec rlimits(term) :: {:ok, [{atom, limit, limit}]} | {:error, {:bad_rlimits, term}}
  def rlimits(map) when is_map(map) and not is_struct(map) do
    with {:error, _} <- map |> Map.to_list() |> rlimits(), do: {:error, {:bad_rlimits, map}}
  end

  def rlimits(list) do
    with true <- is_list(list) and not List.improper?(list),
         limits = Enum.map(list, &rlimit/1),
         true <- :error not in limits and Enum.uniq_by(limits, &elem(&1, 0)) == limits do
      {:ok, limits}
    else
      false -> {:error, {:bad_rlimits, list}}
    end
  end

  defp rlimit({name, {soft, hard}}) when name in @names do
    # An atom is more than any number.
    if limit?(soft) and limit?(hard) and soft <= hard, do: {name, soft, hard}, else: :error
  end

  defp rlimit({name, both}) when name in @names,
    do: if(limit?(both), do: {name, both, both}, else: :error)

  defp rlimit(_other), do: :error

  defp limit?(limit),
    do: limit == :infinity or (is_integer(limit) and limit in 0..@max_limit)

  @doc """
  Two lists of limits as one; of a name in both the second counts.

      iex> Linx.Process.Options.Limits.merge([{:core, 0, 0}, {:nofile, 1, 1}], [{:nofile, 2, 2}])
      [{:core, 0, 0}, {:nofile, 2, 2}]
      iex> Linx.Process.Options.Limits.merge(nil, nil)
      nil
  """
  @spec merge([{atom, limit, limit}] | nil, [{atom, limit, limit}] | nil) ::
          [{atom, limit, limit}] | nil
  def merge(nil, limits), do: limits
  def merge(limits, nil), do: limits

  def merge(first, second),
    do: Enum.reject(first, &List.keymember?(second, elem(&1, 0), 0)) ++ second

  @doc "A nice value."
  @spec nice?(term) :: boolean
  def nice?(nice), do: is_integer(nice) and nice in -20..19

  @doc "A file mode creation mask."
  @spec umask?(term) :: boolean
  def umask?(mask), do: is_integer(mask) and mask in 0..@max_umask

  @doc "A list of CPUs, at least one."
  @spec cpus?(term) :: boolean
  def cpus?(list) do
    is_list(list) and list != [] and not List.improper?(list) and
      Enum.all?(list, &(is_integer(&1) and &1 in 0..@max_cpu))
  end
end
