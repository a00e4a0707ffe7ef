defmodule Linx.Test.Doorbells do
  @moduledoc """
  Containers with doorbells in them, and who rings.

      container = container()
      {bell, _probe} = install(container)
      assert ring(container) == {"", 0}
      assert told(bell) == :rung
  """

  import ExUnit.Assertions

  alias Linx.{Doorbell, Sandbox}

  @ms 30_000
  @title "linx-test-bell"

  @doc "What doorbells are called here."
  @spec title() :: String.t()
  def title, do: @title

  @doc "A container whose root has every capability in it."
  @spec container() :: pid
  def container do
    sandbox =
      Sandbox.new()
      |> Sandbox.namespaces([:user, :pid, :uts, :ipc, :net, :cgroup])
      |> Sandbox.user(0)
      |> Sandbox.group(0)
      |> Sandbox.proc()
      |> Sandbox.capabilities({:keep, Linx.Capabilities.Constants.all()})

    tag = make_ref()
    # PID 1 of a namespace is deaf to SIGTERM.
    own = [argv: ["/bin/sleep", "1000"], sandbox: sandbox, stdio: :devnull, tag: tag]
    own = [orphan_policy: {:kill, 0}, auto_proceed: true] ++ own
    {:ok, container} = Linx.Process.spawn(own)
    assert_receive {:linx_process, ^tag, :running}, @ms
    container
  end

  @doc "What a script says inside as the container's root, and its exit code."
  @spec inside(pid, String.t()) :: {String.t(), 0..255}
  def inside(container, script), do: inside_argv(container, Linx.Case.sh(script))

  @doc "The same of a program."
  @spec inside_argv(pid, [String.t()]) :: {String.t(), 0..255}
  def inside_argv(container, argv) do
    options = [active: false, auto_proceed: true, tag: make_ref(), stdio: [stdout: :pipe]]
    {:ok, session} = Linx.Process.enter(container, [argv: argv] ++ options)
    said = for {:stdout, bytes} <- Linx.Process.stream!(session), into: "", do: bytes
    {:ok, {:exited, code}} = Linx.Process.wait(session, @ms)
    {said, code}
  end

  @doc "Rings from inside by name; the code of pkill is 1 where nobody is there, or may be rung."
  @spec ring(pid, String.t()) :: {String.t(), 0..255}
  def ring(container, title \\ @title), do: inside(container, "pkill -HUP -f '^#{title}$'")

  @doc "A doorbell and its probe's pid; the test is told `:acted`."
  @spec install(pid | pos_integer, keyword) :: {pid, pos_integer}
  def install(target, options \\ []) do
    test = self()
    own = [title: @title, on_ring: fn -> send(test, :acted) end, debounce: 0]
    {:ok, bell} = Doorbell.install(target, Keyword.merge(own, options))
    assert_receive {:linx_doorbell, ^bell, {:armed, probe}}, @ms
    {bell, probe}
  end

  @doc "The pid of the next probe."
  @spec again(pid) :: pos_integer
  def again(bell) do
    assert_receive {:linx_doorbell, ^bell, {:armed, probe}}, @ms
    probe
  end

  @doc "The next event of a doorbell."
  @spec told(pid) :: term
  def told(bell) do
    assert_receive {:linx_doorbell, ^bell, event}, @ms
    event
  end
end
