defmodule Linx.Doctor.Whole do
  @moduledoc """
  What `Linx.Doctor.Probe` tries of whole sandboxes: the file systems that they make, id-mapped binds,
  and the presets as they are.
  """

  alias Linx.Doctor.{Report, Trial}
  alias Linx.Sandbox
  alias Linx.Sandbox.Ids

  # Of the system, so that its file system is the one that containers are usually on.
  @source "/usr"

  @doc "Outcomes by what is made: a root, what is mounted in it, an id-mapped bind."
  @spec files(Trial.t(), non_neg_integer) :: %{atom => Report.outcome()}
  def files(trial, uid) do
    maps = own_maps(uid)
    {namespaces, keys} = if uid == 0, do: {[], %{}}, else: {[:user], maps}
    keys = Map.merge(keys, %{namespaces: namespaces ++ [:mount, :pid], root: %{kind: :host}})
    mapped = Map.merge(mapped(uid, maps), %{namespaces: [:user, :mount]})

    for {what, keys, mounts} <- [
          {:root, keys, []},
          {:proc, keys, [%{kind: :proc, target: "/proc", subset: :pid}]},
          {:dev, keys, [%{kind: :dev, target: "/dev"}]},
          {:overlay, keys, [%{kind: :overlay, target: "/tmp", lower: ["/etc", @source]}]},
          {:idmap, mapped, [%{kind: :bind, target: "/tmp", source: @source, idmap: true}]}
        ],
        into: %{},
        do: {what, Trial.request(trial, Map.put(keys, :mounts, mounts))}
  end

  # With an id that is mapped: what nobody owns cannot be made.
  defp own_maps(uid) do
    %File.Stat{gid: gid} = File.stat!("/proc/self")
    %{uid_map: [{0, uid, 1}], gid_map: [{0, gid, 1}]}
  end

  # Root can have others than its own.
  defp mapped(0, own) do
    case Ids.subordinate() do
      {:ok, {first, count}} -> %{uid_map: [{0, first, count}], gid_map: [{0, first, count}]}
      {:error, _} -> own
    end
  end

  defp mapped(_uid, own), do: own

  @doc "Outcomes by preset of running a program in it. Filters are compiled by the pool of agents."
  @spec presets(Trial.t()) :: %{Report.preset() => Report.outcome()}
  def presets(trial), do: Map.new(Report.presets(), &{&1, preset(trial, sandbox(&1))})

  defp sandbox(:container), do: Sandbox.root(Sandbox.new(:container), :host, read_only: true)
  defp sandbox(preset), do: Sandbox.new(preset)

  defp preset(trial, sandbox) do
    with {:ok, _started} <- Application.ensure_all_started(:linx),
         {:ok, keys} <- Sandbox.request(sandbox, :spawn) do
      Trial.request(trial, keys)
    else
      {:error, reason} -> {:untried, "it cannot be asked for: #{inspect(reason)}"}
    end
  end
end
