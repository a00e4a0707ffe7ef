defmodule Linx.Bench.Floor do
  @moduledoc """
  `floor_port` seen from Elixir: the port that bench/floor_port.c describes.

  `open/2` makes the caller the port's only user. `serve/2` starts a process that owns the port and
  answers many, as an agent's owner does for its sessions.
  """

  @doc "Opens a port whose programs are made by `how`, `:vfork` or `:namespaces`."
  @spec open(Path.t(), atom, Path.t()) :: port
  def open(floor_port, how, program) do
    Port.open({:spawn_executable, floor_port}, [
      :binary,
      :nouse_stdio,
      packet: 4,
      args: [Atom.to_string(how), program]
    ])
  end

  @doc "Runs one program and waits for its end."
  @spec run(port) :: :ok
  def run(port) do
    Port.command(port, <<0::32, ?r>>)
    receive do: ({^port, {:data, <<0::32, ?e, 0::32>>}} -> :ok)
  end

  @doc "Starts a program and waits until it runs."
  @spec start(port) :: port
  def start(port) do
    Port.command(port, <<0::32, ?s>>)
    receive do: ({^port, {:data, <<0::32, ?s, _::32>>}} -> port)
  end

  @doc "Kills the program that `start/1` started and waits for its end."
  @spec kill(port) :: :ok
  def kill(port) do
    Port.command(port, <<0::32, ?k>>)
    receive do: ({^port, {:data, <<0::32, ?e, 9::32>>}} -> :ok)
  end

  @doc "Starts the owner of a port for many callers, linked to the caller."
  @spec serve(Path.t(), Path.t()) :: pid
  def serve(floor_port, program) do
    spawn_link(fn -> floor_port |> open(:vfork, program) |> loop(0, %{}) end)
  end

  @doc "Has the owner run one program and waits for its end."
  @spec run_by(pid) :: :ok
  def run_by(owner) do
    send(owner, {:run, self()})
    receive do: ({:ended, ^owner} -> :ok)
  end

  defp loop(port, id, callers) do
    receive do
      {:run, caller} ->
        Port.command(port, <<id::32, ?r>>)
        loop(port, rem(id + 1, 0x1_0000_0000), Map.put(callers, id, caller))

      {^port, {:data, <<ended::32, ?e, 0::32>>}} ->
        {caller, callers} = Map.pop!(callers, ended)
        send(caller, {:ended, self()})
        loop(port, id, callers)
    end
  end
end
