defmodule Mix.Tasks.Linx.Doorbell do
  @shortdoc "Runs a command when a container asks for it"
  @moduledoc """
  Puts a doorbell into a container, and runs a command of the host each time it is rung.

      mix linx.doorbell --target PID --title NAME [options] -- command [arguments]

      mix linx.doorbell --target 4711 --title reload-proxy -- systemctl reload proxy

  Inside of the container `pkill -HUP -f reload-proxy` rings. Nothing else that happens there runs the
  command, and nothing is passed to it; see `Linx.Doorbell`.

  ## Options

    * `--target PID` - the process whose namespaces the probe enters, required
    * `--title NAME` - what the probe is called inside, 1 to 255 bytes, required
    * `--debounce MS` - how long after a ring there is no other, default 100
    * `--uid N`, `--gid N` - the probe's ids, as the container counts: who has this uid may ring, and who is root
      there. Default those of the target
    * `--once` - end after the first ring
    * `--help` - this text

  It runs in the foreground until the target has ended, or until SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 or SIGUSR2.
  The command has no input, and writes to your stdout and stderr. It runs once at a time; while it does nobody
  can ring.

  ## Exit status

  0 when the target has ended; with `--once` that of the command, as `mix linx.run` has it; 128 + n after
  signal n; 125 if the options are wrong or the doorbell cannot be installed. The reason is then on
  stderr, and so is that of a command that could not be run or failed.
  """

  use Mix.Task

  alias Linx.Doorbell
  alias Linx.Run.{Outcome, Signals}

  @switches [target: :integer, title: :string, debounce: :integer, uid: :integer, gid: :integer] ++
              [once: :boolean, help: :boolean]
  @options [:title, :debounce, :uid, :gid]

  @impl true
  @spec run([String.t()]) :: :ok
  def run(words) do
    case OptionParser.parse_head(words, strict: @switches) do
      {%{help: true}, _command, _invalid} -> help()
      {given, command, []} -> given |> Map.new() |> start(command)
      {_given, _command, [{word, _} | _]} -> refuse("invalid option #{word}")
    end
  end

  defp help, do: Mix.Task.run("help", ["linx.doorbell"])

  defp start(%{help: true}, _command), do: help()
  defp start(_given, []), do: refuse("no command (see mix linx.doorbell --help)")

  defp start(given, command) do
    Mix.Task.run("app.config")
    {:ok, _} = Application.ensure_all_started(:linx)
    Signals.trap()
    options = given |> Map.take(@options) |> Map.to_list()
    own = [on_ring: command, rearm: not Map.get(given, :once, false), tag: __MODULE__]

    case Doorbell.install(given[:target], own ++ options) do
      {:ok, bell} -> bell |> loop({:exited, 0}) |> finish()
      {:error, reason} -> refuse(explain(reason))
    end
  end

  defp explain({reason, _value} = bad)
       when reason in [:bad_title, :bad_debounce, :bad_uid, :bad_gid, :bad_on_ring],
       do: Doorbell.Options.message(bad)

  defp explain({:bad_target, target}),
    do: "invalid option --target: #{inspect(target)}, expected 1..2147483647"

  defp explain(:timeout), do: "the probe did not get as far as to wait: is the target frozen?"
  defp explain({:not_armed, outcome}), do: "the probe ended at once: #{inspect(outcome)}"

  defp explain(other), do: other

  # `last` is how the command ended.
  defp loop(bell, last) do
    receive do
      {:linx_doorbell, __MODULE__, {:action, result}} ->
        loop(bell, acted(result))

      {:linx_doorbell, __MODULE__, {:not_armed, reason}} ->
        say(Outcome.message({:error, explain(reason)}) <> "; trying again")
        loop(bell, last)

      {:linx_doorbell, __MODULE__, {:gone, :rung}} ->
        last

      {:linx_doorbell, __MODULE__, {:gone, _reason}} ->
        {:exited, 0}

      {:forward, signal} ->
        Doorbell.remove(bell)
        {:ok, number} = Linx.Signal.to_number(signal)
        {:signaled, number}

      _other ->
        loop(bell, last)
    end
  end

  defp acted({:ok, {:exited, 0} = outcome}), do: outcome

  defp acted({:ok, {how, number} = outcome}) do
    say(
      "the command #{if how == :exited, do: "exited with", else: "was ended by signal"} #{number}"
    )

    outcome
  end

  defp acted({:error, _reason} = outcome) do
    say(Outcome.message(outcome))
    outcome
  end

  defp say(message), do: IO.puts(:stderr, "mix linx.doorbell: " <> message)

  defp refuse(reason) do
    say(Outcome.message({:error, reason}))
    finish({:error, reason})
  end

  defp finish(outcome) do
    case Outcome.exit_status(outcome) do
      0 -> :ok
      status -> exit({:shutdown, status})
    end
  end
end
