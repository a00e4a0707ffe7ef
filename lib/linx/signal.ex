defmodule Linx.Signal do
  @moduledoc """
  Signal names and numbers.

      iex> Linx.Signal.to_number(:sigterm)
      {:ok, 15}
      iex> Linx.Signal.to_name(9)
      {:ok, :sigkill}

  The real-time signals, 32 to 64, have a number only. Where MIPS, SPARC, Alpha and PA-RISC count
  differently, the numbers here are not theirs.
  """

  @typedoc "Such as `:sigterm`."
  @type name :: atom
  @type t :: 1..64 | name

  @names ~w(sighup sigint sigquit sigill sigtrap sigabrt sigbus sigfpe sigkill sigusr1 sigsegv
            sigusr2 sigpipe sigalrm sigterm sigstkflt sigchld sigcont sigstop sigtstp sigttin
            sigttou sigurg sigxcpu sigxfsz sigvtalrm sigprof sigwinch sigio sigpwr sigsys)a

  @numbers @names |> Enum.with_index(1) |> Map.new()
  @names_by_number Map.new(@numbers, fn {name, number} -> {number, name} end)

  @doc """
  The number of a signal given by name or number; `:error` for anything else.

      iex> Linx.Signal.to_number(64)
      {:ok, 64}
      iex> Linx.Signal.to_number(0)
      :error
      iex> Linx.Signal.to_number("TERM")
      :error
  """
  @spec to_number(term) :: {:ok, 1..64} | :error
  def to_number(number) when number in 1..64, do: {:ok, number}
  def to_number(name) when is_atom(name), do: Map.fetch(@numbers, name)
  def to_number(_other), do: :error

  @doc """
  The name of a signal; `:error` for real-time signals and for what is no signal.

      iex> Linx.Signal.to_name(31)
      {:ok, :sigsys}
      iex> Linx.Signal.to_name(34)
      :error
  """
  @spec to_name(integer) :: {:ok, name} | :error
  def to_name(number), do: Map.fetch(@names_by_number, number)

  @doc """
  The 31 names, in the order of their numbers.

      iex> hd(Linx.Signal.names())
      :sighup
  """
  @spec names() :: [name]
  def names, do: @names
end
