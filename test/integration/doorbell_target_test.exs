defmodule Linx.Integration.DoorbellTargetTest do
  use Linx.Case

  import Linx.Test.Doorbells

  alias Linx.{Doorbell, Sandbox}
  alias Linx.Test.Hostile.Stranger

  @moduletag :user_namespaces

  @ms 30_000

  describe "a target" do
    test "that is not there is an error" do
      assert {:error, %Linx.Process.Error{stage: :open_target, errno: :esrch}} =
               Doorbell.install(4_194_305, title: "t", on_ring: ["true"])

      container = container()
      assert {:ok, _} = Linx.Process.stop(container, 0)

      assert Doorbell.install(container, title: "t", on_ring: ["true"]) ==
               {:error, :no_process}
    end

    test "takes its doorbells along, by session or pid, with a pid namespace or without" do
      contained = container()
      tag = make_ref()
      plain = [argv: ["/bin/sleep", "1000"], stdio: :devnull, auto_proceed: true, tag: tag]
      {:ok, plain} = Linx.Process.spawn(plain)
      assert_receive {:linx_process, ^tag, :running}, @ms

      for target <- [contained, plain] do
        {:ok, host_pid} = Linx.Process.host_pid(target)
        bells = for into <- [target, host_pid], do: install(into)
        Linx.Process.stop(target, 0)

        for {bell, probe} <- bells do
          assert gone(bell) == :target_ended
          assert_gone(probe)
          assert Doorbell.info(bell) == {:error, :no_doorbell}
        end
      end
    end

    @tag :root
    test "is never another process that has got its pid" do
      {port, host_pid} = foreign()
      test = self()

      {bell, probe} =
        install(host_pid,
          on_ring: fn ->
            send(test, {:acting, self()})
            receive do: (:done -> :ok)
          end
        )

      {_, 0} = System.cmd("kill", ["-HUP", "#{probe}"])
      assert_receive {:acting, action}, @ms
      Port.close(port)
      stranger = Stranger.take(host_pid)
      send(action, :done)
      assert told(bell) == :rung
      assert told(bell) == {:action, {:ok, :ok}}
      assert told(bell) == {:gone, :target_ended}
      assert Stranger.fate(stranger) == "untouched"
    end

    test "that is a sandbox by a preset rings where that lets it signal" do
      for {preset, code} <- [container: 0, build: 0, strict: 1] do
        sandbox = Sandbox.new(preset)
        own = [argv: ["/bin/sleep", "1000"], sandbox: sandbox, stdio: :devnull]
        tag = make_ref()
        own = [orphan_policy: {:kill, 0}, auto_proceed: true, tag: tag] ++ own
        {:ok, container} = Linx.Process.spawn(own)
        assert_receive {:linx_process, ^tag, :running}, @ms
        {bell, _probe} = install(container)
        assert {preset, ring(container)} == {preset, {"", code}}
        if code == 0, do: assert(told(bell) == :rung)
        assert Doorbell.remove(bell) == :ok
      end
    end

    # What comes before it depends on who sees the end first.
    defp gone(bell) do
      case told(bell) do
        {:gone, reason} -> reason
        {:lost, {:signaled, 9}} -> gone(bell)
        {:not_armed, _} -> gone(bell)
      end
    end

    test "can be another's process, and need not be known to Linx" do
      {port, host_pid} = foreign()
      {bell, probe} = install(host_pid)
      {_, 0} = System.cmd("kill", ["-HUP", "#{probe}"])
      assert told(bell) == :rung
      assert told(bell) == {:action, {:ok, :acted}}
      again(bell)
      Port.close(port)
      assert gone(bell) == :target_ended
    end

    defp foreign do
      port = Port.open({:spawn_executable, "/bin/cat"}, [])
      {:os_pid, pid} = Port.info(port, :os_pid)
      {port, pid}
    end
  end
end
