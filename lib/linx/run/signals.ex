defmodule Linx.Run.Signals do
  @moduledoc """
  Signals that are sent to the BEAM, as messages, so that they can be passed on.

      :ok = Linx.Run.Signals.trap()
      receive do {:forward, :sigterm} -> :ok end

  For a BEAM that does nothing else: OTP's own handling of these signals is off from then on.
  SIGINT is not among them, since the emulator keeps it to itself; in raw mode the terminal makes
  none.
  """

  @forwarded [:sigterm, :sighup, :sigquit, :sigusr1, :sigusr2]

  @doc """
  From now on the caller gets `{:forward, name}` for SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and
  SIGUSR2.
  """
  @spec trap() :: :ok
  def trap do
    owner = self()

    # OTP's own handler stops the node at SIGTERM and halts it at SIGUSR1 and SIGQUIT, whoever
    # else handles them.
    :gen_event.delete_handler(:erl_signal_server, :erl_signal_handler, [])

    for signal <- @forwarded do
      {:ok, _} =
        System.trap_signal(signal, fn ->
          send(owner, {:forward, signal})
          :ok
        end)
    end

    :ok
  end
end
