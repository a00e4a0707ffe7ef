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

  @doc "The value that a word stands for."
  @spec read(kind, String.t()) :: {:ok, term} | :error
  def read({min, max}, value) do
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
  def expected({min, max}), do: "#{min}..#{max}"
  def expected(:path), do: "a directory"
  def expected(:variable), do: "NAME=VALUE"
  def expected(:namespaces), do: "a list such as user,mount of #{Enum.join(@namespaces, " ")}"
  def expected(:capabilities), do: "a list such as net_admin,sys_chroot, or all"
  def expected(:rlimit), do: "a limit such as nofile=256 or core=0:unlimited"
  def expected(:cpus), do: "a list of CPUs such as 0,2-3"
  def expected(:mode), do: "an octal number such as 027"
  def expected(:syscalls), do: "a list of system calls such as ptrace,mount"
end
