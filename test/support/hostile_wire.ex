defmodule Linx.Test.Hostile.Wire do
  @moduledoc """
  An agent that is driven by hand, byte by byte if need be.

      wire = Wire.open()
      Wire.say(wire, {:spawn, %{argv: ["/bin/true"], auto_proceed: true}})
      assert_receive {^wire, {:status, :exited, 0}}
      assert_receive {^wire, {:exit, 0}}

  Every frame of the agent comes to the process that opened it, as `{wire, term}`, and the end of the
  program as `{wire, {:exit, status}}`. It ends with that process. What a session of the envelope used
  is left out, so that the stories of both forms are the same.
  """

  use GenServer

  import ExUnit.Assertions

  alias Linx.Agent.Program
  alias Linx.Test.{FixtureProgram, Leftovers}

  @doc """
  Starts an agent.

    * `:start_with` - words for the program of that name, which starts the agent in circumstances of
      its own; default none
    * `:program` - path of the agent, default the one that was built
  """
  @spec open(keyword) :: pid
  def open(options \\ []) do
    {:ok, wire} = GenServer.start_link(__MODULE__, {self(), options})
    wire
  end

  @doc "Starts an agent of many sessions. Its own pid is the second element."
  @spec open_envelope(keyword) :: {pid, pos_integer}
  def open_envelope(options \\ []) do
    wire = open(options)
    say(wire, {:hello, 1})
    assert_receive {^wire, {:hello, %{pid: pid}}}
    {wire, pid}
  end

  @doc "Sends a term as a frame."
  @spec say(pid, term) :: :ok
  def say(wire, term), do: write(wire, frame(:erlang.term_to_binary(term)))

  @doc "Sends bytes as they are."
  @spec write(pid, iodata) :: :ok
  def write(wire, bytes), do: GenServer.call(wire, {:write, bytes})

  @doc "The pid of the guard, which is the program that the BEAM knows."
  @spec guard(pid) :: pos_integer
  def guard(wire), do: GenServer.call(wire, :guard)

  @doc "The pid of the agent."
  @spec agent(pid) :: pos_integer
  def agent(wire) do
    guard = guard(wire)
    Linx.Test.Parked.wait_until(fn -> agents(guard) != [] end, "no agent below #{guard}")
    hd(agents(guard))
  end

  defp agents(guard), do: for({pid, ^guard, "linx_process"} <- Leftovers.table(), do: pid)

  @doc "Ends the agent's input, and with it the agent."
  @spec close(pid) :: :ok
  def close(wire), do: GenServer.stop(wire)

  @doc "A body with its length in front."
  @spec frame(iodata) :: iodata
  def frame(body), do: [<<IO.iodata_length(body)::32>> | body]

  @impl true
  def init({owner, options}) do
    program = Keyword.get(options, :program, Program.path())

    {path, args} =
      case Keyword.get(options, :start_with) do
        nil -> {program, []}
        words -> {FixtureProgram.path("start_with"), words ++ ["--", program]}
      end

    settings = [:nouse_stdio, :binary, :exit_status, :stream, args: args]
    {:ok, %{owner: owner, port: Port.open({:spawn_executable, path}, settings), bytes: ""}}
  end

  @impl true
  def handle_call({:write, bytes}, _from, state) do
    # A program that has just ended has closed the port.
    _ = :erlang.port_info(state.port) != :undefined and Port.command(state.port, bytes)
    {:reply, :ok, state}
  end

  def handle_call(:guard, _from, state), do: {:reply, Program.os_pid(state.port), state}

  @impl true
  def handle_info({port, {:data, bytes}}, %{port: port} = state),
    do: {:noreply, %{state | bytes: deliver(state.bytes <> bytes, state.owner)}}

  def handle_info({port, {:exit_status, status}}, %{port: port} = state) do
    send(state.owner, {self(), {:exit, status}})
    {:noreply, state}
  end

  defp deliver(<<size::32, body::binary-size(size), rest::binary>>, owner) do
    case :erlang.binary_to_term(body) do
      {_id, {:usage, _map}} -> :ok
      term -> send(owner, {self(), term})
    end

    deliver(rest, owner)
  end

  defp deliver(rest, _owner), do: rest
end
