defmodule Linx.Process.Launch do
  @moduledoc """
  From valid options to a session: an agent is chosen, the request is made, the process is started.

      {:ok, options} = Linx.Process.Options.validate(:spawn, argv: ["/bin/true"])
      {:ok, session} = Linx.Process.Launch.start(options, nil)

  All of it is the caller's work, so that a session's process starts small and no other process is
  asked unless an agent has to be started first.
  """

  alias Linx.Agent.Pool
  alias Linx.Process.{Error, Options, Session}
  alias Linx.Protocol

  @typedoc """
  What is to be entered: nothing, a host pid, or a session of the agent whose place is given.
  """
  @type target :: nil | pos_integer | {Pool.place(), target_id :: pos_integer}

  @attempts 3
  @emsgsize 90

  @doc """
  Starts a session, linked to the caller. `{:error, :closed}` where the agent of the target is gone.
  """
  @spec start(Options.t(), target) :: {:ok, pid} | {:error, term}
  def start(%Options{agent: :dedicated} = options, target),
    do: start_at(:dedicated, options, target)

  def start(%Options{agent: session} = options, target) when is_pid(session) do
    with {:ok, {agent, port}} <- Session.agent(session),
         {:ok, id} <- Pool.new_id(),
         {:error, :closed} <- start_at({agent, port, id}, options, target) do
      {:error, :no_process}
    end
  end

  def start(options, {place, target_id}), do: start_at(place, options, {:session, target_id})
  def start(options, target), do: start_somewhere(options, target, @attempts)

  @doc """
  Starts sessions with one agent, in this order, linked to the caller: the commands of a pipeline.

  Where one cannot be started, the others are gone when the error is answered.
  """
  @spec start_together([Options.t(), ...]) :: {:ok, [pid]} | {:error, term}
  def start_together([options]) do
    with {:ok, session} <- start(options, nil), do: {:ok, [session]}
  end

  def start_together(all), do: start_together(all, @attempts)

  defp start_together(_all, 0), do: {:error, Error.new(1, :agent_died)}

  defp start_together(all, attempts) do
    with {:ok, {agent, port, _id}} <- Pool.checkout(),
         {:error, :closed} <- start_each(all, {agent, port}, []) do
      Pool.leave(agent, port)
      start_together(all, attempts - 1)
    end
  end

  defp start_each([], _where, sessions), do: {:ok, Enum.reverse(sessions)}

  defp start_each([options | rest], {agent, port} = where, sessions) do
    with {:ok, id} <- Pool.new_id(),
         {:ok, session} <- start_at({agent, port, id}, options, nil) do
      start_each(rest, where, [session | sessions])
    else
      {:error, reason} ->
        for session <- sessions, do: Linx.Process.stop(session, 0)
        Enum.each(sessions, &GenServer.stop/1)
        {:error, reason}
    end
  end

  # An agent may die between being found and being written to.
  defp start_somewhere(_options, _target, 0), do: {:error, Error.new(1, :agent_died)}

  defp start_somewhere(options, target, attempts) do
    with {:ok, {agent, port, _id} = place} <- Pool.checkout(),
         {:error, :closed} <- start_at(place, options, target) do
      Pool.leave(agent, port)
      start_somewhere(options, target, attempts - 1)
    end
  end

  defp start_at(place, options, target) do
    frame = Protocol.encode(id(place), {options.mode, request(options.request, target)})

    if byte_size(frame) <= Protocol.max_frame(),
      do: Session.start(options, place, frame),
      else: {:error, Error.new(@emsgsize, :request_too_big)}
  end

  defp id(:dedicated), do: nil
  defp id({_agent, _port, id}), do: id

  defp request(request, nil), do: request
  defp request(request, target), do: Map.put(request, :target, target)
end
