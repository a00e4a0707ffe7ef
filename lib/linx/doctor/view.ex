defmodule Linx.Doctor.View do
  @moduledoc """
  `Linx.Doctor`'s checks as text for people and as JSON for programs.
  """

  alias Linx.Doctor.Check
  alias Linx.Json

  @doc """
  One line a check. With `true` the status is coloured.

      iex> checks = [Linx.Doctor.Check.warn("landlock", "not active", "boot with lsm=landlock")]
      iex> checks |> Linx.Doctor.View.lines(false) |> IO.iodata_to_binary()
      "warn  landlock  not active. Fix: boot with lsm=landlock\\n"
  """
  @spec lines([Check.t()], boolean) :: iodata
  def lines(checks, colour?) do
    width = checks |> Enum.map(&String.length(&1.name)) |> Enum.max(fn -> 0 end)

    for check <- checks do
      name = String.pad_trailing(check.name, width)
      [status(check.status, colour?), "  ", name, "  ", check.found, fix(check), "\n"]
    end
  end

  @doc ~S"""
  `{"able": boolean, "checks": [{"name", "status", "found", "fix"}]}`, with `fix` null where there
  is nothing to mend.

      iex> Linx.Doctor.View.json([Linx.Doctor.Check.pass("kernel", "6.1.0")])
      ~S({"able":true,"checks":[{"fix":null,"found":"6.1.0","name":"kernel","status":"pass"}]})
  """
  @spec json([Check.t()]) :: String.t()
  def json(checks) do
    Json.encode(%{able: Linx.Doctor.able?(checks), checks: Enum.map(checks, &Map.from_struct/1)})
  end

  defp fix(%{fix: nil}), do: []
  defp fix(%{fix: fix}), do: [". Fix: ", fix]

  defp status(status, true),
    do: IO.ANSI.format([colour(status), Atom.to_string(status)], true)

  defp status(status, false), do: Atom.to_string(status)

  defp colour(:pass), do: :green
  defp colour(:warn), do: :yellow
  defp colour(:fail), do: :red
end
