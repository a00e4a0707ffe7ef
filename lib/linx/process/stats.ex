defmodule Linx.Process.Stats do
  @moduledoc """
  What a session uses at the moment: the answer of `Linx.Process.stats/1`.

    * `:cpu_us` - CPU time in microseconds, of all processes that the tree has now and of those that
      they have waited for
    * `:resident_bytes` - memory of all processes of the tree; what they share is counted for each
    * `:processes` - how many the tree has: the workload and what it started
    * `:fds` - file descriptors that the workload has open
    * `:stdin_bytes`, `:stdout_bytes`, `:stderr_bytes`, `:pty_in_bytes`, `:pty_out_bytes` - what went
      through the agent so far; what a workload inherits or has from a file does not

  A field is 0 where there is nothing to count.
  """

  @fields [:cpu_us, :resident_bytes, :processes, :fds] ++
            [:stdin_bytes, :stdout_bytes, :stderr_bytes, :pty_in_bytes, :pty_out_bytes]

  defstruct Enum.map(@fields, &{&1, 0})

  @type t :: %__MODULE__{
          cpu_us: non_neg_integer,
          resident_bytes: non_neg_integer,
          processes: non_neg_integer,
          fds: non_neg_integer,
          stdin_bytes: non_neg_integer,
          stdout_bytes: non_neg_integer,
          stderr_bytes: non_neg_integer,
          pty_in_bytes: non_neg_integer,
          pty_out_bytes: non_neg_integer
        }

  @doc """
  The stats that the agent sends; keys that this version does not know are left out.

      iex> Linx.Process.Stats.new(%{cpu_us: 12, later: 1}).cpu_us
      12
  """
  @spec new(map) :: t
  def new(map), do: struct(__MODULE__, map)
end
