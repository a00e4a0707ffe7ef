defmodule Linx.Group.Member do
  @moduledoc """
  One instance as its group sees it: its session, its channel, and what is known of its end.

  Starting one means: a place to meet for its channel, and for each link that cannot be a pair made by the
  agent, since the other end is open in a process that runs already. Then a session that is parked, with all of it
  among its fds.
  """

  alias Linx.Group.{Channel, Frame, Options, Plan, Rendezvous}
  alias Linx.Process.Launch

  @type t :: %__MODULE__{
          plan: Plan.t(),
          since: integer,
          session: pid | nil,
          ref: reference | nil,
          meeting: Rendezvous.t() | nil,
          channel: pid | nil,
          host_pid: pos_integer | nil,
          outcome: Linx.Group.outcome() | nil,
          waiting: [{Frame.t(), :socket.socket()}]
        }

  @enforce_keys [:plan]
  defstruct [
    :plan,
    :session,
    :ref,
    :meeting,
    :channel,
    :host_pid,
    :outcome,
    since: 0,
    waiting: []
  ]

  @doc """
  Starts an instance. Its links are pairs of that `batch`, or go by way of the BEAM where there is none.

  `agent` is that of the others, a session, or `:shared`. Its messages have the tag `{ref, id}`.
  """
  @spec start(Options.t(), Plan.id(), batch :: term, agent :: pid | :shared) ::
          {:ok, t} | {:error, term}
  def start(%Options{} = group, id, batch, agent) do
    plan = group.plan[id]
    met = [:channel | if(batch, do: [], else: Enum.map(plan.links, &elem(&1, 0)))]

    with {:ok, meeting} <- Rendezvous.open(met) do
      ref = make_ref()

      fds = [
        {Plan.channel(), Rendezvous.directive(meeting, :channel)} | links(plan, batch, meeting)
      ]

      case Launch.start(session(group, id, fds, ref, agent), nil) do
        {:ok, session} ->
          since = System.unique_integer([:monotonic])

          {:ok,
           %__MODULE__{plan: plan, session: session, ref: ref, meeting: meeting, since: since}}

        {:error, reason} ->
          Rendezvous.close(meeting)
          {:error, reason}
      end
    end
  end

  defp links(plan, nil, meeting),
    do: for({peer, fd} <- plan.links, do: {fd, Rendezvous.directive(meeting, peer)})

  defp links(%{id: id, links: links}, batch, _meeting) do
    for {peer, fd} <- links,
        do: {fd, {:socketpair, "group #{batch}, #{min(id, peer)} and #{max(id, peer)}"}}
  end

  defp session(group, id, fds, ref, agent) do
    options = group.roles[group.plan[id].role].options
    variable = Plan.variable(group.plan, id)

    request =
      options.request
      |> Map.update(:fds, fds, &(fds ++ &1))
      |> Map.put_new_lazy(:env, &environment/0)
      |> Map.update!(:env, &(&1 ++ [variable]))

    %{options | request: request, owner: self(), tag: {:ok, {ref, id}}, agent: agent}
  end

  # That of the BEAM is what a session has without another; a group's own is not handed on.
  defp environment do
    for {name, value} <- System.get_env(), name != "LINX_GROUP", do: "#{name}=#{value}"
  end

  @doc """
  It is ready, so its channel is there; with the sockets that are its peers' new ends of links.
  """
  @spec meet(t, keyword) ::
          {:ok, t, %{Plan.id() => :socket.socket()}} | {:error, {:rendezvous, term}}
  def meet(%__MODULE__{plan: plan} = member, options) do
    with {:ok, sockets} <- Rendezvous.accept(member.meeting) do
      {socket, links} = Map.pop!(sockets, :channel)
      name = {plan.role, plan.number}
      {:ok, channel} = Channel.start_link(socket, [id: plan.id, name: name] ++ options)
      for {frame, end_} <- Enum.reverse(member.waiting), do: Channel.pass(channel, frame, end_)
      {:ok, %{member | meeting: nil, channel: channel, waiting: []}, links}
    end
  end

  @doc """
  Gives it the new end of its link to an instance that has been started again.

  Of two that were lost together each has made that link. The later one's counts: it has its own end, and
  the earlier one takes the other.
  """
  @spec relink(t, peer :: t, :socket.socket()) :: t
  def relink(%__MODULE__{} = member, %__MODULE__{plan: peer, since: since}, socket) do
    frame = Frame.link(peer.id, peer.role, peer.number)

    cond do
      member.since > since ->
        :socket.close(socket)
        member

      member.channel ->
        Channel.pass(member.channel, frame, socket)
        member

      # It hears of it when it runs.
      member.meeting ->
        %{member | waiting: [{frame, socket} | member.waiting]}

      true ->
        :socket.close(socket)
        member
    end
  end

  @doc "Its session has ended: what the BEAM has open for it goes, but for what it has still said."
  @spec over(t, Linx.Group.outcome()) :: t
  def over(%__MODULE__{} = member, outcome) do
    if member.meeting, do: Rendezvous.close(member.meeting)
    for {_frame, socket} <- member.waiting, do: :socket.close(socket)
    if member.channel, do: Channel.drain(member.channel)
    if member.session, do: Process.exit(member.session, :shutdown)
    # What was known before is the cause.
    %{member | meeting: nil, waiting: [], outcome: member.outcome || outcome}
  end
end
