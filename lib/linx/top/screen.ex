defmodule Linx.Top.Screen do
  @moduledoc """
  Samples on the terminal, one over the other, until somebody types `q` or `^C`.

      Linx.Top.Screen.run(fn -> {:ok, Linx.Top.sample()} end, 2_000)
  """

  alias Linx.Run.{Input, Terminal}
  alias Linx.Top.View

  @clear "\e[2J"
  # Where the terminal does not say how large it is.
  @default_size {24, 80}
  @quit ["q", "Q", <<3>>, <<4>>]

  @doc """
  Shows a new sample every so many milliseconds. Ends with the first error, or where there is no
  terminal.
  """
  @spec run((() -> {:ok, Linx.Top.sample()} | {:error, String.t()}), pos_integer) ::
          :ok | {:error, String.t()}
  def run(sample, interval_ms) do
    with {:ok, terminal} <- Terminal.raw() do
      try do
        read_keys(self())
        IO.write(@clear)
        refresh(sample, nil, terminal, interval_ms)
      after
        Terminal.restore(terminal)
        IO.write("\n")
      end
    end
  end

  defp refresh(sample, previous, terminal, interval_ms) do
    with {:ok, now} <- sample.() do
      IO.write(View.screen(now, previous, size(terminal)))
      Process.send_after(self(), :refresh, interval_ms)
      if wait() == :refresh, do: refresh(sample, now, terminal, interval_ms), else: :ok
    end
  end

  defp size(terminal) do
    case Terminal.size(terminal) do
      {:ok, {rows, columns}} when rows > 1 and columns > 0 -> {rows, columns}
      _unknown -> @default_size
    end
  end

  defp wait do
    receive do
      :refresh -> :refresh
      {:key, key} when key in @quit or key == :eof -> :quit
      {:key, _other} -> wait()
    end
  end

  defp read_keys(screen) do
    spawn_link(fn ->
      Input.each(fn chunk ->
        for key <- keys(chunk), do: send(screen, {:key, key})
        :ok
      end)
    end)
  end

  defp keys(:eof), do: [:eof]
  defp keys(bytes), do: for(<<byte <- bytes>>, do: <<byte>>)
end
