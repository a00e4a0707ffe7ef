defmodule Linx.Doorbell.Target do
  @moduledoc """
  What a doorbell is installed in: a session, or the process of a host pid that is held on to, so that
  the pid never means another one.

  An open file of `/proc/PID` names the process and not the number (`Linx.User.Pinned`). Whoever enters
  by the number, and finds the process still there afterwards, has entered no other.
  """

  alias Linx.Process.Error
  alias Linx.Sandbox.Host
  alias Linx.User.{IdMap, Pinned}

  @enforce_keys [:enter]
  defstruct @enforce_keys ++ [:pinned]

  @type t :: %__MODULE__{enter: pid | pos_integer, pinned: Pinned.t() | nil}

  @esrch 3
  @max_pid 0x7FFFFFFF

  @doc """
  Takes hold of a target, for the calling process.

  Errors: `{:bad_target, term}`, and `t:Linx.Process.Error.t/0` of the stage `:open_target` where there is
  no such process.
  """
  @spec open(term) :: {:ok, t} | {:error, {:bad_target, term} | Error.t()}
  def open(session) when is_pid(session), do: {:ok, %__MODULE__{enter: session}}

  def open(host_pid) when is_integer(host_pid) and host_pid > 0 and host_pid <= @max_pid do
    case Pinned.open(host_pid, [], :read) do
      {:ok, pinned} -> {:ok, %__MODULE__{enter: host_pid, pinned: pinned}}
      {:error, error} -> {:error, Error.new(error.code, :open_target, "#{host_pid}")}
    end
  end

  def open(other), do: {:error, {:bad_target, other}}

  @doc "Whether a process of the host has ended; of a session its own answers tell."
  @spec ended?(t) :: boolean
  def ended?(%__MODULE__{pinned: nil}), do: false
  def ended?(%__MODULE__{pinned: pinned}), do: Pinned.check(pinned) != :ok

  @doc "Whether what was answered to who wanted to enter means that the target has ended."
  @spec end_of?(t, term) :: boolean
  def end_of?(%__MODULE__{}, :no_process), do: true
  def end_of?(%__MODULE__{}, %Error{stage: :open_target, code: @esrch}), do: true
  def end_of?(%__MODULE__{} = target, _reason), do: ended?(target)

  @doc """
  The user and group of the target as its user namespace has them, as options of
  `Linx.Process.enter/2`.

  None where they are the BEAM's own, which who enters has anyway, and where they cannot be known.
  """
  @spec ids(t) :: [uid: non_neg_integer, gid: non_neg_integer]
  def ids(%__MODULE__{enter: session}) when is_pid(session) do
    case Linx.Process.host_pid(session) do
      {:ok, host_pid} -> ids_of(host_pid)
      {:error, _} -> []
    end
  end

  def ids(%__MODULE__{enter: host_pid}), do: ids_of(host_pid)

  defp ids_of(host_pid) do
    own = Host.self()

    with {:ok, {uid, gid, uids, gids}} when {uid, gid} != {own.uid, own.gid} <- read(host_pid),
         {:ok, uid} <- inside(uid, uids),
         {:ok, gid} <- inside(gid, gids) do
      [uid: uid, gid: gid]
    else
      _ -> []
    end
  end

  defp read(host_pid) do
    Pinned.with_files(host_pid, ["status", "uid_map", "gid_map"], :read, fn pinned ->
      with {:ok, status} <- Pinned.read(pinned, "status"),
           {:ok, uid_map} <- Pinned.read(pinned, "uid_map"),
           {:ok, gid_map} <- Pinned.read(pinned, "gid_map"),
           {:ok, uids} <- IdMap.decode(uid_map),
           {:ok, gids} <- IdMap.decode(gid_map) do
        {:ok, {effective(status, "Uid"), effective(status, "Gid"), uids, gids}}
      end
    end)
  end

  defp effective(status, name) do
    [_, id] = Regex.run(~r/^#{name}:\t\d+\t(\d+)/m, status)
    String.to_integer(id)
  end

  defp inside(id, map) do
    Enum.find_value(map, :error, fn {inside, outside, length} ->
      if id in outside..(outside + length - 1)//1, do: {:ok, inside + id - outside}
    end)
  end
end
