defmodule Linx.Seccomp.Explain do
  @moduledoc """
  A filter as text for people; see `Linx.Seccomp.explain/1`.
  """

  alias Linx.Seccomp.{Filter, Widths}

  @width 80
  @enosys 38
  @operators %{eq: "==", ne: "!=", lt: "<", le: "<=", gt: ">", ge: ">="}

  @doc false
  @spec text(Filter.t()) :: String.t()
  def text(%Filter{rules: rules, default: default}) do
    rules = Enum.map(rules, &Filter.full/1)
    actions = rules |> Enum.map(&elem(&1, 0)) |> Enum.uniq()
    blocks = for action <- actions, do: block(action, rules)
    Enum.join(blocks ++ ["everything else: #{action(default)}#{newer(default)}\n"], "\n")
  end

  defp newer({:errno, errno}) when errno not in [:enosys, @enosys],
    do: ", newer calls with ENOSYS"

  defp newer(_default), do: ""

  defp block(action, rules) do
    plain = for {^action, names, []} <- rules, name <- names, do: Atom.to_string(name)
    compared = for {^action, names, [_ | _] = all} <- rules, name <- names, do: {name, all}

    Enum.join([
      "#{action(action)}:\n",
      plain |> Enum.sort() |> lines(),
      for({name, all} <- compared, do: "  #{name} if #{conditions(name, all)}\n")
    ])
  end

  defp lines([]), do: ""

  defp lines([first | rest]) do
    {line, done} =
      Enum.reduce(rest, {"  " <> first, []}, fn name, {line, done} ->
        if String.length(line) + String.length(name) < @width,
          do: {line <> " " <> name, done},
          else: {"  " <> name, [line <> "\n" | done]}
      end)

    Enum.reverse([line <> "\n" | done])
  end

  defp conditions(name, all), do: Enum.map_join(all, " and ", &condition(name, &1))

  defp condition(_name, {index, :masked_eq, mask, value}),
    do: "(arg#{index} & #{number(mask)}) == #{number(value)}"

  defp condition(name, {index, op, value}) do
    cast = Map.fetch!(%{16 => "(short) ", 32 => "(int) ", 64 => ""}, Widths.of(name, index))
    "#{cast}arg#{index} #{@operators[op]} #{number(value)}"
  end

  defp number(value) when value in -9..9, do: Integer.to_string(value)
  defp number(value) when value < 0, do: "-" <> number(-value)
  defp number(value), do: "0x" <> String.downcase(Integer.to_string(value, 16))

  defp action(:allow), do: "allow"
  defp action(:log), do: "allow and log"
  defp action(:notify), do: "ask the owner"
  defp action(:trap), do: "send SIGSYS"
  defp action(:kill_thread), do: "kill the thread"
  defp action(:kill_process), do: "kill the process"
  defp action({:errno, code}) when is_integer(code), do: "fail with errno #{code}"
  defp action({:errno, name}), do: "fail with #{name |> Atom.to_string() |> String.upcase()}"
end
