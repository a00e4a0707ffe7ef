defmodule Linx.Test.Hostile.Stranger do
  @moduledoc """
  A process that takes another one's pid as soon as it is free, and tells what it was made to suffer
  for it. Needs root.

      stranger = Stranger.take(pid)
      # Whatever is done to the process that had the pid before.
      assert Stranger.fate(stranger) == "untouched"
  """

  import ExUnit.Assertions

  alias Linx.Test.FixtureProgram

  @opaque t :: {stdin :: port, stdout :: port}

  @doc "Waits until the pid is free. The stranger lives in a user namespace of its own, without maps."
  @spec take(pos_integer) :: t
  def take(pid) do
    {path, listener} = Linx.Case.listen()
    stdio = [stdin: {:connect_unix, path}, stdout: {:connect_unix, path}]
    argv = [FixtureProgram.path("stranger"), "#{pid}"]
    # An agent of its own, for what is done to another one's.
    options = [argv: argv, stdio: stdio, auto_proceed: true, tag: :stranger, agent: :dedicated]
    {:ok, _session} = Linx.Process.spawn(options)
    {:ok, stdin} = :gen_tcp.accept(listener, 5000)
    {:ok, stdout} = :gen_tcp.accept(listener, 5000)
    assert {:ok, "here\n"} = :gen_tcp.recv(stdout, 5, 5000)
    {stdin, stdout}
  end

  @doc "Ends the stranger; answers `untouched` or the first signal that it got."
  @spec fate(t) :: String.t()
  def fate({stdin, stdout}) do
    :gen_tcp.close(stdin)
    String.trim(Linx.Case.read_all(stdout, ""))
  end
end
