defmodule Linx.Test.Attempts do
  @moduledoc """
  What the kernel answers to system calls of a workload, by the program `attempt`.
  """

  import ExUnit.Assertions

  alias Linx.Test.FixtureProgram

  @doc """
  Makes calls, such as `["socket 38 5 0", "getpid@32"]`, in a session with these filters.

  Answers by the call's text: `:ok`, an errno's name or `{:signal, number}`.
  """
  @spec attempts([String.t()], [Linx.Seccomp.Filter.t()], keyword) :: map
  def attempts(calls, filters, options \\ []) do
    words = calls |> Enum.map(&String.split/1) |> Enum.intersperse([","]) |> Enum.concat()
    argv = [FixtureProgram.path("attempt") | words]
    stdio = [stdout: :pipe]
    {:ok, session} = Linx.Process.spawn([argv: argv, stdio: stdio, active: false] ++ options)
    assert_receive {:linx_process, :ready, _}
    for filter <- filters, do: assert(Linx.Seccomp.install(session, filter) == :ok)
    assert Linx.Process.proceed(session) == :ok
    written = written(session, "")
    assert Linx.Process.wait(session) == {:ok, {:exited, 0}}
    calls |> Enum.zip(answers(written)) |> Map.new()
  end

  defp written(session, sofar) do
    case Linx.Process.recv(session, :stdout) do
      {:ok, bytes} -> written(session, sofar <> bytes)
      {:error, :closed} -> sofar
    end
  end

  defp answers(written) do
    for line <- String.split(written, "\n", trim: true) do
      case String.split(line) do
        [_name, "ok"] -> :ok
        [_name, "errno", code] -> errno(String.to_integer(code))
        [_name, "signal", number] -> {:signal, String.to_integer(number)}
      end
    end
  end

  defp errno(code) do
    {:ok, name} = Linx.Errno.to_name(code)
    name
  end
end
