defmodule Linx.Run.Options do
  @moduledoc """
  The command line of `mix linx.run`, from words to a checked struct.

      iex> {:ok, options} = Linx.Run.Options.parse(["--ns", "pid,uts", "--", "ls", "-l"])
      iex> {options.namespaces, options.command}
      {[:pid, :uts], ["ls", "-l"]}

  An option that is given more than once adds to its list, or the last one counts. Whether there
  is such a command, process or system call is not looked at here.
  """

  alias Linx.Process.Options.Limits
  alias Linx.Run.{Sandbox, Values}

  @namespaces Linx.Protocol.namespaces()
  @max_id 4_294_967_294
  @max_pid 2_147_483_647

  defstruct command: [],
            pty: :auto,
            namespaces: [],
            map_root: false,
            enter: nil,
            env: [],
            cwd: nil,
            uid: nil,
            gid: nil,
            rlimits: [],
            nice: nil,
            cpus: [],
            umask: nil,
            caps: :unchanged,
            seccomp: nil,
            no_new_privs: false,
            sandbox: nil

  @type t :: %__MODULE__{
          command: [String.t()],
          pty: :auto | boolean,
          namespaces: [atom],
          map_root: boolean,
          enter: pos_integer | nil,
          env: [{String.t(), String.t()}],
          cwd: Path.t() | nil,
          uid: non_neg_integer | nil,
          gid: non_neg_integer | nil,
          rlimits: [{atom, {Limits.limit(), Limits.limit()}}],
          nice: -20..19 | nil,
          cpus: [non_neg_integer],
          umask: 0..0o777 | nil,
          caps: :unchanged | {:drop | :keep, MapSet.t(atom)},
          seccomp: {:deny | :allow, [atom]} | nil,
          no_new_privs: boolean,
          sandbox: Linx.Sandbox.t() | nil
        }

  # Each word with the field that it sets and how its value is read; a flag has no value.
  @words %{
    "pty" => {:pty, {:flag, true}},
    "no-pty" => {:pty, {:flag, false}},
    "ns" => {:namespaces, :namespaces},
    "all-ns" => {:namespaces, {:flag, :all}},
    "map-root" => {:map_root, {:flag, true}},
    "enter" => {:enter, {1, @max_pid}},
    "env" => {:env, :variable},
    "cwd" => {:cwd, :path},
    "uid" => {:uid, {0, @max_id}},
    "gid" => {:gid, {0, @max_id}},
    "rlimit" => {:rlimits, :rlimit},
    "nice" => {:nice, {-20, 19}},
    "cpus" => {:cpus, :cpus},
    "umask" => {:umask, :mode},
    "cap-drop" => {:cap_drop, :capabilities},
    "cap-keep" => {:cap_keep, :capabilities},
    "no-caps" => {:cap_keep, {:flag, []}},
    "seccomp-deny" => {:deny, :syscalls},
    "seccomp-allow" => {:allow, :syscalls},
    "no-new-privs" => {:no_new_privs, {:flag, true}},
    "sandbox" => {:sandbox, :preset},
    "root" => {:root, {:directory, read_only: true}},
    "root-rw" => {:root, {:directory, read_only: false}},
    "bind" => {:binds, {:bind, read_only: true}},
    "bind-rw" => {:binds, {:bind, read_only: false}},
    "tmpfs" => {:tmpfs, :tmpfs},
    "hostname" => {:hostname, :name},
    "user" => {:user, :id},
    "group" => {:group, :id},
    "memory" => {:limits, {:limit, :memory, :size}},
    "pids" => {:limits, {:limit, :pids, {1, 4_194_304}}},
    "cpu" => {:limits, {:limit, :cpu, :fraction}},
    "time" => {:limits, {:limit, :time, {1, 4_294_967_295}}},
    "readable" => {:readable, :paths},
    "writable" => {:writable, :paths},
    "executable" => {:executable, :paths}
  }

  # Given more than once, these add up; of the others the last one counts.
  @lists [:env, :namespaces, :rlimits, :cpus, :cap_drop, :cap_keep, :deny, :allow] ++
           [:binds, :tmpfs, :limits, :readable, :writable, :executable]

  # An option of the left word with one of the right is a contradiction.
  @exclusive [
    {:cap_drop, :cap_keep, "--cap-drop excludes --cap-keep and --no-caps"},
    {:deny, :allow, "--seccomp-deny excludes --seccomp-allow"},
    {:enter, :map_root, "--enter excludes --map-root: an entered namespace has its maps already"},
    {:sandbox, :map_root, "--sandbox excludes --map-root: it has maps of its own (see --user)"},
    {:sandbox, :enter, "--sandbox excludes --enter: who enters is where his target is"}
  ]

  @doc """
  The options and the command, or a line that says what is wrong.

      iex> Linx.Run.Options.parse(["--uid", "1x", "id"])
      {:error, ~S(invalid option --uid: "1x", expected 0..4294967294)}
  """
  @spec parse([String.t()]) :: {:ok, t} | :help | {:error, String.t()}
  def parse(words) do
    with {:ok, given, command} <- read(words, %{}),
         :ok <- check_exclusive(given),
         :ok <- check_command(command) do
      {:ok, from_given(given, command)}
    end
  end

  defp read(["--" | command], given), do: {:ok, given, command}
  defp read([word | _], _given) when word in ["--help", "-h"], do: :help

  defp read(["--" <> option | rest], given) do
    {word, value} =
      case String.split(option, "=", parts: 2) do
        [word, value] -> {word, value}
        [word] -> {word, nil}
      end

    case Map.fetch(@words, word) do
      {:ok, {field, kind}} -> read_value(word, field, kind, value, rest, given)
      :error -> {:error, "unknown option --#{word} (see mix linx.run --help)"}
    end
  end

  defp read(["-" <> _ = word | _], _given) do
    {:error, "unknown option #{word} (see mix linx.run --help)"}
  end

  defp read(command, given), do: {:ok, given, command}

  defp read_value(_word, field, {:flag, value}, nil, rest, given) do
    read(rest, put(given, field, value))
  end

  defp read_value(word, _field, {:flag, _}, value, _rest, _given) do
    {:error, "invalid option --#{word}: #{inspect(value)}, it takes no value"}
  end

  defp read_value(word, _field, kind, nil, rest, _given) when rest in [[], ["--"]] do
    {:error, "invalid option --#{word}: no value, expected #{Values.expected(kind)}"}
  end

  defp read_value(word, field, kind, nil, [value | rest], given) do
    read_value(word, field, kind, value, rest, given)
  end

  defp read_value(word, field, kind, value, rest, given) do
    case Values.read(kind, value) do
      {:ok, converted} ->
        read(rest, put(given, field, converted))

      :error ->
        {:error, "invalid option --#{word}: #{inspect(value)}, expected #{Values.expected(kind)}"}
    end
  end

  defp put(given, :namespaces, :all), do: Map.put(given, :namespaces, @namespaces)

  defp put(given, field, value) when field in @lists do
    Map.update(given, field, value, &(&1 ++ value))
  end

  defp put(given, field, value), do: Map.put(given, field, value)

  defp check_exclusive(given) do
    case Enum.find(@exclusive, fn {a, b, _} -> given[a] && given[b] end) do
      nil -> :ok
      {_, _, message} -> {:error, message}
    end
  end

  defp check_command([]), do: {:error, "no command (see mix linx.run --help)"}
  defp check_command(["" | _]), do: {:error, "the command is empty"}
  defp check_command(_command), do: :ok

  defp from_given(given, command) do
    namespaces = given |> Map.get(:namespaces, []) |> with_user(given[:map_root])

    __MODULE__
    |> struct(Map.drop(given, [:namespaces]))
    |> Map.merge(%{
      command: command,
      namespaces: Enum.uniq(namespaces),
      caps: caps(given),
      sandbox: Sandbox.of(given),
      seccomp: seccomp(given)
    })
  end

  defp with_user(namespaces, true), do: [:user | namespaces]
  defp with_user(namespaces, _), do: namespaces

  defp caps(%{cap_drop: drop}), do: {:drop, MapSet.new(drop)}
  defp caps(%{cap_keep: keep}), do: {:keep, MapSet.new(keep)}
  defp caps(_given), do: :unchanged

  defp seccomp(%{deny: names}), do: {:deny, Enum.uniq(names)}
  defp seccomp(%{allow: names}), do: {:allow, Enum.uniq(names)}
  defp seccomp(_given), do: nil
end
