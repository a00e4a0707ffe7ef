defmodule Linx.Process.Info do
  @moduledoc """
  What `Linx.Process.info/1` answers.

    * `:mode` - `:spawn` or `:enter`
    * `:stage` - `:starting`, `:spawned`, `:ready` (parked at the checkpoint, or on its way from there
      to exec), `:running`, `:exited`, `:signaled`, `:aborted`, `:errored`
    * `:started_at` - `System.monotonic_time/0` of its node when the session was started
    * `:host_pid` - the workload's pid in the pid namespace of the BEAM, `nil` before `:spawned`. Once
      the workload has ended the number may be another process's
    * `:child_pid` - its pid as it sees it itself, `nil` before `:ready`
    * `:pty?` - whether it has a PTY
    * `:paused?` - whether it is paused, by `Linx.Process.pause/1`
    * `:timed_out?` - whether it was stopped, or is being stopped, because its `:timeout` was over
    * `:result` - how it ended: `{:exited, code}`, `{:signaled, number}`, `:aborted`,
      `{:error, %Linx.Process.Error{}}`; `nil` until then
    * `:usage` - what it used in all, `nil` until it has ended: a map of `:utime_us`, `:stime_us`,
      `:max_rss_kb`, `:minor_faults`, `:major_faults`, `:voluntary_switches`,
      `:involuntary_switches`, `:core_dumped`, of the workload and the children that it waited for,
      and `:wall_us`, the time that it ran. Stays `nil` where nobody could see its end
  """

  @type stage ::
          :starting | :spawned | :ready | :running | :exited | :signaled | :aborted | :errored

  @type result ::
          {:exited, non_neg_integer}
          | {:signaled, pos_integer}
          | :aborted
          | {:error, Linx.Process.Error.t()}

  @type t :: %__MODULE__{
          mode: :spawn | :enter,
          stage: stage,
          started_at: integer | nil,
          host_pid: pos_integer | nil,
          child_pid: pos_integer | nil,
          pty?: boolean,
          paused?: boolean,
          timed_out?: boolean,
          result: result | nil,
          usage: map | nil
        }

  @enforce_keys [:mode, :stage]
  defstruct [:mode, :stage, :started_at, :host_pid, :child_pid, :result, :usage] ++
              [pty?: false, paused?: false, timed_out?: false]

  defimpl Inspect do
    # One line: the stage and the pid are what a person looks for.
    def inspect(info, _opts) do
      paused = if info.paused?, do: [:paused], else: []
      words = [info.mode, info.stage] ++ paused ++ pid(info.host_pid) ++ outcome(info.result)
      "#Linx.Process.Info<#{Enum.join(words, " ")}>"
    end

    defp pid(nil), do: []
    defp pid(host_pid), do: ["pid", host_pid]

    defp outcome({:exited, code}), do: ["with", code]
    defp outcome({:signaled, number}), do: ["by", number]
    defp outcome({:error, error}), do: ["at", error.stage, error.errno || error.code]
    defp outcome(_), do: []
  end
end
