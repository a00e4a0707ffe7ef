defmodule Linx.Process.PropertyTest do
  @moduledoc """
  Properties of what takes any term: option validation, the codec, the session's state machine.
  """

  use ExUnit.Case, async: true

  import :proper_types,
    only: [
      any: 0,
      binary: 0,
      boolean: 0,
      byte: 0,
      integer: 0,
      integer: 2,
      list: 1,
      non_neg_integer: 0,
      oneof: 1
    ]

  import Linx.Test.Property

  alias Linx.Process.{Machine, Options, Streams}
  alias Linx.Process.Options.Reason
  alias Linx.Protocol

  defp text, do: oneof([binary(), "/bin/true", "/bin/true\0", "A=1", "=", ""])
  defp numeral, do: oneof([integer(), integer(0, 70_000), 4_294_967_294, 4_294_967_295])

  defp value do
    oneof([
      any(),
      text(),
      numeral(),
      boolean(),
      list(text()),
      list(numeral()),
      list(oneof(Protocol.namespaces() ++ [:nope])),
      list({text(), text()}),
      oneof([:inherit, :devnull, :pty, :pipe, :linger, :shared, :dedicated, :once]),
      {:kill, numeral()},
      list({oneof([:stdin, :stdout, :stderr]), directive()})
    ])
  end

  defp directive do
    oneof([
      oneof([:inherit, :devnull, :pipe, :stdout, :pty]),
      {:connect_unix, text()},
      {:file, text(), oneof([:read, :write, :append, :delete])},
      {:link, text(), oneof([:read, :write, :append])}
    ])
  end

  @keys ~w(argv namespaces env stdio cwd no_new_privs orphan_policy uid gid groups rlimits nice umask cpus owner linger
           auto_proceed init agent tag kill timeout cgroup window drain active other)a

  defp options do
    oneof([
      any(),
      list({oneof(@keys), value()}),
      let(list({oneof(@keys), value()}), &[{:argv, ["/bin/true"]} | &1])
    ])
  end

  test "any term in: a valid request or a tagged error out" do
    holds(
      forall({oneof([:spawn, :enter]), options()}, fn {mode, options} ->
        case Options.validate(mode, options) do
          {:ok, valid} -> request?(valid.request)
          {:error, reason} -> is_binary(Reason.message(reason))
        end
      end)
    )
  end

  # As the agent would judge it.
  defp request?(request) do
    Enum.all?(request, fn
      {:argv, [program | _] = argv} -> String.starts_with?(program, "/") and strings?(argv)
      {:env, env} -> strings?(env) and Enum.all?(env, &(&1 =~ "="))
      {:namespaces, list} -> list -- Protocol.namespaces() == []
      {:stdio, stdio} -> stdio in [:devnull, :pty, :pipe] or stdio?(stdio)
      {:cwd, cwd} -> cwd != "" and strings?([cwd])
      {:orphan_policy, {:kill, grace}} -> grace in 0..0xFFFFFFFF
      {:orphan_policy, policy} -> policy == :linger
      {key, id} when key in [:uid, :gid] -> id in 0..0xFFFFFFFE
      {:groups, groups} -> Enum.all?(groups, &(&1 in 0..0xFFFFFFFE))
      {:rlimits, limits} -> Enum.all?(limits, fn {_name, soft, hard} -> soft <= hard end)
      {:nice, nice} -> nice in -20..19
      {:umask, mask} -> mask in 0..0o777
      {:cpus, cpus} -> cpus != [] and Enum.all?(cpus, &(&1 in 0..8191))
      {:window, window} -> window in 1..0x40000000
      {:drain_ms, drain} -> drain in 0..0x7FFFFFFF
      {:cgroup, cgroup} -> cgroup == true or strings?(String.split(cgroup, "/"))
      {key, flag} when key in [:no_new_privs, :auto_proceed, :fail_closed, :init, :usage] -> flag
    end)
  end

  defp strings?(strings),
    do: Enum.all?(strings, &(is_binary(&1) and not String.contains?(&1, "\0")))

  defp stdio?(each) do
    Enum.all?(each, fn
      {fd, directive} when fd in [:stdin, :stdout, :stderr] -> directive?(fd, directive)
    end)
  end

  defp directive?(_fd, {:connect_unix, path}), do: strings?([path])

  defp directive?(_fd, {:file, path, mode}),
    do: strings?([path]) and mode in [:read, :write, :append]

  defp directive?(_fd, {:link, name, how}),
    do: strings?([name]) and byte_size(name) in 1..255 and how in [:read, :write]

  defp directive?(:stderr, :stdout), do: true
  defp directive?(_fd, word), do: word in [:inherit, :devnull, :pipe]

  test "what is valid is what arrives" do
    holds(
      forall({oneof([nil, non_neg_integer()]), options()}, fn {id, options} ->
        case Options.validate(:spawn, options) do
          {:ok, %{request: request}} ->
            term = {:spawn, request}
            frame = Protocol.encode(id, term)
            :erlang.binary_to_term(frame, [:safe]) == if(id, do: {id, term}, else: term)

          {:error, _} ->
            true
        end
      end)
    )
  end

  defp event do
    oneof([
      {:status, oneof([:spawned, :ready, :exited, :signaled, :aborted]), non_neg_integer()},
      {:status, oneof([:running, :paused, :resumed])},
      {oneof([:usage, :stats]), let(list(integer()), &Map.new(&1, fn n -> {:fds, n} end))},
      {oneof([:pty_out, :stdout, :stderr]), binary()},
      {oneof([:stdout, :stderr]), :eof},
      {:stdin_ack, non_neg_integer()},
      {:stdin, :closed},
      {:error, integer(), oneof(Protocol.names().stage)},
      {:refused, integer(), oneof(Protocol.names().command), binary()}
    ])
  end

  test "every event comes through the codec, and no other bytes are one" do
    holds(
      forall({non_neg_integer(), event()}, fn {id, event} ->
        {:ok, {^id, decoded}} = Protocol.decode(:erlang.term_to_binary({id, event}))
        Enum.take(Tuple.to_list(decoded), tuple_size(event)) == Tuple.to_list(event)
      end)
    )

    holds(
      forall(oneof([binary(), let(any(), &:erlang.term_to_binary/1)]), fn bytes ->
        match?({:error, :malformed_frame}, Protocol.decode(bytes)) and
          match?({:error, :malformed_frame}, Protocol.decode_bare(bytes))
      end)
    )
  end

  test "a frame that was damaged is an event or malformed, never a crash" do
    damaged =
      let({non_neg_integer(), event(), integer(0, 60), byte()}, fn {id, event, at, byte} ->
        frame = :erlang.term_to_binary({id, event})
        at = min(at, byte_size(frame) - 1)
        <<head::binary-size(at), _, tail::binary>> = frame
        head <> <<byte>> <> tail
      end)

    holds(
      forall(damaged, fn bytes ->
        case Protocol.decode(bytes) do
          {:ok, {id, event}} -> (is_nil(id) or is_integer(id)) and is_tuple(event)
          {:error, :malformed_frame} -> true
        end
      end)
    )
  end

  defp input do
    oneof([
      let(event(), &{:event, normal(&1)}),
      let(call(), &{:call, make_ref(), &1}),
      {:forget, integer(0, 3)},
      {oneof([:gone, :overdue]), integer(0, 3)},
      :grace_over,
      :time_over,
      :owner_down,
      :shutdown,
      {:agent_down, byte()}
    ])
  end

  defp normal({:error, code, stage}), do: {:error, code, stage, nil}
  defp normal(event), do: event

  defp call do
    oneof([
      :proceed,
      :abort,
      :info,
      :host_pid,
      :pty_master,
      :stats,
      :pause,
      :resume,
      {:signal, integer(1, 64)},
      {:wait, integer(0, 3)},
      {:stop, non_neg_integer(), integer(0, 3)},
      {oneof([:write, :pty_write]), integer(0, 3), binary()},
      {:recv, integer(0, 3), oneof([:stdout, :stderr, :pty_out, :all]), oneof([0, :infinity])},
      {:set_active, oneof([true, false, :once, integer(-2, 3)])},
      :close_stdin,
      {:pty_winsize, {1, 2, 3, 4}},
      {:command, {:cap_drop_bounding, 1}}
    ])
  end

  defp session do
    stdio = oneof([:inherit, :pipe, :pty, [stdout: :pipe]])
    mode = oneof([true, false, :once, 2])

    let({boolean(), boolean(), {stdio, mode}, oneof([:linger, {:kill, 10}])}, fn
      {linger, proceeded?, {stdio, mode}, policy} ->
        Machine.new(
          mode: :spawn,
          linger: linger,
          proceeded?: proceeded?,
          pty?: stdio == :pty,
          streams: Streams.new(stdio, 4, mode),
          orphan_policy: policy
        )
    end)
  end

  # Inputs up to the one that stops the process: nothing is handled after that.
  defp run(machine, inputs) do
    Enum.reduce_while(inputs, {machine, []}, fn input, {machine, done} ->
      {machine, actions} = Machine.handle(machine, input)
      stopped? = Enum.any?(actions, &match?({:stop, _}, &1))
      {if(stopped?, do: :halt, else: :cont), {machine, done ++ actions}}
    end)
  end

  test "whatever happens to a session: one end, told last, and every call answered once" do
    holds(
      forall({session(), list(input())}, fn {machine, inputs} ->
        {machine, actions} = run(machine, inputs)
        told = for {:tell, message} <- actions, do: elem(message, 0)
        ends = Enum.filter(told, &(&1 in [:exited, :signaled, :aborted, :error]))

        answered =
          for(action <- actions, elem_or_nil(action) in [:reply, :write], do: from(action))
          |> Enum.reject(&is_nil/1)

        waiting =
          for({_, from} <- machine.waiters ++ machine.asked, do: from) ++
            waiting(machine.streams)

        length(ends) == if(machine.told?, do: 1, else: 0) and
          (machine.told? or not Machine.ended?(machine) or Streams.owed?(machine.streams)) and
          (ends == [] or List.last(told) == hd(ends)) and
          Enum.uniq(answered ++ waiting) == answered ++ waiting and
          (ends == [] or waiting == [])
      end)
    )
  end

  defp waiting(nil), do: []

  defp waiting(streams) do
    writers = if streams.input, do: :queue.to_list(streams.input.waiting), else: []

    for({_, from, _} <- streams.readers, do: from) ++
      for {_, from, _, _} <- writers, from != nil, do: from
  end

  defp elem_or_nil(action) when is_tuple(action), do: elem(action, 0)
  defp elem_or_nil(_atom), do: nil

  defp from({:reply, from, _}), do: from
  defp from({:write, _, from}), do: from
end
