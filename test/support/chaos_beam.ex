defmodule Linx.Test.Chaos.Beam do
  @moduledoc """
  Another BEAM, to be killed: it runs rounds of `Linx.Test.Chaos`, each up to its stage, and then
  waits for its end.
  """

  import ExUnit.Assertions

  alias Linx.Test.Chaos

  @variable "LINX_CHAOS_ROUNDS_OF_BEAM"
  @deadline_ms 60_000

  @doc """
  Starts a BEAM with rounds given as `{kind, stage}`; answers its pid, and the tokens of the rounds in
  their order, once all are in their stages.
  """
  @spec start([{atom, atom}], Chaos.world()) :: {pos_integer, [String.t()]}
  def start(rounds, world) do
    ebin = Path.join(Mix.Project.app_path(), "ebin")
    elixir = System.find_executable("elixir")
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
    {pid, tokens(port)}
  end

  defp tokens(port) do
    assert_receive {^port, {:data, {:eol, line}}}, @deadline_ms

    case line do
      "in place " <> tokens -> String.split(tokens)
      noise -> flunk("the other BEAM says: #{noise}")
    end
  end

  @doc "What the other BEAM runs."
  @spec main() :: no_return
  def main do
    ExUnit.start(autorun: false, assert_receive_timeout: @deadline_ms)
    {:ok, _} = Application.ensure_all_started(:linx)
    order = @variable |> System.fetch_env!() |> Base.decode64!()
    {rounds, world} = :erlang.binary_to_term(order)

    tokens =
      for {kind, stage} <- rounds do
        round = Chaos.start(kind, stage, world)
        Chaos.reach(round)
        round.token
      end

    IO.puts("in place #{Enum.join(tokens, " ")}")
    Process.sleep(:infinity)
  end
end
