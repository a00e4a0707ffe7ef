defmodule Linx.Test.Chaos.Plan do
  @moduledoc """
  A round of chaos, drawn by lot: what runs, who is killed, and when.

      Plan.draw({seed, 1}, world)
  """

  alias Linx.Test.Chaos

  @members ["stubborn", "daemon", "stopped", "deaf"]
  @stages [:spawned, :ready, :running]

  @typedoc """
    * `:tree` - what the workload does, as words of `tree_hostile`
    * `:beam?` - whether the BEAM that owns the session is a victim
    * `:paused?` - whether the session is paused, where it is one that runs
    * `:moment` - a stage that is reached and the roles that are killed then; or, for what is not yet
      known, `{:hunt, depths}`: its place below the guard, where 0 is the guard, 1 the agent, 2 an
      enter helper, an init, an init's guard or a workload
    * `:held?` - whether the stage is waited for before the strike
    * `:delay_us` - from then to the first kill
  """
  @type t :: %{
          kind: atom,
          tree: [String.t()],
          options: keyword,
          beam?: boolean,
          paused?: boolean,
          moment: {atom, [atom]} | {:hunt, [non_neg_integer]},
          held?: boolean,
          delay_us: non_neg_integer
        }

  @doc "Draws a round; the same lots in the same world give the same one."
  @spec draw({integer, integer}, Chaos.world()) :: t
  def draw({seed, number}, world) do
    :rand.seed(:exsss, {seed, number, 1})
    kind = Enum.random(Chaos.kinds())
    beam? = one_in(6)
    pipe? = one_in(2)
    auto_proceed? = one_in(2)
    moment = if beam?, do: staged(kind), else: moment(kind)

    %{
      kind: kind,
      tree: tree(pipe?),
      options: [auto_proceed: auto_proceed?] ++ stdio(pipe?) ++ cgroup(world),
      beam?: beam?,
      paused?: one_in(3),
      moment: moment,
      # Where it proceeds by itself it may be over before anybody looks.
      held?: not (auto_proceed? and elem(moment, 0) == :running) and not (beam? and one_in(2)),
      delay_us: Enum.random([0, :rand.uniform(300), :rand.uniform(5000)])
    }
  end

  @doc "Who is killed for certain, as far as there is such a process."
  @spec victims(t) :: [atom]
  def victims(%{moment: {:hunt, depths}}),
    do: for({role, depth} <- [guard: 0, agent: 1], depth in depths, do: role)

  def victims(%{moment: {_stage, victims}}), do: victims

  defp one_in(count), do: :rand.uniform(count) == 1

  # What forks is last, so that the others are there when it begins.
  defp tree(pipe?) do
    members = Enum.filter(@members, fn _ -> one_in(2) end)
    writer = if pipe? and one_in(2), do: ["writer"], else: []
    forker = if one_in(4), do: ["forker"], else: []
    members ++ writer ++ forker
  end

  # Nobody reads: the writer has to wait.
  defp stdio(true),
    do: [stdio: [stdin: :devnull, stdout: :pipe, stderr: :stdout], active: false]

  defp stdio(false), do: []

  defp cgroup(%{cgroups?: true}), do: [cgroup: one_in(2)]
  defp cgroup(_world), do: []

  defp moment(kind), do: if(one_in(2), do: staged(kind), else: {:hunt, Enum.random(prey(kind))})

  defp staged(kind) do
    stage = Enum.random(@stages)
    {stage, Enum.random(Chaos.victim_sets(kind, stage))}
  end

  defp prey(:enter_pid), do: [[1], [2], [3], [1, 0], [2, 0], [2, 1], [3, 0], [3, 1], [4, 2]]
  defp prey(_kind), do: [[1], [2], [3], [1, 0], [2, 0], [2, 1], [3, 0], [3, 1], [3, 2]]
end
