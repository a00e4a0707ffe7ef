defmodule Mix.Tasks.Linx.Top do
  @shortdoc "Shows the live sessions of a node"

  @moduledoc """
  Shows the live sessions of a node, the busiest first: what they run, and what they use.

      mix linx.top --node app@host --cookie secret
      mix linx.top --once

  On a terminal the table is refreshed in place until you type `q` or `^C`; elsewhere it is printed
  once.

    * `--node NAME` - the node to look at, over Erlang distribution; otherwise this project is
      started, and its sessions are shown
    * `--cookie COOKIE` - of that node, by default this user's (`~/.erlang.cookie`). Others on this
      machine can see it in the list of processes
    * `--interval SECONDS` - between two looks, a number of at least 0.1, default 2
    * `--once` - print one table and end

  The columns are the session's pid on its node, its workload's pid and state, its age, its share of
  a CPU since the look before (in a first one: in its whole life), its CPU time, the memory and the
  number of processes of its tree, the workload's file descriptors, the bytes that went in and out
  by way of Linx, and its command line. `Linx.Top.print/0` prints the same in a shell on the node.

  The other node needs Linx, of this version or one that is close to it.
  """

  use Mix.Task

  alias Linx.Run.Terminal
  alias Linx.Top
  alias Linx.Top.{Remote, Screen, View}

  @switches [node: :string, cookie: :string, interval: :float, once: :boolean]

  @impl true
  @spec run([String.t()]) :: :ok
  def run(args) do
    {options, rest} = OptionParser.parse!(args, strict: @switches)
    if rest != [], do: Mix.raise("linx.top takes options only: #{inspect(rest)}")
    interval_ms = interval_ms(Keyword.get(options, :interval, 2.0))
    sample = sampler(options[:node], options[:cookie])

    shown =
      if options[:once] || shell?() || not Terminal.interactive?(),
        do: print(sample),
        else: Screen.run(sample, interval_ms)

    with {:error, message} <- shown, do: Mix.raise("linx.top: #{message}")
  end

  defp interval_ms(seconds) when seconds >= 0.1, do: round(seconds * 1000)

  defp interval_ms(seconds),
    do: Mix.raise("invalid option --interval: #{seconds}, expected at least 0.1")

  # The terminal is the shell's then.
  defp shell?, do: Code.ensure_loaded?(IEx) and IEx.started?()

  defp sampler(nil, nil) do
    Mix.Task.run("app.start")
    fn -> {:ok, Top.sample()} end
  end

  defp sampler(nil, _cookie), do: Mix.raise("option --cookie is for --node")

  defp sampler(name, cookie) do
    Mix.Task.run("app.config")

    if not (name =~ ~r/^[^@]+@[^@]+$/),
      do: Mix.raise("invalid option --node: #{name}, expected name@host")

    node = String.to_atom(name)

    case Remote.connect(node, cookie && String.to_atom(cookie)) do
      :ok -> fn -> Remote.sample(node) end
      {:error, message} -> Mix.raise("linx.top: #{message}")
    end
  end

  defp print(sample) do
    with {:ok, now} <- sample.(), do: now |> View.text(nil) |> IO.write()
  end
end
