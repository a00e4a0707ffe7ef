defmodule Linx.Command do
  @moduledoc """
  A command line made ready: where its program is, what it inherits, and what is to be done with its
  output.

      iex> command = Linx.Command.new!("/bin/sh", ["-c", "exit 3"], cd: "/", arg0: "shell")
      iex> {command.path, command.argv, command.session[:cwd]}
      {"/bin/sh", ["shell", "-c", "exit 3"], "/"}

  `Linx.cmd/3` says what the options are. Directory, environment and `PATH` are those that the BEAM has
  when `new!/3` is called; what an agent inherited when it was started does not matter.
  """

  alias Linx.Command.{Environment, Lookup}
  alias Linx.Log
  alias Linx.Process.Options
  alias Linx.Sandbox

  @type stderr :: :inherit | :merge | :separate

  @typedoc "What is done while the command is parked, with its session and pid."
  @type checkpoint :: (pid, pos_integer -> :ok)

  @typedoc """
  `prefork` says that a warm script runs it, so that there is no program to be found: `path` is empty, and of
  `argv` only what follows the first is passed on. `session` are the options of the command's session, but for `:argv` and `:stdio`, which a pipeline
  has its own idea of; `into` is `nil` where none was given.
  """
  @type t :: %__MODULE__{
          name: String.t(),
          path: Path.t() | nil,
          prefork: boolean,
          argv: [String.t(), ...],
          stderr: stderr,
          session: keyword,
          into: Collectable.t() | nil,
          lines: boolean,
          input: iodata | Enumerable.t() | nil,
          timeout: timeout,
          log: Log.t() | nil,
          checkpoint: checkpoint | nil,
          max_output: pos_integer | :infinity
        }

  @enforce_keys [:name, :argv]
  defstruct [
    :name,
    :path,
    :argv,
    :into,
    :input,
    :log,
    :checkpoint,
    prefork: false,
    stderr: :inherit,
    session: [],
    lines: false,
    timeout: :infinity,
    max_output: :infinity
  ]

  # The longest that `receive` waits.
  @max_timeout 0xFFFF_FFFF

  # Decided here, or by who asks.
  @reserved [:argv, :path, :stdio, :cwd, :owner, :tag, :linger, :auto_proceed, :active]

  @doc """
  Checks a command and its options.

  Raises `ArgumentError` for what cannot be meant, `ErlangError` with `:enoent` where there is no such
  program on the `PATH`.
  """
  @spec new!(String.t(), [String.t()], keyword) :: t
  def new!(name, args, opts) when is_binary(name) and is_list(args) and is_list(opts) do
    no_nul!(name, "command")
    Enum.each(args, &argument!/1)
    path = find!(name, opts[:sandbox])
    command = %__MODULE__{name: name, path: absolute(path), argv: [path | args]}

    # What is changed in the environment depends on whose it is.
    opts
    |> Enum.sort_by(&(not match?({:sandbox, _}, &1)))
    |> Enum.reduce(command, &option/2)
    |> inherit_cwd()
    |> inherit(:env, fn -> Environment.merge(environment(opts[:sandbox]), []) end)
    |> check_session!()
  end

  @doc """
  Checks the arguments and options of what a warm script is to run, `name` being what errors call it.

  Where the script is has still to be said: `lead_to/3`. Raises as `new!/3` does.
  """
  @spec run_of!(String.t(), [String.t()], keyword) :: t
  def run_of!(name, args, opts) when is_binary(name) and is_list(args) and is_list(opts) do
    Enum.each(args, &argument!/1)
    for {key, _value} = given <- opts, key in [:cd, :arg0, :prefork, :agent], do: invalid!(given)
    command = %__MODULE__{name: name, argv: [name | args], prefork: true}

    opts
    |> Enum.reduce(command, &option/2)
    |> inherit(:env, fn -> Environment.merge(Environment.current(), []) end)
    |> check_session!()
  end

  @doc "The same with where its script is: a session of the same agent, and what leads to it."
  @spec lead_to(t, pid, {:connect, String.t()}) :: t
  def lead_to(%__MODULE__{prefork: true} = command, session, how),
    do: command |> session(:agent, session) |> session(:prefork, how)

  @doc """
  The options of a session that runs the command with this stdio.
  """
  @spec session_options(t, keyword) :: keyword
  def session_options(%__MODULE__{prefork: true} = command, stdio),
    do: [argv: tl(command.argv), stdio: stdio] ++ command.session

  def session_options(%__MODULE__{} = command, stdio) do
    program = if hd(command.argv) == command.path, do: [], else: [path: command.path]
    program ++ [argv: command.argv, stdio: stdio] ++ command.session
  end

  # As `System.cmd/3` looks for it: what is not absolute is looked up along PATH, also "./name".
  defp find!(name, sandbox) do
    cond do
      Path.type(name) == :absolute ->
        name

      root = Sandbox.root_directory(sandbox) ->
        find_below!(root, name, Sandbox.environment(sandbox))

      true ->
        find!(name)
    end
  end

  # The program is one of the sandbox's own.
  defp find_below!(root, name, environment) do
    case Lookup.resolve(name, environment["PATH"], "/", root) do
      {:ok, found} -> found
      {:error, _} -> :erlang.error(:enoent)
    end
  end

  defp find!(name) do
    case :os.find_executable(String.to_charlist(name)) do
      false -> :erlang.error(:enoent)
      path -> Environment.bytes(path, :file.native_name_encoding())
    end
  end

  defp environment(sandbox), do: Sandbox.environment(sandbox) || Environment.current()

  # Not File.cwd!, which is wrong where the BEAM does not take names for UTF-8.
  defp cwd! do
    case :file.get_cwd() do
      {:ok, chars} ->
        Environment.bytes(chars, :file.native_name_encoding())

      {:error, reason} ->
        raise File.Error, reason: reason, action: "get current working directory"
    end
  end

  defp absolute(path) do
    if Path.type(path) == :absolute, do: path, else: Path.join(cwd!(), path)
  end

  defp option({:into, into}, command), do: %{command | into: into}

  defp option({:cd, path}, command) when is_binary(path) and path != "" do
    no_nul!(path, "directory")
    session(command, :cwd, absolute(path))
  end

  defp option({:env, changes}, command) do
    environment = environment(command.session[:sandbox])
    session(command, :env, Environment.merge(environment, changes))
  end

  defp option({:arg0, name}, command) when is_binary(name) do
    no_nul!(name, "arg0")
    %{command | argv: [name | tl(command.argv)]}
  end

  defp option({:stderr_to_stdout, true}, command), do: %{command | stderr: :merge}
  defp option({:stderr_to_stdout, false}, command), do: %{command | stderr: :inherit}
  # How the BEAM schedules a port's work is nothing that a session has.
  defp option({:parallelism, value}, command) when is_boolean(value), do: command

  defp option({:lines, size}, command) when is_integer(size) and size > 0,
    do: %{command | lines: true}

  defp option({:stderr, how}, command) when how in [:inherit, :merge, :separate],
    do: %{command | stderr: how}

  defp option({:input, input}, command), do: %{command | input: input}

  defp option({:log, options} = given, command) do
    case Log.new(options) do
      {:ok, log} -> %{command | log: log}
      :error -> invalid!(given)
    end
  end

  defp option({:checkpoint, fun}, command) when is_function(fun, 2),
    do: %{command | checkpoint: fun}

  defp option({:timeout, timeout}, command)
       when timeout == :infinity or (is_integer(timeout) and timeout in 0..@max_timeout),
       do: %{command | timeout: timeout}

  defp option({:max_output, bytes}, command)
       when bytes == :infinity or (is_integer(bytes) and bytes > 0),
       do: %{command | max_output: bytes}

  @own [:cd, :arg0, :stderr_to_stdout, :parallelism, :lines, :stderr, :timeout] ++
         [:max_output, :checkpoint]

  defp option({key, _value} = given, _command) when key in @own or key in @reserved,
    do: invalid!(given)

  defp option({key, value}, command) when is_atom(key), do: session(command, key, value)

  defp option(other, _command),
    do: raise(ArgumentError, "invalid option #{inspect(other)}, expected a pair")

  defp invalid!({key, value}),
    do: raise(ArgumentError, "invalid option #{inspect(key)} with value #{inspect(value)}")

  defp session(command, key, value),
    do: %{command | session: Keyword.put(command.session, key, value)}

  defp inherit(command, key, current) do
    if Keyword.has_key?(command.session, key),
      do: command,
      else: session(command, key, current.())
  end

  # A sandbox with a file system of its own need not have the BEAM's directory.
  defp inherit_cwd(command) do
    if Sandbox.files?(command.session[:sandbox]),
      do: command,
      else: inherit(command, :cwd, &cwd!/0)
  end

  # All that is not known here is a session's, and is told to be wrong as a session's is.
  defp check_session!(command) do
    # But for the environment, which was made here.
    program = if command.prefork, do: [prefork: {:connect, "script"}], else: [argv: ["/"]]

    case Options.validate(:spawn, program ++ Keyword.delete(command.session, :env)) do
      {:ok, _options} -> command
      {:error, reason} -> raise ArgumentError, Options.Reason.message(reason)
    end
  end

  defp argument!(argument) when is_binary(argument), do: no_nul!(argument, "argument")

  defp argument!(other),
    do:
      raise(ArgumentError, "all arguments of a command must be binaries, got: #{inspect(other)}")

  defp no_nul!(string, what) do
    if String.contains?(string, "\0"),
      do: raise(ArgumentError, "#{what} with a null byte: #{inspect(string)}"),
      else: :ok
  end
end
