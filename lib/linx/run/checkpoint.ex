defmodule Linx.Run.Checkpoint do
  @moduledoc """
  What `mix linx.run` does to a workload that is parked: id maps, capabilities, a filter.

      {:ok, options} = Linx.Run.Options.parse(["--map-root", "--no-caps", "id"])
      {:ok, filter} = Linx.Run.Checkpoint.filter(options)

      {:ok, session} = Linx.Process.spawn(argv: ["/usr/bin/id"], namespaces: options.namespaces)
      receive do
        {:linx_process, :ready, host_pid} ->
          :ok = Linx.Run.Checkpoint.apply(session, host_pid, options, filter)
      end
  """

  alias Linx.Capabilities
  alias Linx.Run.Options

  @doc """
  The filter that the options ask for, to be made before anything is started; `nil` for none.
  """
  @spec filter(Options.t()) :: {:ok, Linx.Seccomp.Filter.t() | nil} | {:error, term}
  def filter(%Options{seccomp: nil}), do: {:ok, nil}
  def filter(%Options{seccomp: {:deny, names}}), do: Linx.Seccomp.deny_list(names)
  def filter(%Options{seccomp: {:allow, names}}), do: Linx.Seccomp.allow_list(names)

  @doc """
  Does to a parked session what the options ask for.
  """
  @spec apply(pid, pos_integer, Options.t(), Linx.Seccomp.Filter.t() | nil) ::
          :ok | {:error, term}
  def apply(session, host_pid, options, filter) do
    with :ok <- map_root(host_pid, options),
         :ok <- confine(session, host_pid, options.caps) do
      install(session, filter)
    end
  end

  defp map_root(_host_pid, %Options{map_root: false}), do: :ok

  defp map_root(host_pid, %Options{map_root: true}) do
    with {:ok, uid, gid} <- own_ids() do
      Linx.User.setup_maps(host_pid, uid: [{0, uid, 1}], gid: [{0, gid, 1}])
    end
  end

  # The effective ids: second of the four in each line.
  defp own_ids do
    status = File.read!("/proc/self/status")
    [_, uid] = Regex.run(~r/^Uid:\t\d+\t(\d+)/m, status)
    [_, gid] = Regex.run(~r/^Gid:\t\d+\t(\d+)/m, status)
    {:ok, String.to_integer(uid), String.to_integer(gid)}
  end

  defp confine(_session, _host_pid, :unchanged), do: :ok

  defp confine(session, host_pid, caps) do
    with {:ok, state} <- Capabilities.read(host_pid),
         {:ok, plan} <- capability_plan(caps, state),
         :ok <- Capabilities.drop_bounding(session, plan.drop),
         :ok <- Capabilities.set_thread_sets(session, plan.sets) do
      Capabilities.set_ambient(session, plan.ambient)
    end
  end

  @doc """
  What to send so that nothing but the wanted capabilities is left, given those that are there.

  Kept ones are made ambient, which is what carries them through exec where the workload is not
  uid 0. What cannot be kept, and what cannot be dropped, is an error.
  """
  @spec capability_plan({:drop | :keep, MapSet.t(atom)}, Capabilities.State.t()) ::
          {:ok, %{drop: MapSet.t(atom), sets: keyword(MapSet.t(atom)), ambient: MapSet.t(atom)}}
          | {:error, {:no_setpcap, atom} | {:not_permitted, atom}}
  def capability_plan({kind, caps}, state) do
    {drop, keep, inherit} =
      case kind do
        :drop ->
          {MapSet.intersection(state.bounding, caps), MapSet.difference(state.permitted, caps),
           MapSet.new()}

        :keep ->
          {MapSet.difference(state.bounding, caps), caps, caps}
      end

    missing = MapSet.difference(keep, state.permitted)

    cond do
      MapSet.size(missing) > 0 ->
        {:error, {:not_permitted, missing |> Enum.sort() |> hd()}}

      MapSet.size(drop) > 0 and :cap_setpcap not in state.effective ->
        {:error, {:no_setpcap, drop |> Enum.sort() |> hd()}}

      true ->
        sets = [effective: keep, permitted: keep, inheritable: inherit]
        {:ok, %{drop: drop, sets: sets, ambient: inherit}}
    end
  end

  defp install(_session, nil), do: :ok
  defp install(session, filter), do: Linx.Seccomp.install(session, filter)
end
