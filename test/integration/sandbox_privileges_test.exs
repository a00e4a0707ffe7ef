defmodule Linx.Integration.SandboxPrivilegesTest do
  use Linx.Case

  import Linx.Test.Parked

  alias Linx.Capabilities.Constants
  alias Linx.Process.Error
  alias Linx.Sandbox

  @moduletag :user_namespaces

  @sleep ["/bin/sleep", "60"]
  @sets ~w(CapInh CapPrm CapEff CapBnd CapAmb)
  @none "0000000000000000"
  @allow <<6::little-16, 0, 0, 0x7FFF0000::little-32>>

  defp fresh, do: Sandbox.namespaces(Sandbox.new(), [:user])

  defp start(sandbox, options \\ []) do
    {session, pid} = running([argv: @sleep, stdio: :devnull, sandbox: sandbox] ++ options)
    {session, pid}
  end

  defp sets(pid), do: Map.new(@sets, &{&1, status(pid, &1)})
  defp all(hex), do: Map.new(@sets, &{&1, hex})

  defp hex(names) do
    {:ok, mask} = Constants.to_bits(names)
    mask |> Integer.to_string(16) |> String.downcase() |> String.pad_leading(16, "0")
  end

  describe "without a word about capabilities a workload has none" do
    for {way, change, options} <- [
          {"alone", quote(do: & &1), []},
          {"parked first", quote(do: & &1), [auto_proceed: false]},
          {"below an init", quote(do: & &1), [init: true]},
          {"as root of a user namespace", quote(do: &Sandbox.user(&1, 0)), [namespaces: [:user]]},
          {"as another user there", quote(do: &Sandbox.user(&1, 7)), [namespaces: [:user]]},
          {"as PID 1 with a name of its own", quote(do: &Sandbox.hostname(&1, "box")),
           [namespaces: [:pid]]}
        ] do
      test way do
        {session, pid} =
          park(
            [argv: @sleep, stdio: :devnull, sandbox: unquote(change).(Sandbox.new())] ++
              unquote(options)
          )

        unless unquote(options)[:auto_proceed], do: Linx.Process.proceed(session)
        assert_receive {:linx_process, :running}
        assert sets(pid) == all(@none)
        assert status(pid, "NoNewPrivs") == "1"
      end
    end

    test "in the namespaces of another" do
      {_session, target} = start(Sandbox.capabilities(fresh(), []))
      refute status(target, "CapBnd") == @none

      {:ok, _} =
        Linx.Process.enter(target,
          argv: @sleep,
          stdio: :devnull,
          sandbox: Sandbox.new(),
          auto_proceed: true,
          tag: :newcomer
        )

      assert_receive {:linx_process, :newcomer, :ready, pid}
      assert_receive {:linx_process, :newcomer, :running}
      assert sets(pid) == all(@none)
    end
  end

  # A fresh user namespace has it full, whatever was dropped before it was made.
  test "the bounding set is dropped inside the user namespace" do
    {_session, pid} = start(Sandbox.capabilities(fresh(), []))
    {:ok, %{bounding: bounding}} = Linx.Capabilities.read(pid)
    assert :cap_sys_admin in bounding

    {_session, pid} = start(Sandbox.capabilities(fresh(), bounding: [:cap_chown]))
    assert status(pid, "CapBnd") == hex([:cap_chown])
  end

  describe "what is kept" do
    for {who, user} <- [root: 0, another: 7] do
      test "is all that #{who} has after the exec" do
        keep = [:cap_net_bind_service, :cap_sys_time]
        sandbox = fresh() |> Sandbox.user(unquote(user)) |> Sandbox.capabilities({:keep, keep})
        {_session, pid} = start(sandbox)
        assert sets(pid) == all(hex(keep))
      end
    end

    test "is of use, and what is not kept is refused" do
      script = "hostname linx && echo named; chroot / true 2>/dev/null || echo refused"

      sandbox =
        Sandbox.new()
        |> Sandbox.namespaces([:user, :uts])
        |> Sandbox.user(0)
        |> Sandbox.capabilities({:keep, [:cap_sys_admin]})

      assert Linx.cmd("sh", ["-c", script], sandbox: sandbox) == {"named\nrefused\n", 0}
    end
  end

  test "no capability is inheritable unless it was asked for" do
    {_session, pid} = start(Sandbox.capabilities(fresh(), ambient: []))
    assert status(pid, "CapInh") == @none

    {_session, pid} = start(Sandbox.capabilities(fresh(), inheritable: [:cap_kill]))
    assert status(pid, "CapInh") == hex([:cap_kill])
  end

  test "what sets up the sandbox still has the capabilities that the workload is to lose" do
    sandbox =
      Sandbox.new()
      |> Sandbox.namespaces([:user, :mount, :net])
      |> Sandbox.hostname("box")
      |> Sandbox.tmpfs("/tmp")

    script =
      "hostname; cat /sys/class/net/lo/operstate /proc/self/status; grep ' /tmp ' /proc/mounts"

    assert {said, 0} = Linx.cmd("sh", ["-c", script], sandbox: sandbox)
    assert said =~ ~r/\Abox\n/
    assert said =~ "tmpfs /tmp tmpfs"
    for set <- @sets, do: assert(said =~ "#{set}:\t#{@none}")
  end

  test "securebits take root's capabilities from it at its exec" do
    sandbox = fresh() |> Sandbox.user(0) |> Sandbox.capabilities([])
    {_session, pid} = start(sandbox)
    refute status(pid, "CapPrm") == @none

    {_session, pid} = start(Sandbox.securebits(sandbox, [:noroot, :noroot_locked]))
    assert status(pid, "CapPrm") == @none
  end

  test "ambient capabilities can be raised before they cannot any more" do
    sandbox =
      fresh()
      |> Sandbox.user(7)
      |> Sandbox.capabilities({:keep, [:cap_kill]})
      |> Sandbox.securebits([:no_cap_ambient_raise, :no_cap_ambient_raise_locked])

    {_session, pid} = start(sandbox)
    assert sets(pid) == all(hex([:cap_kill]))
  end

  test "a set that the kernel does not take ends the session, and says which capability" do
    sandbox = Sandbox.capabilities(fresh(), ambient: [:cap_chown])
    {:ok, session} = Linx.Process.spawn(argv: @sleep, auto_proceed: true, sandbox: sandbox)

    assert {:error, %Error{stage: :cap_set_ambient, errno: :eperm, detail: "cap_chown"}} =
             Linx.Process.wait(session)

    refute_received {:linx_process, :running}
  end

  describe "filters" do
    test "of several kinds are all in force" do
      {:ok, filter} = Linx.Seccomp.deny_list([:mkdir, :mkdirat], deny_action: {:errno, :edom})
      sandbox = Sandbox.seccomp(fresh(), [:default, filter, @allow])
      {_session, pid} = start(sandbox)
      assert status(pid, "Seccomp") == "2"
      assert status(pid, "Seccomp_filters") == "3"

      script = "mkdir #{tmp_dir()}/never 2>&1 | grep -c argument"
      assert Linx.cmd("sh", ["-c", script], sandbox: sandbox) == {"1\n", 0}
    end

    test "that the kernel does not take end the session, and it says which" do
      for auto_proceed <- [true, false] do
        sandbox = Sandbox.seccomp(fresh(), [@allow, <<0::64>>])

        {:ok, session} =
          Linx.Process.spawn(argv: @sleep, auto_proceed: auto_proceed, sandbox: sandbox)

        assert {:error, %Error{stage: :seccomp_install, errno: :einval, detail: "filter 2"}} =
                 Linx.Process.wait(session)

        refute_received {:linx_process, :running}
      end
    end
  end

  test "no_new_privs is off where that was asked for" do
    {_session, pid} = start(Sandbox.no_new_privs(fresh(), false))
    assert status(pid, "NoNewPrivs") == "0"
    assert sets(pid) == all(@none)
  end

  test "an agent says what it can do here" do
    assert {:ok, %{protocol: 1, landlock_abi: abi}} = Linx.Agent.hello()
    assert Linx.Landlock.abi() == {:ok, abi}
    assert Linx.Landlock.supported?() == abi > 0
  end
end
