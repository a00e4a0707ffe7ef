defmodule Linx do
  @moduledoc """
  Runs, isolates, enters and supervises Linux processes.

      iex> {:ok, session} = Linx.spawn(argv: ["/bin/sh", "-c", "exit 3"], auto_proceed: true)
      iex> Linx.wait(session)
      {:ok, {:exited, 3}}

  A program runs as a *session*: an Erlang process that stands for a Linux process, and for everything
  that this one starts. Whichever way a session ends, nothing of it is left running; what its messages
  say is so when they say it.

  The BEAM cannot make such processes itself. A small program, `linx_process`, does it for many
  sessions at once; it is started when it is first needed.

  | | |
  |---|---|
  | `Linx.Process` | sessions: options, messages, verbs, supervision. Start here |
  | `Linx.User` | id maps of a user namespace |
  | `Linx.Capabilities` | what a workload may do as root, or not |
  | `Linx.Seccomp` | which system calls it may make |
  | `Linx.Agent` | the program that does the work, and what it counts |
  | `Linx.Telemetry` | events of sessions for the `:telemetry` library |
  | `mix linx.doctor` | what this machine can do, and what to change |
  | `mix linx.top` | what the sessions of a node are doing |
  | `mix linx.run` | all of it on the command line |

  The functions here are those of `Linx.Process` that a first session needs.
  """

  import Kernel, except: [spawn: 1]

  @doc "See `Linx.Process.spawn/1`."
  @spec spawn(keyword) :: {:ok, pid} | {:error, term}
  defdelegate spawn(opts), to: Linx.Process

  @doc "See `Linx.Process.enter/2`."
  @spec enter(pos_integer | Linx.Process.session(), keyword) :: {:ok, pid} | {:error, term}
  defdelegate enter(target, opts), to: Linx.Process

  @doc "See `Linx.Process.wait/2`."
  @spec wait(Linx.Process.session(), timeout) :: Linx.Process.outcome() | {:error, :timeout}
  defdelegate wait(session, timeout \\ :infinity), to: Linx.Process

  @doc "See `Linx.Process.stop/2`."
  @spec stop(Linx.Process.session(), non_neg_integer) :: Linx.Process.outcome()
  defdelegate stop(session, grace \\ 5000), to: Linx.Process
end
