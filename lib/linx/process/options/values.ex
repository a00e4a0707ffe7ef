defmodule Linx.Process.Options.Values do
  @moduledoc """
  What single options may be, and their form on the wire.

      iex> Linx.Process.Options.Values.env(%{"LANG" => "C"})
      {:ok, ["LANG=C"]}
      iex> Linx.Process.Options.Values.argv(["true"])
      {:error, {:bad_argv, ["true"]}}

  Any term may be asked about. A binary with a NUL in it is never valid: to the kernel the string
  would end there.
  """

  @namespaces Linx.Protocol.namespaces()
  @stdio_fds [:stdin, :stdout, :stderr]
  # 4294967295 means "leave as it is" to the kernel: as an id it would keep root root.
  @max_id 4_294_967_294
  @max_groups 65_536
  @max_grace 4_294_967_295
  @max_window 0x40000000
  @max_drain 0x7FFFFFFF
  @max_link 255
  @max_fds 64
  @max_fd 1023
  @max_title 255

  @doc "A non-empty list of strings; the first is an absolute path if it is the program's."
  @spec argv(term, boolean) :: {:ok, [binary, ...]} | {:error, :argv_required | {:bad_argv, term}}
  def argv(argv, names_program? \\ true)

  def argv([first | _] = argv, names_program?) when is_binary(first) do
    if (not names_program? or absolute?(first)) and strings?(argv),
      do: {:ok, argv},
      else: {:error, {:bad_argv, argv}}
  end

  def argv(_other, _names_program?), do: {:error, :argv_required}

  @doc "An absolute path."
  @spec absolute_path?(term) :: boolean
  def absolute_path?(path), do: path?(path) and absolute?(path)

  @doc "What a process without a program is called."
  @spec title?(term) :: boolean
  def title?(title), do: path?(title) and byte_size(title) <= @max_title

  @doc "A list of namespace names, each of them once in the answer."
  @spec namespaces(term) :: {:ok, [atom]} | {:error, {:bad_namespaces, term}}
  def namespaces(list) do
    with true <- proper_list?(list), [] <- Enum.reject(list, &(&1 in @namespaces)) do
      {:ok, Enum.uniq(list)}
    else
      false -> {:error, {:bad_namespaces, {:not_a_list, list}}}
      unknown -> {:error, {:bad_namespaces, unknown}}
    end
  end

  @doc ~S(A map, a list of pairs, or a list of "K=V", as the latter.)
  @spec env(term) :: {:ok, [binary]} | {:error, {:bad_env, term}}
  def env(map) when is_map(map), do: map |> Map.to_list() |> entries([])

  def env(list) do
    if proper_list?(list),
      do: entries(list, []),
      else: {:error, {:bad_env, {:not_a_list, list}}}
  end

  defp entries([], entries), do: {:ok, Enum.reverse(entries)}

  defp entries([entry | rest], entries) do
    case entry(entry) do
      {:ok, string} -> entries(rest, [string | entries])
      :error -> {:error, {:bad_env, {:bad_entry, entry}}}
    end
  end

  defp entry({key, value}) when is_binary(key) and is_binary(value) do
    if String.contains?(key, "="), do: :error, else: entry(key <> "=" <> value)
  end

  defp entry("=" <> _), do: :error

  defp entry(entry) when is_binary(entry) do
    if String.contains?(entry, "=") and string?(entry), do: {:ok, entry}, else: :error
  end

  defp entry(_other), do: :error

  @doc "One word for all three fds, or a directive for some of them."
  @spec stdio(term) :: {:ok, atom | [{atom, term}]} | {:error, {:bad_stdio, term}}
  def stdio(whole) when whole in [:inherit, :devnull, :pty, :pipe], do: {:ok, whole}
  def stdio([]), do: {:ok, :inherit}

  def stdio(each) do
    if proper_list?(each) and Enum.all?(each, &directive?/1) and no_fd_twice?(each),
      do: {:ok, each},
      else: {:error, {:bad_stdio, each}}
  end

  defp directive?({fd, {:connect_unix, path}}) when fd in @stdio_fds, do: path?(path)

  defp directive?({fd, {:file, path, mode}}) when fd in @stdio_fds,
    do: mode in [:read, :write, :append] and path?(path)

  defp directive?({fd, {:link, name, how}}) when fd in @stdio_fds,
    do: how in [:read, :write] and name?(name)

  defp directive?({:stderr, :stdout}), do: true
  defp directive?({fd, word}) when fd in @stdio_fds, do: word in [:inherit, :devnull, :pipe]
  defp directive?(_other), do: false

  @doc "Fds above 2 and what each is to be, by number or in a list."
  @spec fds(term) :: {:ok, [{3..1023, term}]} | {:error, {:bad_fds, term}}
  def fds(map) when is_map(map) and not is_struct(map), do: map |> Map.to_list() |> fds()

  def fds(list) do
    with true <- proper_list?(list) and length(list) <= @max_fds,
         nil <- Enum.find(list, &(not fd?(&1))),
         [] <- list -- Enum.uniq_by(list, &elem(&1, 0)) do
      {:ok, list}
    else
      false -> {:error, {:bad_fds, list}}
      [twice | _] -> {:error, {:bad_fds, twice}}
      bad -> {:error, {:bad_fds, bad}}
    end
  end

  defp fd?({fd, directive}) when is_integer(fd) and fd in 3..@max_fd, do: opened?(directive)
  defp fd?(_other), do: false

  defp opened?(:devnull), do: true
  defp opened?({:pipe, name, end_}), do: end_ in [:read, :read_nonblock, :write] and name?(name)
  defp opened?({how, name}) when how in [:socketpair, :listener, :connect], do: name?(name)
  defp opened?(other) when is_tuple(other), do: directive?({:stdin, other}) and not link?(other)
  defp opened?(_other), do: false

  defp link?(directive), do: elem(directive, 0) == :link

  @doc "What the agent of a session may be."
  @spec agent?(term) :: boolean
  def agent?(agent), do: agent in [:shared, :dedicated] or is_pid(agent)

  @doc "What leads to a warm script."
  @spec prefork?(term) :: boolean
  def prefork?({:connect_unix, path}), do: path?(path)
  def prefork?({how, name}), do: how in [:connect, :socketpair] and name?(name)
  def prefork?(_other), do: false

  @doc "Arguments without a program."
  @spec arguments?(term) :: boolean
  def arguments?(args),
    do: proper_list?(args) and Enum.all?(args, &(is_binary(&1) and string?(&1)))

  defp no_fd_twice?(each), do: Enum.uniq_by(each, &elem(&1, 0)) == each

  defp name?(name), do: path?(name) and byte_size(name) <= @max_link

  @doc "A string that is not empty."
  @spec path?(term) :: boolean
  def path?(path), do: is_binary(path) and path != "" and string?(path)

  @doc "What becomes of a running workload that has lost its session."
  @spec orphan_policy?(term) :: boolean
  def orphan_policy?({:kill, grace}), do: is_integer(grace) and grace in 0..@max_grace
  def orphan_policy?(other), do: other == :linger

  @doc "A signal's number or name, as its number."
  @spec kill(term) :: {:ok, 1..64} | {:error, {:bad_kill, term}}
  def kill(signal) do
    with :error <- Linx.Signal.to_number(signal), do: {:error, {:bad_kill, signal}}
  end

  @doc "How long a session may last, in milliseconds."
  @spec timeout?(term) :: boolean
  def timeout?(timeout), do: is_integer(timeout) and timeout in 0..@max_grace

  @doc """
  Whether there is to be a cgroup, or the one below which: names, with a slash between them. Who
  enters may be in those of the target.
  """
  @spec cgroup?(term, :spawn | :enter) :: boolean
  def cgroup?(path, _mode) when is_binary(path) do
    string?(path) and not Enum.any?(String.split(path, "/"), &(&1 in ["", ".", ".."]))
  end

  def cgroup?(:target, mode), do: mode == :enter
  def cgroup?(wanted, _mode), do: is_boolean(wanted)

  @doc "How long an undecided call waits, and the errno that it fails with then."
  @spec syscall_timeout(term) ::
          {:ok, {non_neg_integer, 1..4095}} | {:error, {:bad_syscall_timeout, term}}
  def syscall_timeout({ms, errno} = timeout) do
    with true <- drain?(ms), {:ok, code} <- code(errno) do
      {:ok, {ms, code}}
    else
      _ -> {:error, {:bad_syscall_timeout, timeout}}
    end
  end

  def syscall_timeout(ms) do
    with {:error, _} <- syscall_timeout({ms, :eperm}), do: {:error, {:bad_syscall_timeout, ms}}
  end

  defp code(code) when code in 1..4095, do: {:ok, code}
  defp code(name) when is_atom(name), do: Linx.Errno.to_code(name)
  defp code(_other), do: :error

  @doc "How many bytes of a stream are on their way at most."
  @spec window?(term) :: boolean
  def window?(bytes), do: is_integer(bytes) and bytes in 1..@max_window

  @doc "For how many milliseconds the pipes of an ended workload are read on."
  @spec drain?(term) :: boolean
  def drain?(ms), do: is_integer(ms) and ms in 0..@max_drain

  @doc "A log of a session's output."
  @spec log(term) :: {:ok, Linx.Log.t()} | {:error, {:bad_log, term}}
  def log(options) do
    with :error <- Linx.Log.new(options), do: {:error, {:bad_log, options}}
  end

  @doc "A user's or group's number."
  @spec id?(term) :: boolean
  def id?(id), do: is_integer(id) and id in 0..@max_id

  @doc "A list of groups' numbers, no longer than the kernel takes."
  @spec groups?(term) :: boolean
  def groups?(list) do
    proper_list?(list) and Enum.all?(list, &id?/1) and length(list) <= @max_groups
  end

  defp absolute?(path), do: match?("/" <> _, path)

  defp strings?([string | rest]) when is_binary(string), do: string?(string) and strings?(rest)
  defp strings?(rest), do: rest == []

  defp string?(string), do: :binary.match(string, <<0>>) == :nomatch

  defp proper_list?(list), do: is_list(list) and not List.improper?(list)
end
