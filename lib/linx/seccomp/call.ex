defmodule Linx.Seccomp.Call do
  @moduledoc """
  A system call that waits for its session's owner to decide.

  A filter with the action `:notify` has the calls that it names told to the owner, as
  `{:linx_process, :syscall, %Linx.Seccomp.Call{}}`, or `{:linx_process, tag, :syscall, call}`:

      {:ok, filter} = Linx.Seccomp.from_rules({[{:notify, [:mkdir]}], :allow})
      {:ok, s} = Linx.Process.spawn(argv: ["/bin/mkdir", "/srv/new"], syscall_timeout: {1000, :eacces})
      receive do {:linx_process, :ready, _pid} -> :ok end
      :ok = Linx.Seccomp.install(s, filter)
      :ok = Linx.Process.proceed(s)

      receive do
        {:linx_process, :syscall, %Linx.Seccomp.Call{syscall: :mkdir} = call} ->
          :ok = Linx.Seccomp.errno(s, call, :erofs)
      end

  The thread that makes the call stands still until `Linx.Seccomp.allow/2`, `errno/3` or `return/3`
  answers it. Whoever does not answer within `:syscall_timeout` has answered with its errno, by
  default `:eperm` after 5 s, so that no owner keeps a workload waiting for ever. Up to 256 calls of
  a session are told and not answered; others wait before they are told, and their time starts
  then. Closed for good is the way of asking when the session or its agent ends: such calls fail
  with `:enosys` in a workload that lives on.

  `allow/2` is no security boundary. What a call points to, a path say, can be changed by another
  thread between the question and the kernel's own look; so decide by numbers alone, or refuse, or
  do what was asked in the caller's stead and answer with `return/3`.

    * `id` - what the answer names
    * `pid` - the thread's, in the BEAM's pid namespace
    * `syscall` - its name, such as `:mkdir`; its number where there is no name for it here
    * `args` - six integers of 64 bits, unsigned, of which a call may use fewer
    * `instruction_pointer` - where in the program it was made
    * `arch` - `:x86_64`, `:aarch64` or the number that audit(7) has for others

  What a session does up to its `execve`, and that, is never asked about. A session has one such
  filter. `:notify` gives way to any action but `:allow` and `:log` of its other filters.
  """

  @enforce_keys [:id, :pid, :syscall, :args, :instruction_pointer, :arch]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          id: non_neg_integer,
          pid: pos_integer,
          syscall: atom | integer,
          args: [non_neg_integer],
          instruction_pointer: non_neg_integer,
          arch: atom | non_neg_integer
        }

  @arches %{0xC000003E => :x86_64, 0xC00000B7 => :aarch64}
  @most 0x7FFFFFFFFFFFFFFF

  @doc "The call that an agent tells of."
  @spec from_wire(map) :: t
  def from_wire(%{arch: arch, number: number} = wire) do
    %__MODULE__{
      id: wire.id,
      pid: wire.pid,
      syscall: syscall(wire.name, number),
      args: wire.args,
      instruction_pointer: wire.instruction_pointer,
      arch: Map.get(@arches, arch, arch)
    }
  end

  # Whoever named it in a filter has made the atom.
  defp syscall("", number), do: number

  defp syscall(name, number) do
    String.to_existing_atom(name)
  rescue
    ArgumentError -> number
  end

  @typedoc "What becomes of a call."
  @type answer :: :allow | {:errno, atom | 1..4095} | {:return, non_neg_integer}

  @doc """
  The command that answers a call.

      iex> call = %Linx.Seccomp.Call{
      ...>   id: 7, pid: 4, syscall: :read, args: [], instruction_pointer: 0, arch: :x86_64
      ...> }
      iex> Linx.Seccomp.Call.command(call, {:errno, :eperm})
      {:ok, {:syscall_answer, 7, {:errno, 1}}}
      iex> Linx.Seccomp.Call.command(call, {:return, -1})
      {:error, {:bad_answer, {:return, -1}}}
  """
  @spec command(t, answer) :: {:ok, tuple} | {:error, {:bad_answer, term}}
  def command(%__MODULE__{id: id}, answer) do
    case wire(answer) do
      nil -> {:error, {:bad_answer, answer}}
      wire -> {:ok, {:syscall_answer, id, wire}}
    end
  end

  defp wire(:allow), do: :continue
  defp wire({:errno, code}) when code in 1..4095, do: {:errno, code}
  defp wire({:return, value}) when value in 0..@most, do: {:return, value}

  defp wire({:errno, name}) when is_atom(name) do
    with {:ok, code} <- Linx.Errno.to_code(name), do: {:errno, code}, else: (:error -> nil)
  end

  defp wire(_answer), do: nil
end
