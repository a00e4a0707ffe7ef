defmodule Linx.Bench.Proc do
  @moduledoc """
  What /proc says about the processes of this node: who they are, their memory, their CPU time.
  """

  @doc """
  The pid, name and parent in a `/proc/PID/stat` line. A name may hold spaces and parentheses.

      iex> Linx.Bench.Proc.parse_stat("7 (a) b) S 3 7 7 0")
      {7, "a) b", 3}
  """
  @spec parse_stat(String.t()) :: {pos_integer, String.t(), non_neg_integer}
  def parse_stat(line) do
    [_, pid, name, parent] = Regex.run(~r/^(\d+) \((.*)\) \S (\d+)/s, line)
    {String.to_integer(pid), name, String.to_integer(parent)}
  end

  @doc """
  The `Pss` line of a `/proc/PID/smaps_rollup`, in kB.

      iex> Linx.Bench.Proc.parse_pss("Rss:  9 kB\\nPss:                  12 kB\\n")
      12
  """
  @spec parse_pss(String.t()) :: non_neg_integer
  def parse_pss(text) do
    [_, kilobytes] = Regex.run(~r/^Pss:\s+(\d+) kB$/m, text)
    String.to_integer(kilobytes)
  end

  @doc "Linx's own processes below this node: guards, agents and inits, not workloads."
  @spec agents_and_inits() :: [pos_integer]
  def agents_and_inits do
    all = for dir <- Path.wildcard("/proc/[0-9]*"), stat = read(dir, "stat"), do: parse_stat(stat)
    children = Enum.group_by(all, fn {_, _, parent} -> parent end)

    for {pid, name, _} <- descendants(children, String.to_integer(System.pid())),
        String.starts_with?(name, "linx_"),
        do: pid
  end

  @doc "The proportional set size of some processes together, in kB. Needs root: agents hide theirs."
  @spec pss([pos_integer]) :: non_neg_integer
  def pss(pids) do
    pids
    |> Enum.map(fn pid -> "/proc/#{pid}/smaps_rollup" |> File.read!() |> parse_pss() end)
    |> Enum.sum()
  end

  @doc "The CPU time that all threads of some processes have had, in nanoseconds."
  @spec cpu_time([pos_integer]) :: non_neg_integer
  def cpu_time(pids) do
    Enum.sum(
      for pid <- pids,
          file <- Path.wildcard("/proc/#{pid}/task/*/schedstat"),
          {:ok, text} <- [File.read(file)],
          do: text |> String.split() |> hd() |> String.to_integer()
    )
  end

  @doc "The load averages of the machine, as the kernel prints them."
  @spec load() :: String.t()
  def load do
    "/proc/loadavg" |> File.read!() |> String.split() |> Enum.take(3) |> Enum.join(" ")
  end

  defp descendants(children, pid) do
    Enum.flat_map(Map.get(children, pid, []), fn {child, _, _} = process ->
      [process | descendants(children, child)]
    end)
  end

  # A process may end between being listed and being read.
  defp read(dir, file) do
    case File.read(Path.join(dir, file)) do
      {:ok, text} -> text
      {:error, _} -> nil
    end
  end
end
