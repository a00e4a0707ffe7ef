defmodule Linx.Seccomp.Builder do
  @moduledoc """
  Builds a filter step by step.

      alias Linx.Seccomp.Builder

      {:ok, filter} =
        Linx.Seccomp.builder()
        |> Builder.allow([:read, :write, :exit_group])
        |> Builder.deny(:ptrace, {:errno, :eperm})
        |> Builder.build(:kill_process)

  Every step succeeds; what is wrong with one of them is said by `build/2`. The order of the steps
  does not matter. Conditions on arguments come last, as `Linx.Seccomp.Filter` has them:

      Builder.allow(builder, :socket, [{0, :eq, 1}])
  """

  alias Linx.Seccomp.{Condition, Filter}

  defstruct rules: []

  @opaque t :: %__MODULE__{rules: [Filter.rule()]}

  @doc """
  A builder without a rule.
  """
  @spec new() :: t
  def new, do: %__MODULE__{}

  @doc """
  Allows a call, or each of a list of calls, under conditions if any are given.
  """
  @spec allow(t, Filter.syscall() | [Filter.syscall()], [Condition.t()]) :: t
  def allow(%__MODULE__{} = builder, names, conditions \\ []),
    do: add(builder, :allow, names, conditions)

  @doc """
  Does something other than allowing with a call, or with each of a list of calls: by default it
  fails with `:eperm`.
  """
  @spec deny(t, Filter.syscall() | [Filter.syscall()], Filter.action(), [Condition.t()]) :: t
  def deny(builder, names, action \\ {:errno, :eperm}, conditions \\ [])

  def deny(%__MODULE__{} = builder, names, action, conditions),
    do: add(builder, action, names, conditions)

  defp add(builder, action, names, conditions) when is_list(names) do
    rule = if conditions == [], do: {action, names}, else: {action, names, conditions}
    %{builder | rules: [rule | builder.rules]}
  end

  defp add(builder, action, name, conditions), do: add(builder, action, [name], conditions)

  @doc """
  The filter, with the action for every call that no rule names: `build(builder, :kill_process)`,
  which may also be written `build(builder, default: :kill_process)`.

  Errors as `Linx.Seccomp.from_rules/1`.
  """
  @spec build(t, Filter.action() | [default: Filter.action()]) ::
          {:ok, Filter.t()} | Linx.Seccomp.error()
  def build(builder, default)
  def build(%__MODULE__{} = builder, default: default), do: build(builder, default)

  def build(%__MODULE__{rules: rules}, default) do
    Linx.Seccomp.from_rules({Enum.reverse(rules), default})
  end
end
