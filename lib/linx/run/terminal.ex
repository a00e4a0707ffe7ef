defmodule Linx.Run.Terminal do
  @moduledoc """
  The user's terminal in raw mode, held by a shell that puts it back.

      {:ok, terminal} = Linx.Run.Terminal.raw()
      {:ok, {rows, columns}} = Linx.Run.Terminal.size(terminal)
      :ok = Linx.Run.Terminal.restore(terminal)

  The shell is a port program on fds 3 and 4, so its fds 0 to 2 are the BEAM's and `stty` acts on
  the terminal itself. It restores the terminal when it is told to and also when its fd 3 closes,
  which happens however the BEAM ends. Being in a session of its own it gets no signal of the
  terminal's, neither its hang-up nor SIGWINCH: that is why the size is asked for and not
  announced.
  """

  @enforce_keys [:port]
  defstruct @enforce_keys

  @type t :: %__MODULE__{port: port}
  @type size :: {rows :: non_neg_integer, columns :: non_neg_integer}

  @script """
  saved=$(stty -g 2>/dev/null) && stty raw -echo 2>/dev/null || { echo failed >&4; exit 1; }
  echo raw >&4
  while read -r line <&3; do
    if [ "$line" = size ]; then stty size >&4 2>/dev/null || echo 0 0 >&4; else break; fi
  done
  stty "$saved"
  """

  @doc """
  Whether the BEAM's stdin and stdout are both a terminal.
  """
  @spec interactive?() :: boolean
  def interactive? do
    port = shell("test -t 0 && test -t 1", [])

    receive do
      {^port, {:exit_status, status}} -> status == 0
    end
  end

  @doc """
  Puts the terminal that stdin is into raw mode: every byte as it is typed, no echo.
  """
  @spec raw() :: {:ok, t} | {:error, String.t()}
  def raw do
    port = shell(@script, line: 100)

    case answer(port) do
      {:ok, "raw"} -> {:ok, %__MODULE__{port: port}}
      _ -> {:error, "stdin is no terminal that stty can set"}
    end
  end

  @doc """
  How large the terminal is now.
  """
  @spec size(t) :: {:ok, size} | :unknown
  def size(%__MODULE__{port: port} = terminal) do
    case tell(port, "size\n") do
      :ok ->
        receive do
          {^port, answer} -> size(terminal, {port, answer})
        end

      :closed ->
        :unknown
    end
  end

  @doc """
  Asks how large the terminal is; the answer comes as a message, of which `size/2` makes a size.
  """
  @spec ask_size(t) :: :ok
  def ask_size(%__MODULE__{port: port}) do
    tell(port, "size\n")
    :ok
  end

  @doc """
  The size that a message brings, or `:other` where it is none of this terminal's.
  """
  @spec size(t, term) :: {:ok, size} | :unknown | :other
  def size(%__MODULE__{port: port}, {port, {:data, {:eol, line}}}) do
    case line |> String.split() |> Enum.map(&Integer.parse/1) do
      [{rows, ""}, {columns, ""}] when rows in 0..65_535 and columns in 0..65_535 ->
        {:ok, {rows, columns}}

      _ ->
        :unknown
    end
  end

  def size(%__MODULE__{port: port}, {port, {:exit_status, _}}), do: :unknown
  def size(_terminal, _message), do: :other

  @doc """
  Puts the terminal back. It is as it was when this returns.
  """
  @spec restore(t) :: :ok
  def restore(%__MODULE__{port: port}) do
    case tell(port, "restore\n") do
      :ok -> drain(port)
      # The shell has ended, and never ends without having done so.
      :closed -> :ok
    end
  end

  defp drain(port) do
    receive do
      {^port, {:exit_status, _}} -> :ok
      {^port, _} -> drain(port)
    end
  end

  defp answer(port) do
    receive do
      {^port, {:data, {:eol, line}}} -> {:ok, line}
      {^port, {:exit_status, status}} -> {:error, status}
    end
  end

  # A port whose program has ended takes no command.
  defp tell(port, text) do
    Port.command(port, text)
    :ok
  rescue
    ArgumentError -> :closed
  end

  defp shell(script, opts) do
    Port.open(
      {:spawn_executable, "/bin/sh"},
      [:nouse_stdio, :exit_status, :binary, args: ["-c", script]] ++ opts
    )
  end
end
