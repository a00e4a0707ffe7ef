defmodule Linx.Test.Hostile do
  @moduledoc """
  Sessions of every kind, for what must hold in all of them.

      {wire, _agent} = Wire.open_envelope()
      Hostile.open_target(wire)

      for kind <- Hostile.kinds() do
        {_id, _pid} = Hostile.running(wire, kind, Hostile.request(kind))
      end
  """

  import ExUnit.Assertions

  alias Linx.Test.{FixtureProgram, Parked}
  alias Linx.Test.Hostile.Wire

  # The session that the others enter.
  @target 0

  @kinds [
    spawn: %{},
    auto_proceed: %{auto_proceed: true},
    init: %{init: true},
    init_auto_proceed: %{init: true, auto_proceed: true},
    pty: %{stdio: :pty},
    namespaces: %{namespaces: :fresh},
    namespaces_init: %{namespaces: :fresh, init: true},
    enter: %{target: {:session, @target}},
    enter_init: %{target: {:session, @target}, init: true},
    enter_auto_proceed: %{target: {:session, @target}, auto_proceed: true}
  ]

  @doc "The kinds of session, each of which makes its processes in another way."
  @spec kinds() :: [atom]
  def kinds, do: Keyword.keys(@kinds)

  @doc "Those that wait at the checkpoint."
  @spec parked_kinds() :: [atom]
  def parked_kinds, do: for({kind, request} <- @kinds, not automatic?(request), do: kind)

  @doc "The argv of a program that does nothing, opens nothing, and handles no signal."
  @spec idle() :: [String.t()]
  def idle, do: [FixtureProgram.path("idle")]

  @doc "A request of a kind, with a terminal or `/dev/null` for each of its fds."
  @spec request(atom, [String.t()]) :: map
  def request(kind, argv \\ idle())
  def request(:pty, argv), do: %{argv: argv, stdio: :pty}
  def request(_kind, argv), do: %{argv: argv, stdio: :devnull}

  @doc "Every namespace that this user may make."
  @spec fresh() :: [atom]
  def fresh do
    others = Linx.Protocol.namespaces() -- [:user]
    if Parked.own("Uid") == 0, do: others, else: [:user | others]
  end

  @doc "Starts what the kinds that enter go into. Answers its pid."
  @spec open_target(pid, [atom]) :: pos_integer
  def open_target(wire, namespaces \\ fresh()) do
    request = %{argv: idle(), namespaces: namespaces, auto_proceed: true}
    Wire.say(wire, {@target, {:spawn, Map.put(request, :stdio, :devnull)}})
    assert_receive {^wire, {@target, {:status, :spawned, pid}}}
    assert_receive {^wire, {@target, {:status, :ready, _}}}
    assert_receive {^wire, {@target, {:status, :running}}}
    pid
  end

  @doc "What asks for a session of a kind. What the request has goes before what makes the kind."
  @spec term(atom, map) :: {:spawn | :enter, map}
  def term(kind, request) do
    request = Map.merge(with_namespaces(@kinds[kind]), request)
    if Map.has_key?(request, :target), do: {:enter, request}, else: {:spawn, request}
  end

  defp with_namespaces(%{namespaces: :fresh} = request), do: %{request | namespaces: fresh()}
  defp with_namespaces(request), do: request

  @doc "A session at its checkpoint: `{id, host_pid}`."
  @spec parked(pid, atom, map) :: {pos_integer, pos_integer}
  def parked(wire, kind, request) do
    id = System.unique_integer([:positive])
    Wire.say(wire, {id, term(kind, request)})
    assert_receive {^wire, {^id, event}}
    assert {:status, :spawned, pid} = event, "#{kind}: #{inspect(event)}"
    assert_receive {^wire, {^id, {:status, :ready, _}}}
    {id, pid}
  end

  @doc "A session whose program runs: `{id, host_pid}`."
  @spec running(pid, atom, map) :: {pos_integer, pos_integer}
  def running(wire, kind, request) do
    {id, pid} = parked(wire, kind, request)
    unless automatic?(@kinds[kind]), do: Wire.say(wire, {id, :proceed})
    assert_receive {^wire, {^id, event}}
    assert event == {:status, :running}, "#{kind}: #{inspect(event)}"
    {id, pid}
  end

  @doc """
  What a program writes to its stdout until it ends: `{text, last_event}`. The other fds are
  `/dev/null`, or all of them the session's terminal.
  """
  @spec output(pid, atom, map) :: {String.t(), tuple}
  def output(wire, :pty, request) do
    {id, _pid} = running(wire, :pty, request)
    {text, event} = terminal_output(wire, id, "")
    {String.replace(text, "\r\n", "\n"), event}
  end

  def output(wire, kind, request) do
    {path, listener} = Linx.Case.listen()
    stdio = [stdin: :devnull, stdout: {:connect_unix, path}, stderr: :devnull]
    {id, _pid} = running(wire, kind, Map.put(request, :stdio, stdio))
    {:ok, socket} = :gen_tcp.accept(listener, 5000)
    text = Linx.Case.read_all(socket, "")
    assert_receive {^wire, {^id, event}}
    :gen_tcp.close(listener)
    {text, event}
  end

  defp terminal_output(wire, id, text) do
    assert_receive {^wire, {^id, event}}

    case event do
      {:pty_out, bytes} -> terminal_output(wire, id, text <> bytes)
      event -> {text, event}
    end
  end

  @doc """
  A unix socket that takes no connection until `make_room/1`: a session whose stdio is to connect to
  it is held behind the look at what it is to enter, and ahead of entering it.
  """
  @spec full_socket() :: {Path.t(), port}
  def full_socket do
    path = Path.join(Linx.Case.tmp_dir(), "full")
    options = [ifaddr: {:local, path}, backlog: 0, active: false]
    {:ok, listener} = :gen_tcp.listen(0, options)
    # One may wait, so the next one may not.
    {:ok, _client} = :gen_tcp.connect({:local, path}, 0, active: false)
    {path, listener}
  end

  @doc "Takes what fills a socket."
  @spec make_room(port) :: :ok
  def make_room(listener) do
    {:ok, _socket} = :gen_tcp.accept(listener, 5000)
    :ok
  end

  @doc """
  What a program says that is run without a session in between, in the circumstances that are words
  of `start_with`.
  """
  @spec outside([String.t()], [String.t()]) :: String.t()
  def outside(argv, circumstances \\ []) do
    words = circumstances ++ ["--" | argv]
    {text, 0} = System.cmd(FixtureProgram.path("start_with"), words, stderr_to_stdout: true)
    text
  end

  defp automatic?(request), do: Map.get(request, :auto_proceed, false)
end
