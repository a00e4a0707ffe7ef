defmodule Linx.Test.Hostile.Memory do
  @moduledoc """
  What is in a process's memory, as root reads it.
  """

  @chunk 1024 * 1024
  # What the kernel maps into every process, not to be read like this.
  @kernels ["[vvar]", "[vvar_vclock]", "[vsyscall]"]

  @doc "Whether some bytes are anywhere in the memory of a process. Raises where it cannot be read."
  @spec holds?(pos_integer, binary) :: boolean
  def holds?(pid, bytes) do
    {:ok, memory} = :file.open("/proc/#{pid}/mem", [:read, :raw, :binary])

    try do
      regions = for region <- regions(pid), do: search(memory, region, bytes)
      true = length(regions) > 5
      Enum.any?(regions)
    after
      :file.close(memory)
    end
  end

  defp regions(pid) do
    for line <- "/proc/#{pid}/maps" |> File.read!() |> String.split("\n", trim: true),
        [range, rights | rest] = String.split(line),
        String.starts_with?(rights, "r") and List.last(rest) not in @kernels do
      [from, to] = for hex <- String.split(range, "-"), do: String.to_integer(hex, 16)
      {from, to}
    end
  end

  # Chunks overlap, so that nothing is cut in two.
  defp search(_memory, {from, to}, _bytes) when from >= to, do: false

  defp search(memory, {from, to}, bytes) do
    {:ok, chunk} = :file.pread(memory, from, min(@chunk, to - from))

    cond do
      :binary.match(chunk, bytes) != :nomatch -> true
      from + byte_size(chunk) >= to -> false
      true -> search(memory, {from + byte_size(chunk) - byte_size(bytes), to}, bytes)
    end
  end
end
