defmodule Linx.Application do
  @moduledoc """
  The `:linx` application: the agents that sessions share.

  Sessions themselves are linked to whoever starts them and belong into its supervision tree.
  """

  use Application

  @impl true
  def start(_type, _arguments) do
    :ok = Linx.Telemetry.decide()
    Linx.Seccomp.Cache.new()
    Supervisor.start_link([Linx.Agent.Pool], strategy: :one_for_one, name: Linx.Supervisor)
  end
end
