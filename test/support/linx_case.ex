defmodule Linx.Case do
  @moduledoc """
  A test on the real kernel.

      defmodule Linx.Integration.SomeTest do
        use Linx.Case

        test "a shell" do
          {_session, _host_pid} = running(argv: sh("exec sleep 60"))
        end
      end

  Each test ends by checking that it has left nothing: no process, no fd or port of the BEAM, no mount,
  no cgroup, no session. Sessions that the test process owns need not be stopped: they end with it.
  """

  use ExUnit.CaseTemplate

  alias Linx.Test.{Leftovers, Parked}

  using do
    quote do
      import Linx.Case
      import Linx.Test.Parked, only: [status: 2, wait_until: 2, assert_gone: 1]
    end
  end

  setup do
    Leftovers.mark()
    # The pool's agent is there before the test, so that it is not taken for a leftover.
    {:ok, _} = Linx.Agent.stats()
    before = Leftovers.look()
    on_exit(fn -> assert_nothing_left(before) end)
  end

  defp assert_nothing_left(before) do
    left = fn -> Leftovers.between(before, Leftovers.look()) end

    try do
      Parked.wait_until(fn -> left.() == [] end, "something is left")
    rescue
      ExUnit.AssertionError ->
        case left.() do
          [] -> :ok
          lines -> flunk("the test left this behind:\n#{Enum.join(lines, "\n")}")
        end
    end
  end

  @doc "Takes all messages that are there."
  @spec mailbox() :: [term]
  def mailbox do
    receive do
      message -> [message | mailbox()]
    after
      0 -> []
    end
  end

  @doc "Input that never comes; who asks for it is told to the caller, as `{:writer, pid}`."
  @spec stuck_input() :: Enumerable.t()
  def stuck_input do
    test = self()

    Stream.repeatedly(fn ->
      send(test, {:writer, self()})
      receive do: (:never -> "")
    end)
  end

  @doc "The argv of a shell that runs a script."
  @spec sh(String.t()) :: [String.t()]
  def sh(script), do: ["/bin/sh", "-c", script]

  @doc "A session that runs, and its workload's pid. The test process is its owner."
  @spec running(keyword) :: {pid, pos_integer}
  def running(options) do
    {:ok, session} = Linx.Process.spawn([auto_proceed: true] ++ options)
    assert_receive {:linx_process, :ready, host_pid}
    assert_receive {:linx_process, :running}
    {session, host_pid}
  end

  @doc "A session at its checkpoint, and its workload's pid."
  @spec parked(keyword) :: {pid, pos_integer}
  def parked(options) do
    {:ok, session} = Linx.Process.spawn(options)
    assert_receive {:linx_process, :ready, host_pid}
    {session, host_pid}
  end

  @doc "Runs options to their end; answers what the workload wrote to fd 1, and the outcome."
  @spec output(keyword) :: {binary, Linx.Process.outcome()}
  def output(options) do
    {path, listener} = listen()
    stdio = [stdout: {:connect_unix, path}]
    # Tagged, and heard to the end: the test process hears of other sessions, too.
    tag = make_ref()
    {:ok, session} = Linx.Process.spawn([auto_proceed: true, tag: tag, stdio: stdio] ++ options)
    {:ok, socket} = :gen_tcp.accept(listener, 5000)
    written = read_all(socket, "")
    outcome = Linx.Process.wait(session, 5000)
    await_end(tag)
    :gen_tcp.close(listener)
    {written, outcome}
  end

  defp await_end(tag) do
    assert_receive message when elem(message, 0) == :linx_process and elem(message, 1) == tag
    if elem(message, 2) in [:ready, :running], do: await_end(tag)
  end

  @doc "A unix socket to connect to, in a directory of its own that anybody may enter."
  @spec listen() :: {Path.t(), port}
  def listen do
    path = Path.join(tmp_dir(), "socket")
    {:ok, listener} = :gen_tcp.listen(0, [:binary, active: false, ifaddr: {:local, path}])
    File.chmod!(path, 0o777)
    {path, listener}
  end

  @doc "Everything that arrives on a socket up to its end."
  @spec read_all(port, binary) :: binary
  def read_all(socket, sofar) do
    case :gen_tcp.recv(socket, 0, 10_000) do
      {:ok, bytes} -> read_all(socket, sofar <> bytes)
      {:error, :closed} -> sofar
    end
  end

  @doc """
  The first of two measures of a test, or the second where the environment has `LINX_TEST_LONG`.

  What takes minutes is not for every run.
  """
  @spec long(value, value) :: value when value: term
  def long(short, long),
    do: if(System.get_env("LINX_TEST_LONG") in [nil, ""], do: short, else: long)

  @doc "A directory that is removed after the test."
  @spec tmp_dir() :: Path.t()
  def tmp_dir do
    path =
      Path.join(System.tmp_dir!(), "linx-#{System.pid()}-#{System.unique_integer([:positive])}")

    File.mkdir!(path)
    File.chmod!(path, 0o755)
    on_exit(fn -> File.rm_rf!(path) end)
    path
  end

  @doc "What identifies a namespace of a process, such as `uts:[4026531838]`."
  @spec namespace(pos_integer | String.t(), atom) :: String.t()
  def namespace(pid, name) do
    file = if name == :mount, do: "mnt", else: name
    File.read_link!("/proc/#{pid}/ns/#{file}")
  end

  @doc "The next message of a session to its owner."
  @spec next_message() :: tuple
  def next_message do
    assert_receive message when elem(message, 0) == :linx_process
    message
  end

  @doc "Every message of a session to its owner from now on, up to the last."
  @spec messages() :: [tuple]
  def messages do
    case next_message() do
      message when elem(message, 1) in [:exited, :signaled, :aborted, :error] -> [message]
      message -> [message | messages()]
    end
  end

  @doc "Fails if a message of a session is there, or comes while a live agent answers a question."
  @spec assert_silence() :: :ok
  def assert_silence do
    {:ok, _} = Linx.Agent.stats()

    receive do
      message when elem(message, 0) == :linx_process -> flunk("unexpected: #{inspect(message)}")
    after
      0 -> :ok
    end
  end

  @doc "Waits until a process has ended and answers why."
  @spec reason_of_end(pid) :: term
  def reason_of_end(pid) do
    monitor = Process.monitor(pid)
    assert_receive {:DOWN, ^monitor, :process, _, reason}, 10_000
    reason
  end
end
