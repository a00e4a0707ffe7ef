defmodule Linx.Sandbox.Files do
  @moduledoc """
  The file system of a sandbox: its root, and what is mounted in it, in order.

      iex> alias Linx.Sandbox.Files
      iex> files = Files.new() |> Files.root("/srv/image", []) |> Files.mount(:tmpfs, "/tmp", size: "1m")
      iex> {:ok, request} = Files.request(files, %{mode: :spawn})
      iex> request.root.kind
      :dir
      iex> [%{kind: :tmpfs, target: "/tmp", size: 1_048_576}] = request.mounts
      iex> Files.request(Files.mount(files, :bind, "/etc/../root", source: "/"), %{mode: :spawn})
      {:error, {:bad_sandbox, {:bind, "/etc/../root"}}}
  """

  @behaviour Linx.Sandbox.Part

  alias Linx.Sandbox.{Part, Size}

  defstruct root: nil, mounts: []

  @typedoc "The mounts are in reverse."
  @type t :: %__MODULE__{
          root: {term, term} | nil,
          mounts: [{atom, target :: term, options :: term}]
        }

  @default_masks ~w(
    /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats
    /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats
    /sys/devices/virtual/powercap /sys/firmware
  )
  @default_read_only ~w(/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger)

  @max_content 0x100000
  @max_path 4095
  @max_mode 0o7777
  @max_inodes 0x7FFFFFFFFFFFFFFF
  # The kernel takes an option of a file system up to this length.
  @max_layer 255
  @hidepid %{off: 0, noaccess: 1, invisible: 2, ptraceable: 4}

  @inert [read_only: false, nosuid: true, nodev: true, noexec: false]
  @as_it_is [read_only: false, nosuid: false, nodev: false, noexec: false]
  @pseudo [read_only: false, nosuid: true, nodev: true, noexec: true]
  @tmpfs [size: "64m", mode: 0o1777, nr_inodes: nil] ++ @inert

  # What may be said of each kind, with what it is where nothing is said.
  @roots %{
    dir: [idmap: false] ++ @inert,
    host: @as_it_is,
    tmpfs: Keyword.put(@tmpfs, :mode, 0o755)
  }
  @mounts %{
    bind: [source: nil, recursive: true, idmap: false] ++ Keyword.put(@inert, :read_only, true),
    tmpfs: @tmpfs,
    overlay: [lower: nil, upper: nil, work: nil] ++ @inert,
    proc: [subset: nil, hidepid: nil] ++ @pseudo,
    sysfs: Keyword.put(@pseudo, :read_only, true),
    mqueue: @pseudo,
    dev: [],
    mask: [],
    read_only: [],
    file: [content: nil, mode: 0o644],
    dir: [mode: 0o755]
  }

  # What the agent does unasked is left out of a request.
  unsaid = fn options ->
    for {key, value} <- options,
        value not in [nil, false] and {key, value} != {:recursive, true},
        into: %{},
        do: {key, if(key == :size, do: value |> Size.bytes() |> elem(1), else: value)}
  end

  @unsaid_of_root Map.new(@roots, fn {kind, options} -> {kind, unsaid.(options)} end)
  @unsaid Map.new(@mounts, fn {kind, options} -> {kind, unsaid.(options)} end)

  # A file system shows what belongs to the namespace of whoever mounts it.
  @needs %{proc: :pid, sysfs: :net, mqueue: :ipc}

  @doc "What the usual container runtimes hide of `/proc` and `/sys`."
  @spec default_masks() :: [Path.t()]
  def default_masks, do: @default_masks

  @doc "What the usual container runtimes make read-only of `/proc`."
  @spec default_read_only() :: [Path.t()]
  def default_read_only, do: @default_read_only

  @impl Part
  def new, do: %__MODULE__{}

  @doc "A root instead of the one so far; `root` is a path, `:host` or `:tmpfs`."
  @spec root(t, term, term) :: t
  def root(%__MODULE__{} = files, root, options), do: %{files | root: {root, options}}

  @doc "One more mount, file or directory, on top of those that are there."
  @spec mount(t, atom, term, term) :: t
  def mount(%__MODULE__{} = files, kind, target, options),
    do: %{files | mounts: [{kind, target, options} | files.mounts]}

  @impl Part
  def namespaces(%__MODULE__{root: nil, mounts: []}), do: []

  def namespaces(%__MODULE__{mounts: mounts} = files) do
    mapped = if id_mapped?(files), do: [:user], else: []
    [:mount | for({kind, _, _} <- mounts, name = @needs[kind], do: name)] ++ mapped
  end

  # Whose ids they would be is the user namespace's to say.
  defp id_mapped?(%{root: root, mounts: mounts}) do
    roots = if root, do: [elem(root, 1)], else: []
    options = roots ++ for {:bind, _target, options} <- mounts, do: options
    Enum.any?(options, &(Keyword.keyword?(&1) and &1[:idmap] == true))
  end

  @doc "Where something is mounted that may be written: binds, overlays and file systems in memory."
  @spec writable(t) :: [Path.t()]
  def writable(%__MODULE__{mounts: mounts}) do
    for {kind, target, options} <- Enum.reverse(mounts),
        kind in [:bind, :tmpfs, :overlay],
        Keyword.keyword?(options),
        Keyword.get(options, :read_only, @mounts[kind][:read_only]) == false,
        kind != :overlay or options[:upper] != nil,
        path?(target),
        do: target
  end

  @impl Part
  def request(%__MODULE__{root: nil, mounts: []}, _context), do: {:ok, %{}}
  def request(_files, %{mode: :enter}), do: bad(:mounts, :enter)

  def request(%__MODULE__{root: root, mounts: mounts}, _context) do
    with {:ok, request} <- put_root(%{}, root),
         {:ok, mounts} <-
           all(Enum.reverse(mounts), fn {kind, at, opts} -> entry(kind, at, opts) end),
         do: {:ok, if(mounts == [], do: request, else: Map.put(request, :mounts, mounts))}
  end

  defp put_root(request, nil), do: {:ok, request}

  defp put_root(request, {root, options}) do
    with {:ok, kind} <- root_kind(root),
         {:ok, map} <- options(:root, options, @roots[kind], @unsaid_of_root[kind]) do
      map = if kind == :dir, do: Map.put(map, :source, root), else: map
      {:ok, Map.put(request, :root, Map.put(map, :kind, kind))}
    end
  end

  defp root_kind(kind) when kind in [:host, :tmpfs], do: {:ok, kind}
  defp root_kind(path), do: if(path?(path), do: {:ok, :dir}, else: bad(:root, path))

  defp entry(kind, target, options) do
    with :ok <- target(kind, target),
         {:ok, map} <- options(kind, options, @mounts[kind], @unsaid[kind]),
         map = map |> Map.put(:kind, kind) |> Map.put(:target, target),
         :ok <- complete(map),
         do: {:ok, map}
  end

  defp target(kind, target) do
    if path?(target) and target != "/", do: :ok, else: bad(kind, target)
  end

  defp complete(%{kind: :bind} = map), do: given(map, :source)
  defp complete(%{kind: :file} = map), do: given(map, :content)

  # Without an upper layer there must be something to merge.
  defp complete(%{kind: :overlay} = map) do
    both? = Map.has_key?(map, :upper) and Map.has_key?(map, :work)
    neither? = not Map.has_key?(map, :upper) and not Map.has_key?(map, :work)
    lower = Map.get(map, :lower, [])

    if lower != [] and (both? or (neither? and length(lower) > 1)),
      do: :ok,
      else: bad(:overlay, Map.to_list(Map.take(map, [:lower, :upper, :work])))
  end

  defp complete(_map), do: :ok

  defp given(map, key), do: if(Map.has_key?(map, key), do: :ok, else: bad(map.kind, {key, nil}))

  # The options that the agent is to know of.
  defp options(kind, options, allowed, unsaid) do
    with true <- Keyword.keyword?(options),
         [] <- Enum.reject(options, fn {key, _} -> Keyword.has_key?(allowed, key) end) do
      Enum.reduce_while(options, {:ok, unsaid}, fn pair, {:ok, said} ->
        case option(kind, pair) do
          {:ok, pair} -> {:cont, {:ok, say(kind, pair, said)}}
          error -> {:halt, error}
        end
      end)
    else
      false -> bad(kind, options)
      [unknown | _] -> bad(kind, unknown)
    end
  end

  defp say(:bind, {:recursive, true}, said), do: Map.delete(said, :recursive)
  defp say(_kind, {:recursive, false}, said), do: Map.put(said, :recursive, false)
  defp say(_kind, {key, value}, said) when value in [nil, false], do: Map.delete(said, key)
  defp say(_kind, {key, value}, said), do: Map.put(said, key, value)

  defp option(_kind, {_key, nil} = pair), do: {:ok, pair}

  defp option(kind, {key, value} = pair) do
    case value(key, value) do
      {:ok, converted} -> {:ok, {key, converted}}
      true -> {:ok, pair}
      _ -> bad(kind, pair)
    end
  end

  defp value(key, value) when key in [:source, :upper, :work],
    do: path?(value) and layer?(key, value)

  defp value(:lower, value), do: paths?(value) and Enum.all?(value, &layer?(:lower, &1))
  # To the kernel 0 is no limit.
  defp value(:size, value), do: with({:ok, 0} <- Size.bytes(value), do: :error)
  defp value(:mode, value), do: is_integer(value) and value in 0..@max_mode
  defp value(:nr_inodes, value), do: is_integer(value) and value in 1..@max_inodes
  defp value(:subset, value), do: value == :pid
  defp value(:hidepid, value), do: Map.fetch(@hidepid, value)
  defp value(:content, value), do: is_binary(value) and byte_size(value) <= @max_content
  defp value(_flag, value), do: is_boolean(value)

  defp layer?(:source, _path), do: true
  defp layer?(_key, path), do: byte_size(path) <= @max_layer

  defp paths?(list), do: is_list(list) and not List.improper?(list) and Enum.all?(list, &path?/1)

  # Nothing but names: what is below what can be seen in the path itself.
  defp path?("/"), do: true
  defp path?("/" <> names = path), do: byte_size(path) <= @max_path and names?(names)
  defp path?(_other), do: false

  defp names?(<<>>), do: false
  defp names?(<<?/, _::binary>>), do: false
  defp names?(dots) when dots in [".", ".."], do: false
  defp names?(<<"./", _::binary>>), do: false
  defp names?(<<"../", _::binary>>), do: false
  defp names?(name), do: rest?(name)

  defp rest?(<<>>), do: true
  defp rest?(<<0, _::binary>>), do: false
  defp rest?(<<?/, names::binary>>), do: names?(names)
  defp rest?(<<_, rest::binary>>), do: rest?(rest)

  defp all(list, check) do
    Enum.reduce_while(list, {:ok, []}, fn element, {:ok, done} ->
      case check.(element) do
        {:ok, value} -> {:cont, {:ok, [value | done]}}
        error -> {:halt, error}
      end
    end)
    |> case do
      {:ok, done} -> {:ok, Enum.reverse(done)}
      error -> error
    end
  end

  defp bad(what, value), do: {:error, {:bad_sandbox, {what, value}}}
end
