defmodule Linx.Group.Role do
  @moduledoc """
  One role of a group, checked: what its instances run, and whom they are linked to.

  See `Linx.Group` for what a role may have.
  """

  alias Linx.Process.Options
  alias Linx.Sandbox

  @type t :: %__MODULE__{
          name: atom,
          instances: pos_integer,
          links: :all | [atom],
          sends_fds: boolean,
          options: Options.t()
        }

  @enforce_keys [:name, :instances, :links, :sends_fds, :options]
  defstruct @enforce_keys

  # What the group decides itself, or what would need a reader.
  @taken [:owner, :tag, :linger, :auto_proceed, :agent, :active, :window]
  @own [:instances, :links, :sends_fds, :user, :root]
  @max_instances 1000

  @doc """
  Checks a role.

      iex> alias Linx.Group.Role
      iex> {:ok, role} = Role.new(:web, [argv: ["/bin/true"], instances: 2])
      iex> {role.instances, role.links}
      {2, []}
      iex> Role.new(:web, argv: ["/bin/true"], instances: 0)
      {:error, {:bad_role, :web, {:bad_instances, 0}}}
      iex> Role.new(:"Web 2", argv: ["/bin/true"])
      {:error, {:bad_role_name, :"Web 2"}}
  """
  @spec new(term, term) :: {:ok, t} | {:error, term}
  def new(name, options) do
    with :ok <- name(name), {:error, reason} <- options(name, options) do
      {:error, {:bad_role, name, reason}}
    end
  end

  # It stands in an environment variable, between signs.
  defp name(name) do
    if is_atom(name) and Atom.to_string(name) =~ ~r/\A[a-z][a-z0-9_]{0,63}\z/,
      do: :ok,
      else: {:error, {:bad_role_name, name}}
  end

  defp options(name, options) do
    with :ok <- keywords(options),
         {own, session} = Keyword.split(options, @own),
         {:ok, instances} <- instances(Keyword.get(own, :instances, 1)),
         {:ok, links} <- links(Keyword.get(own, :links, [])),
         {:ok, sends_fds} <- sends_fds(Keyword.get(own, :sends_fds, false)),
         :ok <- untaken(session),
         {:ok, valid} <- Options.validate(:spawn, confined(session, own)),
         :ok <- streams(valid, session) do
      {:ok,
       %__MODULE__{
         name: name,
         instances: instances,
         links: links,
         sends_fds: sends_fds,
         options: valid
       }}
    end
  end

  defp keywords(options) do
    if is_list(options) and Keyword.keyword?(options), do: :ok, else: {:error, :argv_required}
  end

  defp instances(n) when is_integer(n) and n in 1..@max_instances, do: {:ok, n}
  defp instances(other), do: {:error, {:bad_instances, other}}

  defp links(:all), do: {:ok, :all}

  defp links(list) do
    if is_list(list) and not List.improper?(list) and Enum.all?(list, &is_atom/1),
      do: {:ok, Enum.uniq(list)},
      else: {:error, {:bad_links, list}}
  end

  defp sends_fds(value) when is_boolean(value), do: {:ok, value}
  defp sends_fds(other), do: {:error, {:bad_sends_fds, other}}

  defp untaken(session) do
    case Enum.find(@taken, &Keyword.has_key?(session, &1)) do
      nil -> :ok
      key -> {:error, {:unknown_option, key}}
    end
  end

  # What is no sandbox stays, to be told.
  defp confined(session, own) do
    given = Keyword.get(session, :sandbox) || Sandbox.new()

    if (own[:user] != nil or own[:root] != nil) and is_struct(given, Sandbox) do
      sandbox = if own[:user] != nil, do: Sandbox.user(given, own[:user]), else: given
      sandbox = if own[:root] != nil, do: Sandbox.root(sandbox, own[:root]), else: sandbox
      Keyword.put(session, :sandbox, sandbox)
    else
      session
    end
  end

  # Nobody would read them.
  defp streams(%Options{streams: streams, log: log}, session) do
    if streams == nil or log != nil, do: :ok, else: {:error, {:bad_stdio, session[:stdio]}}
  end
end
