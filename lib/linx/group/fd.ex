defmodule Linx.Group.Fd do
  @moduledoc """
  A file descriptor that an instance has sent.

  It is open in the BEAM until it is closed, by `close/1`; until it is handed on, by
  `Linx.Group.send/5` with `fd: this`; or until the group's owner or the group ends.

      receive do
        {:linx_group, ^group, {:message, :opener, 1, %{fd: fd}}} ->
          :ok = Linx.Group.send(group, {:worker, 1}, 1, "", fd: fd)
      end

  What is to be done with its bytes is another process's: nothing here reads or writes.
  """

  use GenServer, restart: :temporary

  @enforce_keys [:number, :holder]
  defstruct @enforce_keys

  @type t :: %__MODULE__{number: non_neg_integer, holder: pid}

  @doc "Closes it. Whoever does so twice has done so once."
  @spec close(t) :: :ok
  def close(%__MODULE__{holder: holder}) do
    GenServer.stop(holder)
  catch
    :exit, _gone -> :ok
  end

  @doc "The right to send it and close it, which only one has. Taken by `Linx.Group.send/5`."
  @spec claim(t) :: :ok | {:error, :closed}
  def claim(%__MODULE__{holder: holder}) do
    GenServer.call(holder, :claim)
  catch
    :exit, _gone -> {:error, :closed}
  end

  @doc "Gives that right back."
  @spec disclaim(t) :: :ok
  def disclaim(%__MODULE__{holder: holder}), do: GenServer.cast(holder, :disclaim)

  @doc """
  Takes charge of an open fd of the BEAM, until one of these processes ends. Called by channels.
  """
  @spec hold(non_neg_integer, [pid]) :: t
  def hold(number, users) do
    {:ok, holder} = GenServer.start(__MODULE__, {number, users})
    %__MODULE__{number: number, holder: holder}
  end

  # The BEAM's files are closed with the process that they belong to, and this makes one of any fd.
  # It is no documented function of OTP: where it is missing, channels have no room for fds.
  @doc "Whether this release of OTP can close any fd."
  @spec supported?() :: boolean
  def supported? do
    Code.ensure_loaded?(:prim_file) and function_exported?(:prim_file, :file_desc_to_ref, 2)
  end

  @impl true
  def init({number, users}) do
    for user <- users, do: Process.monitor(user)
    {:ok, file} = :prim_file.file_desc_to_ref(number, [:read])
    {:ok, {file, false}}
  end

  @impl true
  def handle_call(:claim, _from, {file, false}), do: {:reply, :ok, {file, true}}
  def handle_call(:claim, _from, claimed), do: {:reply, {:error, :closed}, claimed}

  @impl true
  def handle_cast(:disclaim, {file, _claimed?}), do: {:noreply, {file, false}}

  @impl true
  def handle_info({:DOWN, _monitor, :process, _user, _reason}, state), do: {:stop, :normal, state}

  @impl true
  def terminate(_reason, {file, _claimed?}), do: :prim_file.close(file)
end
