defmodule Linx.Run.Values do
  @moduledoc """
  How the values of `mix linx.run`'s options are read.

      iex> Linx.Run.Values.read(:cpus, "0,2-3")
      {:ok, [0, 2, 3]}
      iex> Linx.Run.Values.read({0, 7}, "8")
      :error
      iex> Linx.Run.Values.expected({0, 7})
      "0..7"
  """

  alias Linx.Capabilities.Constants
  alias Linx.Process.Options.Limits
  alias Linx.Sandbox.Preset

  @namespaces Linx.Protocol.namespaces()

  @typedoc "What an option takes; a pair is a range of decimal numbers."
  @type kind ::
          {integer, integer}
          | :path
          | :variable
          | :namespaces
          | :capabilities
          | :syscalls
          | :rlimit
          | :cpus
          | :mode
          | :preset
          | :name
          | :id
          | :size
          | :fraction
          | :paths
          | :tmpfs
          | {:directory | :bind, keyword}
          | {:limit, atom, kind}

  @doc "The value that a word stands for."
  @spec read(kind, String.t()) :: {:ok, term} | :error
  def read({min, max}, value) when is_integer(min) do
    case Integer.parse(value) do
      {n, ""} when n in min..max -> if value == Integer.to_string(n), do: {:ok, n}, else: :error
      _ -> :error
    end
  end

  def read(:path, ""), do: :error
  def read(:path, path), do: {:ok, path}

  def read(:variable, value) do
    case String.split(value, "=", parts: 2) do
      [name, value] when name != "" -> {:ok, [{name, value}]}
      _ -> :error
    end
  end

  def read(:namespaces, value) do
    names = Map.new(@namespaces, &{Atom.to_string(&1), &1})
    convert_list(value, &Map.fetch(names, &1))
  end

  def read(:capabilities, "all"), do: {:ok, every_capability()}

  def read(:capabilities, value) do
    names = Map.new(every_capability(), &{Atom.to_string(&1), &1})

    convert_list(value, fn name ->
      Map.fetch(names, "cap_" <> (name |> String.downcase() |> String.replace_prefix("cap_", "")))
    end)
  end

  def read(:rlimit, value) do
    with [name, limits] <- String.split(value, "=", parts: 2),
         {:ok, name} <- rlimit_name(name),
         [soft | _] = limits when length(limits) <= 2 <- String.split(limits, ":"),
         given = [{name, {limit(soft), limits |> List.last() |> limit()}}],
         {:ok, _} <- Limits.rlimits(given) do
      {:ok, given}
    else
      _ -> :error
    end
  end

  def read(:cpus, value) do
    with {:ok, parts} <- convert_list(value, &cpu_range/1),
         cpus = Enum.concat(parts),
         true <- Limits.cpus?(cpus) do
      {:ok, cpus}
    else
      _ -> :error
    end
  end

  def read(:mode, value) do
    with {mode, ""} <- Integer.parse(value, 8), true <- Limits.umask?(mode) do
      {:ok, mode}
    else
      _ -> :error
    end
  end

  def read(:preset, value) do
    case Enum.find(Preset.names(), &(Atom.to_string(&1) == value)) do
      nil -> :error
      name -> {:ok, name}
    end
  end

  def read(kind, "") when kind in [:name, :id, :size, :paths], do: :error
  def read(kind, value) when kind in [:name, :size], do: {:ok, value}

  def read(:id, value) do
    case Integer.parse(value) do
      {id, ""} -> {:ok, id}
      _ -> {:ok, value}
    end
  end

  def read(:fraction, value) do
    case Float.parse(value) do
      {fraction, ""} when fraction > 0 -> {:ok, fraction}
      _ -> :error
    end
  end

  def read(:paths, value), do: {:ok, String.split(value, ",")}

  def read(:tmpfs, value) do
    case String.split(value, ":") do
      ["/" <> _ = target] -> {:ok, [{target, []}]}
      ["/" <> _ = target, size] when size != "" -> {:ok, [{target, size: size}]}
      _ -> :error
    end
  end

  def read({:directory, options}, "/" <> _ = path), do: {:ok, {path, options}}
  def read({:directory, options}, path) when path != "", do: {:ok, {Path.expand(path), options}}
  def read({:directory, _options}, ""), do: :error

  def read({:bind, options}, value) do
    case String.split(value, ":") do
      [source] when source != "" ->
        {:ok, [{Path.expand(source), Path.expand(source), options}]}

      [source, "/" <> _ = target] when source != "" ->
        {:ok, [{Path.expand(source), target, options}]}

      _ ->
        :error
    end
  end

  def read({:limit, name, kind}, value) do
    with {:ok, limit} <- read(kind, value), do: {:ok, [{name, limit}]}
  end

  # Whether there is such a call is for the agent to say.
  def read(:syscalls, value) do
    convert_list(value, fn name ->
      if name =~ ~r/^[a-z0-9_]{1,64}$/, do: {:ok, String.to_atom(name)}, else: :error
    end)
  end

  defp convert_list(value, convert) do
    value
    |> String.split(",")
    |> Enum.reduce_while({:ok, []}, fn name, {:ok, items} ->
      case convert.(name) do
        {:ok, item} -> {:cont, {:ok, items ++ [item]}}
        :error -> {:halt, :error}
      end
    end)
  end

  defp rlimit_name(name) do
    case Enum.find(Limits.names(), &(Atom.to_string(&1) == name)) do
      nil -> :error
      name -> {:ok, name}
    end
  end

  defp limit("unlimited"), do: :infinity

  defp limit(text) do
    case Integer.parse(text) do
      {limit, ""} -> limit
      _ -> :error
    end
  end

  # Bounded before it is made into a list.
  defp cpu_range(text) do
    case text |> String.split("-") |> Enum.map(&read({0, 8191}, &1)) do
      [{:ok, cpu}] -> {:ok, [cpu]}
      [{:ok, first}, {:ok, last}] when first <= last -> {:ok, Enum.to_list(first..last)}
      _ -> :error
    end
  end

  defp every_capability, do: 0xFFFFFFFFFFFFFFFF |> Constants.from_bits() |> Enum.to_list()

  @doc "What the values of a kind look like, for people."
  @spec expected(kind) :: String.t()
  def expected({min, max}) when is_integer(min), do: "#{min}..#{max}"
  def expected(:path), do: "a directory"
  def expected(:variable), do: "NAME=VALUE"
  def expected(:namespaces), do: "a list such as user,mount of #{Enum.join(@namespaces, " ")}"
  def expected(:capabilities), do: "a list such as net_admin,sys_chroot, or all"
  def expected(:rlimit), do: "a limit such as nofile=256 or core=0:unlimited"
  def expected(:cpus), do: "a list of CPUs such as 0,2-3"
  def expected(:mode), do: "an octal number such as 027"
  def expected(:preset), do: "one of #{Enum.join(Preset.names(), ", ")}"
  def expected(:name), do: "a name"
  def expected(:id), do: "a name or a number"
  def expected(:size), do: "bytes, or a number with k, m or g such as 256m"
  def expected(:fraction), do: "a number of CPUs such as 0.5"
  def expected(:paths), do: "paths separated by commas"
  def expected(:tmpfs), do: "an absolute path, or one with a size such as /tmp:64m"
  def expected({:directory, _options}), do: "a directory"
  def expected({:bind, _options}), do: "a path, or two such as /srv/job:/work"
  def expected({:limit, _name, kind}), do: expected(kind)
  def expected(:syscalls), do: "a list of system calls such as ptrace,mount"
end
