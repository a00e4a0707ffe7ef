defmodule Linx.Process.Streams do
  @moduledoc """
  The pipes and the PTY of a session: who reads, who writes, and what waits for them.

  Every function takes the streams as they are and answers what they are then and what is to be
  done, as `Linx.Process.Machine` does, whose actions these are.

      iex> alias Linx.Process.Streams
      iex> streams = Streams.new([stdout: :pipe], 1024, false)
      iex> {streams, []} = Streams.arrived(streams, :stdout, "some")
      iex> {streams, actions} = Streams.recv(streams, :reader, :ref, :stdout, 1000)
      iex> actions
      [{:reply, :reader, {:ok, "some"}}]
      iex> {_streams, actions} = Streams.recv(streams, :reader, :ref, :stdout, 1000)
      iex> actions
      [{:watch, :ref, :reader, 1000}]

  Output goes to the owner while the mode is active; what comes while it is not waits for `recv/5`.
  Where there is a reader who waits, or an active mode, no bytes wait.
  """

  alias Linx.Process.Streams.{Input, Outputs}

  @type name :: Outputs.name()

  @typedoc """
  As `:inet` has it. A number is how many pieces of output the owner still takes. `0` is what
  becomes of `:once` and of a number: not active, but the owner is expected to go on.
  """
  @type mode :: boolean | :once | non_neg_integer

  @type t :: %__MODULE__{
          input: Input.t() | nil,
          outputs: Outputs.t(),
          mode: mode,
          readers: [{reference, from :: term, Outputs.wanted()}]
        }

  @type action :: Input.action() | {:tell, tuple}

  @enforce_keys [:input, :mode, :outputs]
  defstruct [:input, :mode, :outputs, readers: []]

  @max_count 32_767

  @doc """
  The streams of a session with this option `:stdio`; `nil` where it has none.
  """
  @spec new(stdio :: term, window :: pos_integer, mode) :: t | nil
  def new(stdio, window, mode) do
    case names(stdio) do
      {nil, []} ->
        nil

      {input, outputs} ->
        %__MODULE__{
          input: input && Input.new(input, window),
          outputs: Outputs.new(outputs, window),
          mode: mode
        }
    end
  end

  defp names(:pty), do: {:pty_in, [:pty_out]}
  defp names(:pipe), do: {:stdin, [:stdout, :stderr]}

  defp names(each) when is_list(each) do
    {if(each[:stdin] == :pipe, do: :stdin), for({name, :pipe} <- each, name != :stdin, do: name)}
  end

  defp names(_whole), do: {nil, []}

  @doc "Whether there is output to read."
  @spec output?(t | nil) :: boolean
  def output?(nil), do: false
  def output?(%__MODULE__{} = s), do: Outputs.any?(s.outputs, :all)

  @doc "Whether a mode may be set by `set_active/3`."
  @spec mode?(term) :: boolean
  def mode?(mode) when is_integer(mode), do: mode >= -@max_count - 1 and mode <= @max_count
  def mode?(mode), do: mode in [true, false, :once]

  @doc "Whether a mode may be that of a new session."
  @spec first_mode?(term) :: boolean
  def first_mode?(mode), do: mode?(mode) and not (is_integer(mode) and mode < 1)

  @doc "Does something with the input, if there is one."
  @spec input(t, (Input.t() -> {Input.t(), [action]})) :: {t, [action]}
  def input(%__MODULE__{input: nil} = s, _change), do: {s, []}

  def input(s, change) do
    {input, actions} = change.(s.input)
    {%{s | input: input}, actions}
  end

  @doc "A piece of output has come."
  @spec arrived(t, name, binary) :: {t, [action]}
  def arrived(%__MODULE__{} = s, name, bytes) do
    cond do
      not Outputs.any?(s.outputs, name) ->
        {s, []}

      reader = Enum.find(s.readers, fn {_, _, wanted} -> wanted in [name, :all] end) ->
        {ref, from, wanted} = reader
        {s, acks} = count(%{s | readers: List.delete(s.readers, reader)}, name, bytes, true)
        {s, [{:reply, from, {:ok, read(wanted, name, bytes)}}, {:unwatch, ref} | acks]}

      s.mode in [false, 0] ->
        {%{s | outputs: Outputs.put(s.outputs, name, bytes)}, []}

      true ->
        tell(s, name, bytes)
    end
  end

  @doc "A stream has come to its end."
  @spec eof(t, name) :: {t, [action]}
  def eof(%__MODULE__{} = s, name) do
    if Outputs.any?(s.outputs, name) do
      {s, replies} = dismiss(%{s | outputs: Outputs.eof(s.outputs, name)})
      {s, tells} = hand_out(s)
      {s, replies ++ tells}
    else
      {s, []}
    end
  end

  @doc "Nothing more will come of any stream, nor be taken; `answer` is for who writes."
  @spec over(t, answer :: term) :: {t, [action]}
  def over(%__MODULE__{} = s, answer) do
    {s, unwritten} = shut_input(s, answer)
    {s, unread} = dismiss(%{s | outputs: Outputs.over(s.outputs)})
    {s, unwritten ++ unread}
  end

  @doc "The workload takes no more input."
  @spec shut_input(t, answer :: term) :: {t, [action]}
  def shut_input(s, answer), do: input(s, &Input.shut(&1, answer))

  @doc "Somebody asks for output of one stream, or of whichever has some first."
  @spec recv(t, from :: term, reference, Outputs.wanted(), timeout) :: {t, [action]}
  def recv(%__MODULE__{} = s, from, ref, wanted, timeout) do
    cond do
      not Outputs.any?(s.outputs, wanted) ->
        {s, [{:reply, from, {:error, none(wanted)}}]}

      s.mode not in [false, 0] ->
        {s, [{:reply, from, {:error, :active}}]}

      taken = Outputs.take(s.outputs, wanted) ->
        {name, bytes, outputs} = taken
        {s, acks} = count(%{s | outputs: outputs}, name, bytes, true)
        {s, [{:reply, from, {:ok, read(wanted, name, bytes)}} | acks]}

      Outputs.ended?(s.outputs, wanted) ->
        {%{s | outputs: Outputs.told(s.outputs, wanted)}, [{:reply, from, {:error, :closed}}]}

      timeout == 0 ->
        {s, [{:reply, from, {:error, :timeout}}]}

      true ->
        {%{s | readers: s.readers ++ [{ref, from, wanted}]}, [{:watch, ref, from, timeout}]}
    end
  end

  @doc "Sets the mode; who waits for output while it becomes active hears so."
  @spec set_active(t, from :: term, mode :: boolean | :once | integer) :: {t, [action]}
  def set_active(%__MODULE__{} = s, from, mode) do
    case next_mode(s.mode, mode) do
      :error ->
        {s, [{:reply, from, {:error, {:bad_active, mode}}}]}

      next ->
        {readers, gone} = if next in [false, 0], do: {s.readers, []}, else: {[], s.readers}
        active = answers(gone, {:error, :active})
        passive = if next == 0, do: [{:tell, {:passive}}], else: []
        {s, tells} = hand_out(%{s | mode: next, readers: readers})
        {s, [{:reply, from, :ok} | active] ++ passive ++ tells}
    end
  end

  # A number is added to one that is there.
  defp next_mode(old, more) when is_integer(more) do
    sum = if(is_integer(old), do: old, else: 0) + more
    if sum > @max_count, do: :error, else: max(sum, 0)
  end

  defp next_mode(_old, mode), do: mode

  @doc "Who asked or wrote is dead."
  @spec gone(t, reference) :: t
  def gone(%__MODULE__{} = s, ref) do
    input = s.input && Input.gone(s.input, ref)
    %{s | input: input, readers: List.keydelete(s.readers, ref, 0)}
  end

  @doc "Who asked has waited long enough."
  @spec overdue(t, reference) :: {t, [action]}
  def overdue(%__MODULE__{} = s, ref) do
    case List.keytake(s.readers, ref, 0) do
      {{^ref, from, _}, readers} ->
        {%{s | readers: readers}, [{:reply, from, {:error, :timeout}}, {:unwatch, ref}]}

      nil ->
        {s, []}
    end
  end

  @doc "Whether there are bytes that the owner has not asked for yet but is expected to."
  @spec owed?(t | nil) :: boolean
  def owed?(nil), do: false
  def owed?(%__MODULE__{mode: false}), do: false
  def owed?(s), do: Outputs.waiting?(s.outputs)

  @doc "Whether somebody still has something to read: bytes, or the end of a stream that is read."
  @spec unread?(t | nil) :: boolean
  def unread?(nil), do: false
  def unread?(s), do: Outputs.unread?(s.outputs)

  # To the owner goes what the mode allows, and the end of a stream after its last bytes.
  defp hand_out(%{mode: false} = s), do: {s, []}

  defp hand_out(%{mode: mode} = s) do
    case mode != 0 && Outputs.take(s.outputs, :all) do
      {name, bytes, outputs} ->
        {s, told} = tell(%{s | outputs: outputs}, name, bytes)
        {s, more} = hand_out(s)
        {s, told ++ more}

      _nothing ->
        ends = Outputs.ends(s.outputs)
        outputs = Enum.reduce(ends, s.outputs, &Outputs.told(&2, &1))
        {%{s | outputs: outputs}, for(name <- ends, do: {:tell, {name, :eof}})}
    end
  end

  defp tell(s, name, bytes) do
    {s, acks} = count(s, name, bytes, false)
    {mode, passive} = spend(s.mode)
    {%{s | mode: mode}, [{:tell, {name, bytes}} | acks] ++ passive}
  end

  # A piece goes to the owner.
  defp spend(true), do: {true, []}
  defp spend(:once), do: {0, []}
  defp spend(1), do: {0, [{:tell, {:passive}}]}
  defp spend(count), do: {count - 1, []}

  # Who waits for a stream that has ended need not wait any longer.
  defp dismiss(s) do
    {done, readers} = Enum.split_with(s.readers, fn {_, _, w} -> Outputs.ended?(s.outputs, w) end)
    outputs = for {_, _, wanted} <- done, reduce: s.outputs, do: (o -> Outputs.told(o, wanted))
    {%{s | readers: readers, outputs: outputs}, answers(done, {:error, :closed})}
  end

  defp answers(readers, answer) do
    for {ref, from, _} <- readers,
        action <- [{:reply, from, answer}, {:unwatch, ref}],
        do: action
  end

  defp count(s, name, bytes, read?) do
    {outputs, acks} = Outputs.count(s.outputs, name, byte_size(bytes), read?)
    {%{s | outputs: outputs}, acks}
  end

  defp read(:all, name, bytes), do: {name, bytes}
  defp read(_name, _same, bytes), do: bytes

  defp none(:pty_out), do: :no_pty
  defp none(_name), do: :no_pipe
end
