defmodule Linx.Test.Chaos.Beam do
  @moduledoc """
  Another BEAM, to be killed: it starts rounds of `Linx.Test.Chaos` and then waits for its end.
  """

  import ExUnit.Assertions

  alias Linx.Test.Chaos
  alias Linx.Test.Chaos.Processes

  @variable "LINX_CHAOS_ROUNDS_OF_BEAM"
  @deadline_ms 60_000

  @doc """
  Starts a BEAM with rounds given as `{kind, stage, options}`; answers its pid, and the tokens of the
  rounds in their order, once all are in their stages. With the option `held?: false` a round is only
  started, the others first.
  """
  @spec start([{atom, atom, keyword}], Chaos.world()) :: {pos_integer, [String.t()]}
  def start(rounds, world) do
    ebin = Path.join(Mix.Project.app_path(), "ebin")
    elixir = System.find_executable("elixir")
    tokens = for _ <- rounds, do: Processes.token()
    rounds = for {round, token} <- Enum.zip(rounds, tokens), do: with_token(round, token)
    order = {rounds, world} |> :erlang.term_to_binary() |> Base.encode64()

    port =
      Port.open({:spawn_executable, elixir}, [
        :binary,
        :stderr_to_stdout,
        line: 100_000,
        args: ["-pa", ebin, "-e", "#{inspect(__MODULE__)}.main()"],
        env: [{to_charlist(@variable), to_charlist(order)}]
      ])

    {:os_pid, pid} = Port.info(port, :os_pid)
    assert_receive {^port, {:data, {:eol, line}}}, @deadline_ms
    assert line == "in place"
    {pid, tokens}
  end

  defp with_token({kind, stage, options}, token), do: {kind, stage, [token: token] ++ options}

  @doc "What the other BEAM runs."
  @spec main() :: no_return
  def main do
    ExUnit.start(autorun: false, assert_receive_timeout: @deadline_ms)
    {:ok, _} = Application.ensure_all_started(:linx)
    order = @variable |> System.fetch_env!() |> Base.decode64!()
    {rounds, world} = :erlang.binary_to_term(order)

    {held, others} = Enum.split_with(rounds, &held?/1)
    for round <- held, do: round |> begin(world) |> Chaos.reach()
    for round <- others, do: begin(round, world)
    IO.puts("in place")
    Process.sleep(:infinity)
  end

  defp held?({_kind, _stage, options}), do: Keyword.get(options, :held?, true)

  defp begin({kind, stage, options}, world),
    do: Chaos.start(kind, stage, world, Keyword.delete(options, :held?))
end
