defmodule Linx.Sandbox.Limits do
  @moduledoc """
  What the workload may use.

      iex> limits = Linx.Sandbox.Limits.add(Linx.Sandbox.Limits.new(), nofile: 256, core: 0, time: 500)
      iex> context = %{mode: :spawn, namespaces: [], uid: 0, gid: 0}
      iex> Linx.Sandbox.Limits.request(limits, context)
      {:ok, %{rlimits: [{:nofile, 256, 256}, {:core, 0, 0}], timeout: 500}}

  Memory, processes and CPU are limited for all processes of the session together, by a cgroup of its own.
  It is one of version 2, unless the controller is in a hierarchy of version 1: then it is one there
  (`Linx.Cgroup`). Nothing takes its place where none is to be had, as for an ordinary user without a
  delegated cgroup: the session ends with an error before anything runs.

  The limits of getrlimit(2) hold for each process by itself, and those on `:nproc` for each user.
  """

  @behaviour Linx.Sandbox.Part

  alias Linx.Cgroup
  alias Linx.Process.Options.{Limits, Values}
  alias Linx.Sandbox.Size

  defstruct given: []

  @type t :: %__MODULE__{given: [{atom, term}]}

  @cgroup [:memory, :swap, :pids, :cpu, :cpu_weight, :cpuset]
  @process [:nice, :umask, :cpus, :time, :cgroup, :controls, :rlimits]
  # Two names of getrlimit(2) mean something else here, and are to be had in :rlimits.
  @rlimits Limits.names() -- (@cgroup ++ @process)
  @in_bytes [:as, :core, :data, :fsize, :memlock, :msgqueue, :rss, :stack]
  @controllers Linx.Protocol.names().controller
  @max_weight 10_000

  @doc "Adds limits; of what is given several times the last counts."
  @spec add(t, term) :: t
  def add(%__MODULE__{given: given} = limits, more) do
    more = if Keyword.keyword?(more), do: more, else: [limit: more]
    %{limits | given: Enum.reduce(more, given, &List.keystore(&2, elem(&1, 0), 0, &1))}
  end

  @impl true
  def new, do: %__MODULE__{}

  @impl true
  def namespaces(%__MODULE__{}), do: []

  @impl true
  def request(%__MODULE__{given: []}, _context), do: {:ok, %{}}

  def request(%__MODULE__{given: given}, _context) do
    with {:ok, values} <- values(given), :ok <- swap(values) do
      {:ok, values |> Enum.reduce(%{}, &put/2) |> put_controls(values)}
    end
  end

  defp values(given) do
    Enum.reduce_while(given, {:ok, []}, fn {what, value}, {:ok, values} ->
      case value(what, value) do
        {:ok, value} -> {:cont, {:ok, [{what, value} | values]}}
        :error -> {:halt, {:error, {:bad_sandbox, {what, value}}}}
      end
    end)
    |> case do
      {:ok, values} -> {:ok, Enum.reverse(values)}
      error -> error
    end
  end

  defp value(what, size) when what in [:memory, :swap], do: Size.bytes(size)
  defp value(:pids, count), do: good(count, is_integer(count) and count >= 1)
  defp value(:cpu, cpus), do: good(cpus, is_number(cpus) and cpus > 0 and cpus <= 8192)

  defp value(:cpu_weight, weight),
    do: good(weight, is_integer(weight) and weight in 1..@max_weight)

  defp value(what, cpus) when what in [:cpus, :cpuset], do: good(cpus, Limits.cpus?(cpus))
  defp value(:nice, nice), do: good(nice, Limits.nice?(nice))
  defp value(:umask, mask), do: good(mask, Limits.umask?(mask))
  defp value(:time, ms), do: good(ms, Values.timeout?(ms))
  defp value(:cgroup, parent), do: good(parent, Values.cgroup?(parent, :spawn))

  defp value(:controls, list) do
    good(list, is_list(list) and not List.improper?(list) and Enum.all?(list, &control?/1))
  end

  defp value(:rlimits, limits) do
    with {:error, _} <- Limits.rlimits(limits), do: :error
  end

  defp value(name, limit) when name in @rlimits do
    with {:ok, limit} <- rlimit(name, limit),
         {:ok, [limit]} <- Limits.rlimits([{name, limit}]) do
      {:ok, limit}
    else
      _ -> :error
    end
  end

  defp value(_what, _value), do: :error

  defp rlimit(name, {soft, hard}) do
    with {:ok, soft} <- rlimit(name, soft),
         {:ok, hard} <- rlimit(name, hard),
         do: {:ok, {soft, hard}}
  end

  defp rlimit(name, size) when name in @in_bytes and is_binary(size), do: Size.bytes(size)
  defp rlimit(_name, limit), do: {:ok, limit}

  defp control?({file, value}) do
    text?(file) and text?(value) and file =~ ~r{\A[^./]+\.[^/]*\z} and
      (not String.starts_with?(file, "cgroup.") or String.starts_with?(file, "cgroup.max."))
  end

  defp control?({controller, file, value}) do
    controller in @controllers and control?({file, value}) and
      String.starts_with?(file, "#{controller}.")
  end

  defp control?(_other), do: false

  defp text?(text), do: is_binary(text) and text != "" and not String.contains?(text, "\0")

  defp good(value, true), do: {:ok, value}
  defp good(_value, false), do: :error

  # Version 1 knows no limit on swap alone.
  defp swap(values) do
    if values[:swap] != nil and values[:memory] == nil,
      do: {:error, {:bad_sandbox, {:swap, values[:swap]}}},
      else: :ok
  end

  defp put({:time, ms}, keys), do: Map.put(keys, :timeout, ms)
  defp put({:rlimits, limits}, keys), do: put_rlimits(keys, limits)
  defp put({name, limit}, keys) when name in @rlimits, do: put_rlimits(keys, [limit])
  defp put({what, _value}, keys) when what in [:controls | @cgroup], do: keys
  defp put({what, value}, keys), do: Map.put(keys, what, value)

  defp put_rlimits(keys, limits),
    do: Map.put(keys, :rlimits, Limits.merge(keys[:rlimits], limits))

  # Memory comes ahead of swap: version 1 does not let their sum be less than memory alone.
  defp put_controls(keys, values) do
    mounts = if Enum.any?(values, &(elem(&1, 0) in @cgroup)), do: Cgroup.mounts(), else: []

    asked =
      for what <- @cgroup, value = values[what] do
        value = if what == :swap, do: {values[:memory], value}, else: value
        Cgroup.controls(what, value, &Cgroup.version(&1, mounts))
      end

    case Enum.concat(asked) ++ Keyword.get(values, :controls, []) do
      [] -> keys
      controls -> Map.put(keys, :cgroup_controls, controls)
    end
  end
end
