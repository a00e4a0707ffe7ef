defmodule Linx.Run.Signals do
  @moduledoc false
  # Signals that are sent to the BEAM become messages, so that they can be passed on. SIGINT is not among
  # them: the emulator keeps it to itself. In raw mode the terminal makes none.

  @forwarded [:sigterm, :sighup, :sigquit, :sigusr1, :sigusr2]

  @doc false
  # From now on the caller gets `{:forward, name}` for each.
  @spec trap() :: :ok
  def trap do
    owner = self()

    # OTP's own handler stops the node at SIGTERM and halts it at SIGUSR1 and SIGQUIT, whoever else
    # handles them.
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
