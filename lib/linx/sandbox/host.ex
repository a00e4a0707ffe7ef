defmodule Linx.Sandbox.Host do
  @moduledoc """
  Who the BEAM is, and with it its agents: what a sandbox may ask for depends on that.

      iex> is_integer(Linx.Sandbox.Host.self().uid)
      true

  It is looked up once a node: no process changes the ids or capabilities of a BEAM that runs.
  """

  @type t :: %{
          uid: non_neg_integer,
          gid: non_neg_integer,
          capabilities: Linx.Capabilities.State.set()
        }

  @doc "Its ids, and the capabilities that are in effect."
  @spec self() :: t
  def self do
    case :persistent_term.get(__MODULE__, nil) do
      nil ->
        %File.Stat{uid: uid, gid: gid} = File.stat!("/proc/self")
        {:ok, %{effective: capabilities}} = Linx.Capabilities.read(:self)
        host = %{uid: uid, gid: gid, capabilities: capabilities}
        :persistent_term.put(__MODULE__, host)
        host

      host ->
        host
    end
  end
end
