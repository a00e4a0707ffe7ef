defmodule Linx.Doorbell.Action do
  @moduledoc """
  What a ring makes happen: a command of the host, or a function.

      iex> Linx.Doorbell.Action.run(["true"], %{})
      {:ok, {:exited, 0}}
      iex> Linx.Doorbell.Action.run(fn ring -> ring.title end, %{title: "reload"})
      {:ok, "reload"}
      iex> {:error, {%RuntimeError{message: "oops"}, _stacktrace}} =
      ...>   Linx.Doorbell.Action.run(fn -> raise "oops" end, %{})

  A command is looked for on the BEAM's PATH, has no input, writes where the BEAM does, and ends with
  whoever runs it, with all that it has started. Nothing of the ring is passed to it.
  """

  alias Linx.Command.Lookup

  @type result :: {:ok, term} | {:error, term}

  @doc "Runs an action to its end, which is told and never raised."
  @spec run([String.t(), ...] | (() -> term) | (map -> term), map) :: result
  def run([name | arguments], _ring) do
    with {:ok, path} <- Lookup.resolve(name, System.get_env("PATH"), File.cwd!()),
         {:ok, session} <- Linx.Process.spawn(options(path, arguments)),
         do: Linx.Process.wait(session)
  end

  def run(action, ring) when is_function(action) do
    {:ok, if(is_function(action, 0), do: action.(), else: action.(ring))}
  rescue
    exception -> {:error, {exception, __STACKTRACE__}}
  catch
    kind, reason -> {:error, {kind, reason}}
  end

  defp options(path, arguments),
    do: [argv: [path | arguments], stdio: [stdin: :devnull], auto_proceed: true, tag: __MODULE__]
end
