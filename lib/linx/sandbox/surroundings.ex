defmodule Linx.Sandbox.Surroundings do
  @moduledoc """
  What the workload finds in its fresh namespaces, and when it is killed for want of memory.

      iex> surroundings = %{Linx.Sandbox.Surroundings.new() | time_offsets: [boottime: 1]}
      iex> context = %{mode: :spawn, namespaces: [:net, :time], uid: 0, gid: 0}
      iex> Linx.Sandbox.Surroundings.request(surroundings, context)
      {:ok, %{loopback: true, time_offsets: {0, 1_000_000}}}

  Another's namespaces that are entered are as they are: nothing of this is done to them.
  """

  @behaviour Linx.Sandbox.Part

  defstruct [:hostname, :domainname, :loopback, :time_offsets, :oom_score_adj]

  @type t :: %__MODULE__{
          hostname: term,
          domainname: term,
          loopback: term,
          time_offsets: term,
          oom_score_adj: term
        }

  # Half of what a clock of the kernel holds, which is as far as one may be moved.
  @max_offset_ns 0x3FFFFFFFFFFFFFFF
  @clocks [:monotonic, :boottime]

  @impl true
  def new, do: %__MODULE__{}

  @impl true
  def namespaces(%__MODULE__{} = wanted) do
    for {value, namespace} <- [
          {wanted.hostname || wanted.domainname, :uts},
          {wanted.loopback == true, :net},
          {wanted.time_offsets, :time}
        ],
        value,
        do: namespace
  end

  @impl true
  def request(%__MODULE__{} = wanted, context) do
    with {:ok, hostname} <- name(:hostname, wanted.hostname),
         {:ok, domainname} <- name(:domainname, wanted.domainname),
         {:ok, loopback} <- loopback(wanted.loopback, context),
         {:ok, offsets} <- offsets(wanted.time_offsets),
         {:ok, score} <- score(wanted.oom_score_adj) do
      fresh = %{
        hostname: hostname,
        domainname: domainname,
        loopback: loopback,
        time_offsets: offsets
      }

      keys = if context.mode == :spawn, do: Map.to_list(fresh), else: []

      {:ok,
       for({key, value} <- [{:oom_score_adj, score} | keys], value, into: %{}, do: {key, value})}
    end
  end

  defp name(_what, nil), do: {:ok, nil}

  defp name(what, name) do
    if is_binary(name) and byte_size(name) in 1..64 and not String.contains?(name, "\0"),
      do: {:ok, name},
      else: bad(what, name)
  end

  defp loopback(nil, context), do: {:ok, :net in context.namespaces}
  defp loopback(up?, _context) when is_boolean(up?), do: {:ok, up?}
  defp loopback(other, _context), do: bad(:loopback, other)

  defp offsets(nil), do: {:ok, nil}

  defp offsets(list) do
    with true <- Keyword.keyword?(list) and Keyword.keys(list) -- @clocks == [],
         [monotonic, boottime] when is_integer(monotonic) and is_integer(boottime) <-
           Enum.map(@clocks, &(list |> Keyword.get(&1, 0) |> nanoseconds())) do
      {:ok, {monotonic, boottime}}
    else
      _ -> bad(:time_offsets, list)
    end
  end

  defp nanoseconds({:ns, ns}) when is_integer(ns) and abs(ns) <= @max_offset_ns, do: ns
  defp nanoseconds(ms) when is_integer(ms), do: nanoseconds({:ns, ms * 1_000_000})
  defp nanoseconds(_other), do: :error

  defp score(score) when score == nil or (is_integer(score) and score in -1000..1000),
    do: {:ok, score}

  defp score(other), do: bad(:oom_score_adj, other)

  defp bad(what, value), do: {:error, {:bad_sandbox, {what, value}}}
end
