defmodule Linx.Integration.TelemetryTest do
  # Not async: it gives the whole BEAM a module :telemetry for a while.
  use Linx.Case, async: false

  doctest Linx.Telemetry

  @sleep ["/bin/sleep", "60"]

  # Passes every event on to the process with this name.
  defp load_stand_in do
    Process.register(self(), __MODULE__)

    body =
      quote do
        def execute(event, measurements, metadata) do
          test = Process.whereis(unquote(__MODULE__))
          if test, do: send(test, {:event, event, measurements, metadata})
        end
      end

    Module.create(:telemetry, body, Macro.Env.location(__ENV__))
    Linx.Telemetry.decide()

    on_exit(fn ->
      :code.purge(:telemetry)
      :code.delete(:telemetry)
      Linx.Telemetry.decide()
    end)
  end

  defp next_event(name) do
    assert_receive {:event, [:linx, :process, ^name], measurements, metadata}
    {measurements, metadata}
  end

  test "a session's life is told, with durations" do
    load_stand_in()
    {:ok, session} = Linx.Process.spawn(argv: @sleep, tag: :job)
    {times, metadata} = next_event(:spawn)
    assert metadata == %{session: session, mode: :spawn, host_pid: nil, tag: :job}
    assert times.monotonic_time <= System.monotonic_time()
    assert times.system_time <= System.system_time()

    {%{duration: ready}, %{host_pid: pid}} = next_event(:ready)
    assert Linx.Process.host_pid(session) == {:ok, pid}
    :ok = Linx.Process.proceed(session)
    {%{duration: running}, %{host_pid: ^pid, session: ^session}} = next_event(:running)
    assert {:ok, {:signaled, 15}} = Linx.Process.stop(session)
    {%{duration: stop} = used, %{host_pid: ^pid, tag: :job} = metadata} = next_event(:stop)
    assert %{wall_us: _, utime_us: _, stime_us: _, max_rss_kb: _} = used
    refute metadata.core_dumped
    assert metadata.result == {:signaled, 15}
    refute metadata.timed_out?

    lived = System.monotonic_time() - times.monotonic_time
    assert 0 < ready and ready < running and running < stop and stop <= lived
    refute_received {:event, _, _, _}
  end

  test "a session that never ran, and one whose time was over" do
    load_stand_in()
    {:ok, _} = Linx.Process.spawn(argv: ["/no/such"], auto_proceed: true)
    {_, %{result: {:error, %{stage: :execve}}} = metadata} = next_event(:stop)
    refute Map.has_key?(metadata, :tag)
    refute_received {:event, [:linx, :process, :running], _, _}

    {:ok, _} = Linx.Process.spawn(argv: @sleep, timeout: 0, agent: :dedicated)
    assert {_, %{result: :aborted, timed_out?: true}} = next_event(:stop)
  end

  test "nothing is told where the library is not there" do
    Linx.Telemetry.decide()
    {session, _pid} = running(argv: @sleep)
    assert :sys.get_state(session).watch == nil
    assert Linx.Process.stop(session) == {:ok, {:signaled, 15}}
  end
end
