defmodule Linx.Run.Runner do
  @moduledoc """
  Runs one workload in the foreground, from checked options to its outcome.

      {:ok, options} = Linx.Run.Options.parse(["--map-root", "id", "-u"])
      {:exited, 0} = Linx.Run.Runner.run(options)

  The calling process owns the session and the BEAM's terminal meanwhile.
  """

  alias Linx.Command.Lookup
  alias Linx.Run.{Checkpoint, Input, Options, Outcome, StdinSocket, Terminal}
  alias Linx.Sandbox

  # How often the terminal is asked for its size. There is no SIGWINCH to be had before OTP 28.
  @size_interval_ms 250
  @default_size {24, 80}
  @end_of_input <<4>>
  # Pieces of output that wait here for a stdout which takes them slowly.
  @pieces 16

  defstruct [:options, :filter, :session, :terminal, :size, pty?: false]

  @doc """
  Runs the command and waits for its end. Signals that `Linx.Run.Signals` traps are passed on to
  it.
  """
  @spec run(Options.t()) :: Outcome.t()
  def run(%Options{} = options) do
    Input.set_binary()
    pty? = if options.pty == :auto, do: Terminal.interactive?(), else: options.pty

    with {:ok, filter} <- Checkpoint.filter(options),
         {:ok, path} <- find_command(options) do
      state = %__MODULE__{options: options, filter: filter, pty?: pty?}
      with_stdin(pty?, &start(state, path, &1))
    end
  end

  defp find_command(%Options{command: [name | _], enter: target, cwd: cwd} = options) do
    inherited = Sandbox.environment(options.sandbox) || System.get_env()
    path = List.keyfind(Enum.reverse(options.env), "PATH", 0, {"PATH", inherited["PATH"]})
    root = if target, do: "/proc/#{target}/root", else: Sandbox.root_directory(options.sandbox)
    Lookup.resolve(name, elem(path, 1), cwd || File.cwd!(), root || "")
  end

  defp with_stdin(true, fun), do: fun.(:pty)

  defp with_stdin(false, fun) do
    with {:ok, stdin} <- StdinSocket.open() do
      try do
        StdinSocket.feed(stdin)
        fun.(stdin: {:connect_unix, stdin.path})
      after
        StdinSocket.close(stdin)
      end
    end
  end

  defp start(%{options: options} = state, path, stdio) do
    opts = [active: @pieces] ++ session_options(options, path, stdio)

    case launch(options.enter, opts) do
      {:ok, session} ->
        try do
          loop(%{state | session: session})
        after
          Linx.Process.stop(session, 0)
        end

      error ->
        error
    end
  end

  defp launch(nil, opts), do: Linx.Process.spawn(opts)
  defp launch(target, opts), do: Linx.Process.enter(target, opts)

  @doc """
  The options of the session: those that were given and no others.
  """
  @spec session_options(Options.t(), Path.t(), term) :: keyword
  def session_options(%Options{command: [_ | arguments]} = options, path, stdio) do
    given = [
      namespaces: if(options.namespaces != [], do: options.namespaces),
      env: environment(options),
      cwd: options.cwd,
      uid: options.uid,
      gid: options.gid,
      rlimits: if(options.rlimits != [], do: Map.new(options.rlimits)),
      nice: options.nice,
      cpus: if(options.cpus != [], do: options.cpus),
      umask: options.umask,
      no_new_privs: if(options.no_new_privs, do: true),
      sandbox: options.sandbox
    ]

    [argv: [path | arguments], stdio: stdio] ++ Enum.reject(given, &match?({_, nil}, &1))
  end

  # A sandbox may have an environment of its own.
  defp environment(%Options{env: []}), do: nil

  defp environment(%Options{env: env, sandbox: sandbox}) do
    Map.merge(Sandbox.environment(sandbox) || System.get_env(), Map.new(env))
  end

  defp loop(state) do
    receive do
      {:linx_process, :ready, host_pid} ->
        at_checkpoint(state, host_pid)

      {:linx_process, :running} ->
        if state.pty?, do: read_input(state.session)
        loop(state)

      {:linx_process, :pty_out, bytes} ->
        if write(bytes) == :ok, do: loop(state), else: {:error, "stdout was closed"}

      {:linx_process, :passive} ->
        Linx.Process.set_active(state.session, @pieces)
        loop(state)

      # A command came too late or too often: the workload is not what was asked for.
      {:linx_process, :refused, code, name} ->
        {:error, Linx.Process.Error.new(code, name)}

      # Exited, signaled, aborted or failed: nothing follows, and the session knows the details.
      message when elem(message, 0) == :linx_process ->
        outcome(state)

      {:forward, signal} ->
        Linx.Process.signal(state.session, signal)
        loop(state)

      :ask_size ->
        Terminal.ask_size(state.terminal)
        loop(state)

      message ->
        loop(size_message(state, message))
    end
  end

  # The process behind `:user` ends when its fd does.
  defp write(bytes) do
    IO.binwrite(:user, bytes)
  rescue
    _ in [ArgumentError, ErlangError] -> :closed
  end

  defp at_checkpoint(state, host_pid) do
    with :ok <- Checkpoint.apply(state.session, host_pid, state.options, state.filter) do
      with_terminal(state, fn state ->
        case Linx.Process.proceed(state.session) do
          :ok -> loop(state)
          # It ended at the checkpoint; the message that says how is on its way.
          {:error, :no_process} -> outcome(state)
          error -> error
        end
      end)
    end
  end

  defp outcome(state) do
    case Linx.Process.wait(state.session) do
      {:ok, outcome} -> outcome
      error -> error
    end
  end

  defp with_terminal(%{pty?: false} = state, fun), do: fun.(state)

  defp with_terminal(state, fun) do
    case Terminal.raw() do
      {:ok, terminal} ->
        try do
          ask_size_later()
          fun.(resized(%{state | terminal: terminal}, Terminal.size(terminal)))
        after
          Terminal.restore(terminal)
        end

      # Asked for with a stdin that is none.
      {:error, _} when state.options.pty == true ->
        fun.(set_size(state, @default_size))

      error ->
        error
    end
  end

  defp read_input(session) do
    spawn_link(fn ->
      Input.each(fn chunk ->
        bytes = if chunk == :eof, do: @end_of_input, else: chunk
        if Linx.Process.pty_write(session, bytes) == :ok, do: :ok, else: :stop
      end)
    end)
  end

  defp size_message(%{terminal: nil} = state, _message), do: state

  defp size_message(state, message) do
    case Terminal.size(state.terminal, message) do
      :other ->
        state

      answer ->
        ask_size_later()
        resized(state, answer)
    end
  end

  defp ask_size_later, do: Process.send_after(self(), :ask_size, @size_interval_ms)

  defp resized(state, {:ok, size}), do: set_size(state, size)
  defp resized(state, :unknown), do: set_size(state, state.size || @default_size)

  defp set_size(%{size: size} = state, size), do: state

  defp set_size(state, {rows, columns} = size) do
    Linx.Process.pty_set_winsize(state.session, {rows, columns, 0, 0})
    %{state | size: size}
  end
end
