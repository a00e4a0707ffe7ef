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

  alias Linx.Process.Streams.{Input, Output}

  @type name :: :stdout | :stderr | :pty_out

  @typedoc """
  As `:inet` has it. A number is how many pieces of output the owner still takes. `0` is what
  becomes of `:once` and of a number: not active, but the owner is expected to go on.
  """
  @type mode :: boolean | :once | non_neg_integer

  @type t :: %__MODULE__{
          input: Input.t() | nil,
          outputs: %{name => Output.t()},
          mode: mode,
          readers: [{reference, from :: term, name | :all}],
          clock: non_neg_integer,
          over?: boolean
        }

  @type action :: Input.action() | {:tell, tuple}

  defstruct [:input, :mode, outputs: %{}, readers: [], clock: 0, over?: false]

  @max_count 32_767
  # The agent has no window for a terminal yet.
  @unbounded 0x4000_0000_0000_0000

  @doc """
  The streams of a session with this option `:stdio`; `nil` where it has none.
  """
  @spec new(stdio :: term, window :: pos_integer, mode) :: t | nil
  def new(stdio, window, mode) do
    case names(stdio) do
      {nil, []} ->
        nil

      {input, outputs} ->
        window = if input == :pty_in, do: @unbounded, else: window

        %__MODULE__{
          input: input && Input.new(input, window),
          outputs: Map.new(outputs, &{&1, Output.new(window)}),
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
  def arrived(%__MODULE__{outputs: outputs} = s, name, bytes) when is_map_key(outputs, name) do
    case Enum.find(s.readers, fn {_, _, wanted} -> wanted in [name, :all] end) do
      {ref, from, wanted} = reader ->
        {s, ack} = count(s, name, byte_size(bytes), true)
        reply = [{:reply, from, {:ok, read(wanted, name, bytes)}}, {:unwatch, ref}]
        {%{s | readers: List.delete(s.readers, reader)}, reply ++ ack}

      nil when s.mode in [false, 0] ->
        output = Output.put(outputs[name], s.clock, bytes)
        {%{put(s, name, output) | clock: s.clock + 1}, []}

      nil ->
        {s, ack} = count(s, name, byte_size(bytes), false)
        {s, passive} = spend(s)
        {s, [{:tell, {name, bytes}} | ack] ++ passive}
    end
  end

  def arrived(s, _name, _bytes), do: {s, []}

  @doc "A stream has come to its end."
  @spec eof(t, name) :: {t, [action]}
  def eof(%__MODULE__{outputs: outputs} = s, name) when is_map_key(outputs, name) do
    {s, replies} = dismiss(put(s, name, %{outputs[name] | end: :there}))
    {s, tells} = hand_out(s)
    {s, replies ++ tells}
  end

  def eof(s, _name), do: {s, []}

  @doc "Nothing more will come of any stream, nor be taken; `answer` is for who writes."
  @spec over(t, answer :: term) :: {t, [action]}
  def over(%__MODULE__{} = s, answer) do
    outputs =
      Map.new(s.outputs, fn
        {name, %{end: :none} = output} -> {name, %{output | end: :silent}}
        other -> other
      end)

    {s, unwritten} = shut_input(s, answer)
    {s, unread} = dismiss(%{s | outputs: outputs, over?: true})
    {s, unwritten ++ unread}
  end

  @doc "The workload takes no more input."
  @spec shut_input(t, answer :: term) :: {t, [action]}
  def shut_input(s, answer), do: input(s, &Input.shut(&1, answer))

  @doc "Somebody asks for output of one stream, or of whichever has some first."
  @spec recv(t, from :: term, reference, name | :all, timeout) :: {t, [action]}
  def recv(%__MODULE__{} = s, from, ref, wanted, timeout) do
    cond do
      wanted != :all and not is_map_key(s.outputs, wanted) ->
        {s, [{:reply, from, {:error, none(wanted)}}]}

      s.mode not in [false, 0] ->
        {s, [{:reply, from, {:error, :active}}]}

      name = first(s, wanted) ->
        {bytes, s, ack} = take(s, name, true)
        {s, [{:reply, from, {:ok, read(wanted, name, bytes)}} | ack]}

      ended?(s, wanted) ->
        {told(s, wanted), [{:reply, from, {:error, :closed}}]}

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
        readers = if next in [false, 0], do: s.readers, else: []

        active =
          for {ref, reader, _} <- s.readers -- readers,
              action <- [{:reply, reader, {:error, :active}}, {:unwatch, ref}],
              do: action

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
  def owed?(s), do: waiting?(s)

  @doc "Whether somebody still has something to read: bytes, or the end of what he reads."
  @spec unread?(t | nil) :: boolean
  def unread?(nil), do: false

  def unread?(s),
    do: waiting?(s) or Enum.any?(s.outputs, fn {_, o} -> o.read? and o.end != :told end)

  defp waiting?(s), do: Enum.any?(s.outputs, fn {_, output} -> not Output.empty?(output) end)

  # To the owner goes what the mode allows, and the end of a stream after its last bytes.
  defp hand_out(%{mode: false} = s), do: {s, []}

  defp hand_out(%{mode: mode} = s) do
    case mode != 0 && first(s, :all) do
      name when name in [false, nil] ->
        ends = for {name, %{end: :there} = o} <- s.outputs, Output.empty?(o), do: name
        {Enum.reduce(ends, s, &told(&2, &1)), for(name <- ends, do: {:tell, {name, :eof}})}

      name ->
        {bytes, s, ack} = take(s, name, false)
        {s, passive} = spend(s)
        {s, more} = hand_out(s)
        {s, [{:tell, {name, bytes}} | ack] ++ passive ++ more}
    end
  end

  # A piece went to the owner.
  defp spend(%{mode: true} = s), do: {s, []}
  defp spend(%{mode: :once} = s), do: {%{s | mode: 0}, []}
  defp spend(%{mode: 1} = s), do: {%{s | mode: 0}, [{:tell, {:passive}}]}
  defp spend(%{mode: count} = s), do: {%{s | mode: count - 1}, []}

  # Who waits for a stream that has ended need not wait any longer.
  defp dismiss(s) do
    {done, readers} = Enum.split_with(s.readers, fn {_, _, wanted} -> ended?(s, wanted) end)

    replies =
      for {ref, from, _} <- done,
          action <- [{:reply, from, {:error, :closed}}, {:unwatch, ref}],
          do: action

    {Enum.reduce(done, %{s | readers: readers}, fn {_, _, wanted}, s -> told(s, wanted) end),
     replies}
  end

  defp ended?(s, :all), do: Enum.all?(s.outputs, fn {name, _} -> ended?(s, name) end)

  defp ended?(s, name) do
    output = Map.fetch!(s.outputs, name)
    output.end != :none and Output.empty?(output)
  end

  defp told(s, :all), do: Enum.reduce(Map.keys(s.outputs), s, &told(&2, &1))
  defp told(s, name), do: put(s, name, %{s.outputs[name] | end: :told})

  # The stream whose bytes have waited longest, of those that are wanted.
  defp first(s, :all) do
    s.outputs |> Map.keys() |> Enum.reject(&Output.empty?(s.outputs[&1])) |> oldest(s)
  end

  defp first(s, name), do: if(Output.empty?(s.outputs[name]), do: nil, else: name)

  defp oldest([], _s), do: nil
  defp oldest(names, s), do: Enum.min_by(names, &Output.order(s.outputs[&1]))

  defp take(s, name, read?) do
    {bytes, output} = Output.take(s.outputs[name])
    {s, ack} = count(put(s, name, output), name, byte_size(bytes), read?)
    {bytes, s, ack}
  end

  defp count(s, name, size, read?) do
    output = s.outputs[name]
    {output, ack} = Output.count(%{output | read?: read? or output.read?}, size)
    ack = if ack == nil or s.over?, do: [], else: [{:write, {:ack, name, ack}, nil}]
    {put(s, name, output), ack}
  end

  defp put(s, name, output), do: %{s | outputs: Map.put(s.outputs, name, output)}

  defp read(:all, name, bytes), do: {name, bytes}
  defp read(_name, _name_too, bytes), do: bytes

  defp none(:pty_out), do: :no_pty
  defp none(_name), do: :no_pipe
end
