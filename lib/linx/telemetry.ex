defmodule Linx.Telemetry do
  @moduledoc """
  The `:telemetry` events of sessions, where that library is there.

  Linx does not depend on it. When the application starts it looks whether a module `:telemetry`
  can be loaded; if not, no event is made.

      :telemetry.attach("slow", [:linx, :process, :stop], &MyApp.Slow.handle/4, nil)

  | event | when | measurements |
  |---|---|---|
  | `[:linx, :process, :spawn]` | the request is on its way to the agent | `:system_time`, `:monotonic_time` |
  | `[:linx, :process, :ready]` | the workload is parked, or past that by itself | `:duration` |
  | `[:linx, :process, :running]` | its program runs | `:duration` |
  | `[:linx, :process, :paused]`, `[:linx, :process, :resumed]` | as it says | `:duration` |
  | `[:linx, :process, :stop]` | it has ended | `:duration`, and what it used: `:wall_us`, `:utime_us`, `:stime_us`, `:max_rss_kb`, `:minor_faults`, `:major_faults`, `:voluntary_switches`, `:involuntary_switches` |

  Every `:duration` counts from the session's start, in native units
  (`System.convert_time_unit/3`). What a workload used is missing where nobody could see its end.

  The metadata are `:session` (its pid), `:mode` (`:spawn` or `:enter`), `:host_pid` (`nil` before
  there is one), `:tag` where there is one, and for `:stop` also `:result` as in `Linx.Process.Info`,
  `:timed_out?` and `:core_dumped`.

  Handlers run in the session's process, after its owner was told. A session that is killed, and one
  that leaves its workload alone (`orphan_policy: :linger`), makes no `:stop`.
  """

  alias Linx.Process.Machine

  @compile {:no_warn_undefined, :telemetry}

  @typedoc "What goes into the metadata of each event of a session; `nil` where none are made."
  @type watch :: map | nil

  @doc """
  Looks whether there is somebody to tell. Called when the application starts.
  """
  @spec decide() :: :ok
  def decide do
    there? = Code.ensure_loaded?(:telemetry) and function_exported?(:telemetry, :execute, 3)
    :persistent_term.put(__MODULE__, there?)
  end

  @doc "For a session's process: its session has started."
  @spec started(Machine.t(), {:ok, tag :: term} | :error) :: watch
  def started(machine, tag) do
    if :persistent_term.get(__MODULE__, false) do
      watch = metadata(tag)
      times = %{system_time: System.system_time(), monotonic_time: machine.started_at}
      execute(:spawn, times, watch, machine)
      watch
    end
  end

  defp metadata({:ok, tag}), do: %{session: self(), tag: tag}
  defp metadata(:error), do: %{session: self()}

  @doc "For a session's process: what was decided has been done."
  @spec changed(watch, before :: Machine.t(), now :: Machine.t()) :: :ok
  def changed(nil, _before, _now), do: :ok

  def changed(watch, before, now) do
    case event(before, now) do
      nil -> :ok
      :stop -> stop(watch, now)
      event -> execute(event, duration(now), watch, now)
    end
  end

  @doc """
  Which event lies between two states of a session.

      iex> alias Linx.Process.Machine
      iex> parked = Machine.new(mode: :spawn, linger: true, stage: :ready)
      iex> Linx.Telemetry.event(parked, %{parked | stage: :running})
      :running
      iex> Linx.Telemetry.event(parked, parked)
      nil
  """
  @spec event(Machine.t(), Machine.t()) :: :ready | :running | :paused | :resumed | :stop | nil
  def event(%{result: nil}, %{result: result}) when result != nil, do: :stop
  def event(%{stage: stage, paused?: paused?}, %{stage: stage, paused?: paused?}), do: nil
  def event(%{stage: stage}, %{stage: stage, paused?: paused?}) when paused?, do: :paused
  def event(%{stage: stage}, %{stage: stage}), do: :resumed
  def event(_before, %{stage: stage}) when stage in [:ready, :running], do: stage
  def event(_before, _now), do: nil

  defp stop(watch, machine) do
    {core_dumped, usage} = Map.pop(machine.usage || %{}, :core_dumped, false)
    about = %{result: machine.result, timed_out?: machine.timed_out?, core_dumped: core_dumped}
    execute(:stop, Map.merge(usage, duration(machine)), Map.merge(watch, about), machine)
  end

  defp duration(machine), do: %{duration: System.monotonic_time() - machine.started_at}

  defp execute(event, measurements, metadata, machine) do
    metadata = Map.merge(metadata, Map.take(machine, [:mode, :host_pid]))
    _ = :telemetry.execute([:linx, :process, event], measurements, metadata)
    :ok
  end
end
