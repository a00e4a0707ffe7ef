defmodule Linx.Bench.Awake do
  @moduledoc """
  Keeps the CPUs out of their idle states while something is measured.

  A CPU that has gone to sleep takes its time to wake up, on a virtual machine tens of microseconds,
  since its host has to be asked. All that is measured here consists of short pieces of work with
  waits between them, so without this the figures tell of the machine's sleep more than of the
  programs. The kernel's interface for it is the file `/dev/cpu_dma_latency`: as long as it is open,
  no idle state is used whose way out takes longer than the number of microseconds written to it.
  """

  @path "/dev/cpu_dma_latency"

  @doc """
  Calls `fun` with the CPUs kept awake, where `wanted?`, and answers what it did and its result:
  `:awake`, `:asleep`, or `{:asleep, reason}` where the file cannot be had.
  """
  @spec during(boolean, (() -> result)) :: {:awake | :asleep | {:asleep, File.posix()}, result}
        when result: term
  def during(false, fun), do: {:asleep, fun.()}

  def during(true, fun) do
    # Held by this process: the CPUs may sleep again at the latest when it ends.
    with {:ok, file} <- :file.open(@path, [:write, :raw]),
         :ok <- :file.write(file, <<0::32>>) do
      try do
        {:awake, fun.()}
      after
        :file.close(file)
      end
    else
      {:error, reason} -> {{:asleep, reason}, fun.()}
    end
  end

  @doc "A line about what `during/2` did, for people."
  @spec describe(:awake | :asleep | {:asleep, File.posix()}) :: String.t()
  def describe(:awake), do: "the CPUs were kept out of idle states"
  def describe(:asleep), do: "the CPUs had their idle states"

  def describe({:asleep, reason}),
    do: "the CPUs had their idle states, since #{@path} cannot be had (#{reason}): run as root"
end
