defmodule HttpGroup do
  @moduledoc """
  A small HTTP server in three privileges.

    * The BEAM has the port, and starts and watches the others.
    * Workers parse what strangers send. They have a root of their own, no network but the listening
      socket that they are sent, and nobody's ids. They cannot even write to the log.
    * The logger has one file to write to, open from its start, and nothing else.

        {:ok, server} = HttpGroup.start_link(workers: 4, log: "/tmp/requests.log")
        HttpGroup.port(server)

  `mix run examples/http_group/main.exs` runs it.
  """

  use GenServer

  alias Linx.{Group, Sandbox}

  @directory __DIR__
  @python "/usr/bin/python3"
  @log_fd 100

  # Types of frames.
  @listener 1
  @count 2

  @doc """
  Starts the server.

    * `:log` - path, required
    * `:workers` - how many, default 2
    * `:port` - default 0 for any
    * `:on_loss` - called with the number of a worker and how it ended, default a line on stderr
    * `:max_restarts` - losses within a second, default 10
  """
  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(options), do: GenServer.start_link(__MODULE__, options)

  @doc "The port on which it listens, at 127.0.0.1."
  @spec port(GenServer.server()) :: :inet.port_number()
  def port(server), do: GenServer.call(server, :port)

  @doc "The pid of each worker that runs, by its number."
  @spec workers(GenServer.server()) :: %{pos_integer => pos_integer}
  def workers(server), do: GenServer.call(server, :workers)

  @doc "How many requests the logger has written down."
  @spec requests(GenServer.server()) :: non_neg_integer
  def requests(server), do: GenServer.call(server, :requests)

  @impl true
  def init(options) do
    Process.flag(:trap_exit, true)
    address = [ip: {127, 0, 0, 1}, reuseaddr: true, backlog: 128]
    {:ok, listener} = :gen_tcp.listen(Keyword.get(options, :port, 0), address)

    {:ok, group} =
      Group.start_link(
        roles: [
          logger: [
            argv: [@python, "/app/logger.py"],
            sandbox: sandbox(),
            fds: %{@log_fd => {:file, Keyword.fetch!(options, :log), :append}}
          ],
          worker: [
            argv: [@python, "/app/worker.py"],
            sandbox: sandbox(),
            instances: Keyword.get(options, :workers, 2),
            links: [:logger]
          ]
        ],
        strategy: :one_for_one,
        max_restarts: Keyword.get(options, :max_restarts, 10),
        max_seconds: 1
      )

    {:ok,
     %{
       listener: listener,
       group: group,
       on_loss: Keyword.get(options, :on_loss, &report/2),
       waiting: []
     }}
  end

  # Programs of the system to read, 64 MiB of memory to write to, and no network.
  defp sandbox, do: Sandbox.new(:strict) |> Sandbox.bind(@directory, "/app")

  defp report(number, outcome), do: IO.puts(:stderr, "worker #{number}: #{inspect(outcome)}")

  @impl true
  def handle_call(:port, _from, state), do: {:reply, elem(:inet.port(state.listener), 1), state}

  def handle_call(:workers, _from, state) do
    running = for %{role: :worker, state: :running} = one <- Group.instances(state.group), do: one
    {:reply, Map.new(running, &{&1.number, &1.host_pid}), state}
  end

  # The logger answers later, and every question in its turn.
  def handle_call(:requests, from, state) do
    case Group.send(state.group, {:logger, 1}, @count, "") do
      :ok -> {:noreply, %{state | waiting: state.waiting ++ [from]}}
      {:error, reason} -> {:stop, reason, state}
    end
  end

  @impl true
  def handle_info({:linx_group, group, event}, %{group: group} = state), do: heard(event, state)
  def handle_info({:EXIT, group, reason}, %{group: group} = state), do: {:stop, reason, state}
  def handle_info(_other, state), do: {:noreply, state}

  # Each new worker is sent the port; the BEAM keeps it, so that no connection is refused meanwhile.
  defp heard({:started, :worker, number, _pid}, state) do
    # One that has died again says so in its own way.
    _ = Group.send(state.group, {:worker, number}, @listener, "", fd: state.listener)
    {:noreply, state}
  end

  defp heard({:message, :logger, 1, %{type: @count, payload: count}}, state) do
    [from | waiting] = state.waiting
    GenServer.reply(from, String.to_integer(count))
    {:noreply, %{state | waiting: waiting}}
  end

  defp heard({:lost, :worker, number, outcome}, state) do
    state.on_loss.(number, outcome)
    {:noreply, state}
  end

  # Without a log there is no server.
  defp heard({:lost, :logger, 1, outcome}, state), do: {:stop, {:logger, outcome}, state}
  defp heard(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    if Process.alive?(state.group), do: Group.stop(state.group)
    :gen_tcp.close(state.listener)
  end
end
