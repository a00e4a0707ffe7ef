defmodule Linx.Process.Isolation.Proc do
  @moduledoc """
  The files of `/proc/PID` that tell how a process is confined, as terms (proc(5)).

      iex> {:ok, status} = Linx.Process.Isolation.Proc.status(String.to_integer(System.pid()))
      iex> status["Umask"] |> Linx.Process.Isolation.Proc.octal() |> is_integer()
      true
      iex> Linx.Process.Isolation.Proc.cpus("0-2,5")
      [0, 1, 2, 5]
  """

  alias Linx.Capabilities.State
  alias Linx.User.IdMap

  # The names in /proc/PID/limits, by those of getrlimit(2).
  @limits %{
    "Max address space" => :as,
    "Max core file size" => :core,
    "Max cpu time" => :cpu,
    "Max data size" => :data,
    "Max file size" => :fsize,
    "Max file locks" => :locks,
    "Max locked memory" => :memlock,
    "Max msgqueue size" => :msgqueue,
    "Max nice priority" => :nice,
    "Max open files" => :nofile,
    "Max processes" => :nproc,
    "Max resident set" => :rss,
    "Max realtime priority" => :rtprio,
    "Max realtime timeout" => :rttime,
    "Max pending signals" => :sigpending,
    "Max stack size" => :stack
  }

  @doc "The lines of `status` by name."
  @spec status(pos_integer) :: {:ok, %{String.t() => String.t()}} | :error
  def status(pid) do
    with {:ok, text} <- read(pid, "status") do
      lines =
        for line <- String.split(text, "\n", trim: true),
            [name, value] <- [String.split(line, ":", parts: 2)],
            do: {name, String.trim(value)}

      {:ok, Map.new(lines)}
    end
  end

  @doc "The nice value, out of `stat`."
  @spec stat(pos_integer) :: {:ok, %{nice: integer}} | :error
  def stat(pid) do
    with {:ok, text} <- read(pid, "stat") do
      # The name may itself hold brackets and spaces: the fields are counted from its end.
      {at, 2} = text |> :binary.matches(") ") |> List.last()
      rest = binary_part(text, at + 2, byte_size(text) - at - 2)
      {:ok, %{nice: rest |> String.split() |> Enum.at(16) |> String.to_integer()}}
    end
  end

  @doc "A line of four ids."
  @spec ids(String.t()) :: Linx.Process.Isolation.ids()
  def ids(line), do: line |> numbers() |> List.to_tuple()

  @doc "A line of numbers."
  @spec numbers(String.t()) :: [non_neg_integer]
  def numbers(line), do: line |> String.split() |> Enum.map(&String.to_integer/1)

  @doc "A list of CPUs such as `0-3,7`."
  @spec cpus(String.t()) :: [non_neg_integer]
  def cpus(list) do
    for range <- String.split(list, ",", trim: true), cpu <- range(range), do: cpu
  end

  defp range(text) do
    case text |> String.split("-") |> Enum.map(&String.to_integer/1) do
      [first, last] -> Enum.to_list(first..last)
      one -> one
    end
  end

  @doc "An octal number; `nil` where there is none (`Umask` came with Linux 4.7)."
  @spec octal(String.t() | nil) :: non_neg_integer | nil
  def octal(nil), do: nil
  def octal(text), do: String.to_integer(text, 8)

  @doc "The mode and number of filters out of the lines of `status`."
  @spec seccomp(map) :: {:disabled | :strict | :filter, non_neg_integer | nil}
  def seccomp(status) do
    mode =
      case status["Seccomp"] do
        "1" -> :strict
        "2" -> :filter
        _ -> :disabled
      end

    filters = status["Seccomp_filters"]
    {mode, filters && String.to_integer(filters)}
  end

  @doc "The five capability sets."
  @spec capabilities(pos_integer) :: State.t() | :unknown
  def capabilities(pid) do
    case Linx.Capabilities.read(pid) do
      {:ok, state} -> state
      {:error, _} -> :unknown
    end
  end

  @doc "The file `uid_map` or `gid_map`."
  @spec id_map(pos_integer, String.t()) :: [Linx.Process.Isolation.map_range()] | :unknown
  def id_map(pid, file) do
    with {:ok, text} <- read(pid, file), {:ok, ranges} <- IdMap.decode(text) do
      ranges
    else
      _ -> :unknown
    end
  end

  @doc "Whether the user namespace allows setgroups(2)."
  @spec setgroups(pos_integer) :: :allow | :deny | :unknown
  def setgroups(pid) do
    case read(pid, "setgroups") do
      {:ok, "allow" <> _} -> :allow
      {:ok, "deny" <> _} -> :deny
      _ -> :unknown
    end
  end

  @doc "Whether packets to 127.0.0.1 have a way in its net namespace."
  @spec loopback(pos_integer) :: boolean | :unknown
  def loopback(pid) do
    case read(pid, "net/fib_trie") do
      {:ok, text} -> text =~ "|-- 127.0.0.1\n"
      :error -> :unknown
    end
  end

  @doc "What its time namespace adds to the machine's clocks, in nanoseconds."
  @spec time_offsets(pos_integer) :: {integer, integer} | :unknown
  def time_offsets(pid) do
    with {:ok, text} <- read(pid, "timens_offsets"),
         ["monotonic", seconds, ns, "boottime", boot_seconds, boot_ns] <- String.split(text) do
      {nanoseconds(seconds, ns), nanoseconds(boot_seconds, boot_ns)}
    else
      _ -> :unknown
    end
  end

  defp nanoseconds(seconds, ns),
    do: String.to_integer(seconds) * 1_000_000_000 + String.to_integer(ns)

  @doc "A file that holds one number."
  @spec number(pos_integer, String.t()) :: integer | :unknown
  def number(pid, file) do
    case read(pid, file) do
      {:ok, text} -> text |> String.trim() |> String.to_integer()
      :error -> :unknown
    end
  end

  @doc "The limits, in the units of getrlimit(2)."
  @spec rlimits(pos_integer) :: map | :unknown
  def rlimits(pid) do
    case read(pid, "limits") do
      {:ok, text} ->
        for {title, name} <- @limits,
            [_, soft, hard] <- [Regex.run(~r/^#{title} +(\S+) +(\S+)/m, text)],
            into: %{},
            do: {name, {limit(soft), limit(hard)}}

      :error ->
        :unknown
    end
  end

  defp limit("unlimited"), do: :infinity
  defp limit(number), do: String.to_integer(number)

  @doc "The cgroups by hierarchy: its controllers as the file has them, the empty string for version 2."
  @spec cgroups(pos_integer) :: map | :unknown
  def cgroups(pid) do
    case read(pid, "cgroup") do
      {:ok, text} ->
        for line <- String.split(text, "\n", trim: true),
            [_id, controllers, path] <- [String.split(line, ":", parts: 3)],
            into: %{},
            do: {controllers, path}

      :error ->
        :unknown
    end
  end

  @doc "The mounts, in the order in which they were made; each with the options of the mount and of its file system."
  @spec mounts(pos_integer) :: [Linx.Process.Isolation.mount()] | :unknown
  def mounts(pid) do
    case read(pid, "mountinfo") do
      {:ok, text} -> for line <- String.split(text, "\n", trim: true), do: mount(line)
      :error -> :unknown
    end
  end

  defp mount(line) do
    [left, right] = String.split(line, " - ", parts: 2)
    [_id, _parent, _device, _root, target, options | _tags] = String.split(left, " ")
    [type, source, super_options] = String.split(right, " ", parts: 3)

    all =
      Enum.uniq(String.split(options, ",") ++ (String.split(super_options, ",") -- ["rw", "ro"]))

    %{target: unescape(target), type: type, source: unescape(source), options: all}
  end

  # Spaces, tabs, newlines and backslashes are octal there.
  defp unescape(text) do
    Regex.replace(~r/\\([0-7]{3})/, text, fn _, octal -> <<String.to_integer(octal, 8)>> end)
  end

  defp read(pid, file) do
    case File.read("/proc/#{pid}/#{file}") do
      {:ok, text} -> {:ok, text}
      {:error, _} -> :error
    end
  end
end
