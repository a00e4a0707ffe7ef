defmodule Linx.Sandbox.Landlock do
  @moduledoc """
  Which files, TCP ports and processes the workload can get at, by landlock(7).

      iex> alias Linx.Sandbox.Landlock
      iex> context = %{mode: :spawn, namespaces: [], uid: 0, gid: 0, writable: []}
      iex> rules = %{Landlock.new() | connect: [443], scopes: [:signal]}
      iex> Landlock.request(rules, context)
      {:ok,
       %{
         landlock: %{
           handled_net: [:connect_tcp],
           ports: [{443, [:connect_tcp]}],
           scopes: [:signal]
         }
       }}

  One path that is named denies every other one all access, but for binds, overlays and file systems in
  memory that are mounted to be written; so it is with ports to bind and with
  ports to connect to, each by itself. Files that are open already, the workload's stdio above all, are
  not restricted, nor is looking a path up, stat(2) or chdir(2).
  """

  @behaviour Linx.Sandbox.Part

  alias Linx.Landlock
  alias Linx.Process.Options.Values

  @read [:read_file, :read_dir]
  @execute [:execute | @read]
  # Devices are nothing that is made in passing.
  @write @read ++
           [:write_file, :truncate, :refer, :remove_dir, :remove_file] ++
           [:make_dir, :make_reg, :make_sock, :make_fifo, :make_sym]

  @enforce_keys [:paths, :bind, :connect, :scopes, :best_effort]
  defstruct @enforce_keys

  @typedoc "`paths` the last first, each call's by itself; `bind` and `connect` are `nil` where any port may be used."
  @type t :: %__MODULE__{
          paths: [{kind :: atom, paths :: term, rights :: term}],
          bind: term,
          connect: term,
          scopes: term,
          best_effort: term
        }

  @impl true
  def new, do: %__MODULE__{paths: [], bind: nil, connect: nil, scopes: [], best_effort: false}

  @doc "Allows access to paths: `:readable`, `:writable`, `:executable`, or rights by name as `:access`."
  @spec allow(t, atom, term, term) :: t
  def allow(landlock, kind, paths, rights \\ nil)
  def allow(landlock, :readable, paths, _), do: allow(landlock, {:readable, paths, @read})
  def allow(landlock, :writable, paths, _), do: allow(landlock, {:writable, paths, @write})
  def allow(landlock, :executable, paths, _), do: allow(landlock, {:executable, paths, @execute})
  def allow(landlock, :access, paths, rights), do: allow(landlock, {:access, paths, rights})

  defp allow(%__MODULE__{} = landlock, entry),
    do: %{landlock | paths: [entry | landlock.paths]}

  @impl true
  def namespaces(%__MODULE__{}), do: []

  @impl true
  def request(%__MODULE__{} = wanted, context) do
    with {:ok, paths} <- paths(Enum.reverse(wanted.paths) ++ mounted(wanted, context), []),
         {:ok, bind} <- ports(:tcp_bind, wanted.bind, :bind_tcp),
         {:ok, connect} <- ports(:tcp_connect, wanted.connect, :connect_tcp),
         {:ok, scopes} <- scopes(wanted.scopes),
         {:ok, best_effort} <- best_effort(wanted.best_effort) do
      rules = %{
        handled_fs: if(wanted.paths == [], do: [], else: Landlock.file_rights()),
        paths: paths,
        handled_net: for({right, list} <- [bind, connect], list != nil, do: right),
        ports: for({right, list} <- [bind, connect], port <- list || [], do: {port, [right]}),
        scopes: scopes
      }

      {:ok, keys(rules, best_effort)}
    end
  end

  # What was mounted to be written is to be written.
  defp mounted(%{paths: []}, _context), do: []
  defp mounted(_wanted, %{writable: []}), do: []
  defp mounted(_wanted, %{writable: targets}), do: [{:writable, targets, @write}]

  defp keys(rules, best_effort) do
    case for {key, [_ | _] = list} <- rules, into: %{}, do: {key, list} do
      none when none == %{} -> %{}
      said when best_effort -> %{landlock: Map.put(said, :best_effort, true)}
      said -> %{landlock: said}
    end
  end

  defp paths([], rules), do: {:ok, Enum.reverse(rules)}

  defp paths([{kind, paths, rights} | rest], rules) do
    list = List.wrap(paths)

    with true <- not List.improper?(list) and Enum.all?(list, &Values.absolute_path?/1),
         true <- known?(rights, Landlock.file_rights()) do
      paths(rest, Enum.reduce(list, rules, &[{&1, rights} | &2]))
    else
      false -> bad(kind, if(kind == :access, do: {paths, rights}, else: paths))
    end
  end

  defp ports(_what, nil, right), do: {:ok, {right, nil}}

  defp ports(what, ports, right) do
    list = List.wrap(ports)

    if not List.improper?(list) and Enum.all?(list, &(&1 in 0..65_535)),
      do: {:ok, {right, list}},
      else: bad(what, ports)
  end

  defp scopes(names) do
    list = List.wrap(names)
    if known?(list, Landlock.scopes()), do: {:ok, Enum.uniq(list)}, else: bad(:scope, names)
  end

  defp known?(names, all),
    do: is_list(names) and not List.improper?(names) and Enum.all?(names, &(&1 in all))

  defp best_effort(wanted) when is_boolean(wanted), do: {:ok, wanted}
  defp best_effort(other), do: bad(:best_effort, other)

  defp bad(what, value), do: {:error, {:bad_sandbox, {what, value}}}
end
