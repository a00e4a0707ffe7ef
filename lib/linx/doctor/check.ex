defmodule Linx.Doctor.Check do
  @moduledoc """
  One answer of `Linx.Doctor`.

    * `:name` - what was looked at, such as `"namespace net"`
    * `:status` - `:pass`; `:warn`: something optional is missing; `:fail`: Linx cannot do its main
      job here
    * `:found` - what is so, in words
    * `:fix` - what to change, a command where there is one; `nil` where nothing need be changed
  """

  @enforce_keys [:name, :status, :found]
  defstruct [:name, :status, :found, :fix]

  @type status :: :pass | :warn | :fail
  @type t :: %__MODULE__{
          name: String.t(),
          status: status,
          found: String.t(),
          fix: String.t() | nil
        }

  @doc """
  A check that found all in order.

      iex> Linx.Doctor.Check.pass("kernel", "6.1.0").fix
      nil
  """
  @spec pass(String.t(), String.t()) :: t
  def pass(name, found), do: %__MODULE__{name: name, status: :pass, found: found}

  @doc "A check that found something optional missing."
  @spec warn(String.t(), String.t(), String.t()) :: t
  def warn(name, found, fix),
    do: %__MODULE__{name: name, status: :warn, found: found, fix: fix}

  @doc "A check that found something missing without which the main job cannot be done."
  @spec fail(String.t(), String.t(), String.t()) :: t
  def fail(name, found, fix),
    do: %__MODULE__{name: name, status: :fail, found: found, fix: fix}
end
