defmodule Linx.Integration.HostileSecretTest do
  use Linx.Case

  alias Linx.Test.{Hostile, Leftovers, Parked}
  alias Linx.Test.Hostile.{Memory, Wire}

  # What is read is the memory of processes that are not dumpable.
  @moduletag :root

  describe "a secret of one session" do
    # One that an allocator and a std::string keep inside of an object, and one that gets a mapping.
    @short "Q=kT4vZ9pLw2xY"
    @long String.duplicate("rC7nB3mJ8sHd", 10_000)

    @tag timeout: 120_000
    test "is in the agent's memory and nowhere in another session's" do
      for holder <- [:spawn, :auto_proceed, :init, :pty] do
        {wire, agent} = Wire.open_envelope()
        Hostile.open_target(wire)
        {_id, _pid} = Hostile.parked(wire, holder, secret_request(holder))
        for secret <- [@short, @long], do: assert(Memory.holds?(agent, piece(secret)))

        for kind <- Hostile.parked_kinds(), do: assert_clean(wire, kind, "beside #{holder}")
        Wire.close(wire)
      end
    end

    test "is nowhere in another session's memory when the agent's has shrunk and grown again" do
      {wire, agent} = Wire.open_envelope()
      Hostile.open_target(wire)

      for holder <- [:spawn, :auto_proceed, :init, :auto_proceed, :spawn, :spawn] do
        {id, _pid} = Hostile.parked(wire, holder, secret_request(holder))
        assert Memory.holds?(agent, piece(@long))
        assert_clean(wire, :spawn, "beside #{holder}")
        end_session(wire, id)
        # Its init may serve this one.
        assert_clean(wire, :init, "after #{holder}")
        # Nothing is forked between this one's memory and the next one's.
        {id, _pid} = Hostile.parked(wire, holder, secret_request(holder))
        end_session(wire, id)
      end
    end

    test "is nowhere in what stands by for the next one" do
      {wire, agent} = Wire.open_envelope()

      for _ <- 1..4, holder <- [:spawn, :init] do
        request = Map.put(Hostile.request(holder), :env, [@short])
        {id, pid} = Hostile.parked(wire, holder, request)
        # It has its plan a moment after it is told to be ready.
        Parked.wait_until(fn -> Memory.holds?(pid, @short) end, "the secret is with its session")
        # The nursery that it shares its memory with until it execs has it, too.
        assert Enum.count(idle(agent), &Memory.holds?(&1, @short)) <= 1
        end_session(wire, id)

        Parked.wait_until(
          fn -> Enum.all?(idle(agent), &(not Memory.holds?(&1, @short))) end,
          "the secret is gone after #{holder}"
        )

        assert idle(agent) != []
      end
    end

    test "that was typed is nowhere in another session's memory" do
      {wire, _agent} = Wire.open_envelope()
      Hostile.open_target(wire)
      {id, _pid} = Hostile.running(wire, :pty, %{argv: Hostile.idle(), stdio: :pty})
      Wire.say(wire, {id, {:pty_in, @long}})
      Wire.say(wire, {id, {:pty_in, @short}})
      for kind <- Hostile.parked_kinds(), do: assert_clean(wire, kind, "beside a terminal")
    end
  end

  # A megabyte of it: an argument of execve(2) may have 128 KiB.
  defp secret_request(kind) do
    env = [@short | for(number <- 1..10, do: "R#{number}=#{@long}")]
    Map.put(Hostile.request(kind), :env, env)
  end

  # Long enough to be no accident, short enough to be in one piece wherever it is.
  defp piece(secret), do: binary_part(secret, 0, min(byte_size(secret), 40))

  defp assert_clean(wire, kind, where) do
    {id, pid} = Hostile.parked(wire, kind, Hostile.request(kind))
    parent = status(pid, "PPid")
    above = if status(parent, "Name") == "linx_init", do: [parent], else: []

    for pid <- [pid | above], secret <- [@short, @long] do
      refute Memory.holds?(pid, piece(secret)),
             "#{kind} #{where}: #{binary_part(secret, 0, 2)} is in #{status(pid, "Name")}"
    end

    end_session(wire, id)
  end

  defp idle(agent), do: for({pid, ^agent, "linx_idle"} <- Leftovers.table(), do: pid)

  defp end_session(wire, id) do
    Wire.say(wire, {id, :abort})
    assert_receive {^wire, {^id, {:status, how, _}}} when how in [:aborted, :signaled]
  end
end
