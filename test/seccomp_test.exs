defmodule Linx.SeccompTest do
  use ExUnit.Case, async: true

  alias Linx.Seccomp
  alias Linx.Seccomp.{Builder, Filter}

  doctest Linx.Seccomp
  doctest Linx.Seccomp.Filter
  doctest Linx.Seccomp.Call

  @actions [:allow, :log, :trap, :kill_thread, :kill_process, {:errno, :eperm}, {:errno, 4094}]

  describe "Filter.new/2" do
    test "keeps rules and default as they were given" do
      for action <- @actions do
        rules = [{action, [:read, :write]}, {:allow, [:close]}]
        assert {:ok, %Filter{rules: ^rules, default: ^action}} = Filter.new(rules, action)
      end
    end

    test "refuses what is no action" do
      for bad <- [
            :deny,
            "allow",
            {:errno, 0},
            {:errno, 4096},
            {:errno, :enonsense},
            {:errno, "1"}
          ] do
        assert Filter.new([], bad) == {:error, {:bad_action, bad}}
        assert Filter.new([{bad, [:read]}], :allow) == {:error, {:bad_action, bad}}
      end
    end

    test "refuses what is no rule" do
      for bad <- [:read, {:allow}, {:allow, :read}, {:allow, [:read | :write]}] do
        assert Filter.new([bad], :log) == {:error, {:bad_rule, bad}}
      end

      assert Filter.new(:allow, :log) == {:error, {:bad_rule, :allow}}
      assert Filter.new([{:allow, ["read"]}], :log) == {:error, {:bad_rule, "read"}}
    end

    test "refuses two rules for one call" do
      assert Filter.new([{:allow, [:read]}, {:log, [:write, :read]}], :trap) ==
               {:error, {:duplicate_rule, :read}}

      assert Filter.new([{:allow, [:read, :read]}], :trap) == {:error, {:duplicate_rule, :read}}
    end
  end

  test "what cannot be a name is an unknown call" do
    for bad <- [:"", :"read\0", String.to_atom(String.duplicate("x", 65))] do
      assert Filter.new([{:allow, [bad]}], :log) == {:error, {:unknown_syscall, bad}}
    end
  end

  test "the wire form names each call, with numbers for errors" do
    {:ok, filter} =
      Filter.new([{{:errno, :enosys}, [:mount, :umount2]}, {:kill_process, [:ptrace]}], :allow)

    assert Filter.to_wire(filter) ==
             {:ok,
              %{
                default: :allow,
                rules: [
                  {{:errno, 38}, "mount", []},
                  {{:errno, 38}, "umount2", []},
                  {:kill_process, "ptrace", []}
                ]
              }}
  end

  test "a filter in words" do
    {:ok, filter} =
      Filter.new(
        [{:allow, [:write, :read]}, {:allow, [:socket], [{0, :eq, 1}, {1, :masked_eq, 0xF, 1}]}],
        {:errno, :eperm}
      )

    assert Seccomp.explain(filter) == """
           allow:
             read write
             socket if (int) arg0 == 1 and (arg1 & 0xf) == 1

           everything else: fail with EPERM, newer calls with ENOSYS
           """
  end

  test "only a default that makes calls fail says something of newer ones" do
    for {default, words} <- [
          {{:errno, 1}, "fail with errno 1, newer calls with ENOSYS"},
          {{:errno, :enosys}, "fail with ENOSYS"},
          {{:errno, 38}, "fail with errno 38"},
          {:allow, "allow"}
        ] do
      {:ok, filter} = Filter.new([], default)
      assert Seccomp.explain(filter) == "everything else: #{words}\n"
    end
  end

  test "a filter in words has a block for each action" do
    names = for i <- 10..40, do: :"call_number_#{i}"

    {:ok, filter} =
      Filter.new(
        [
          {{:errno, 4000}, [:chmod], [{1, :ge, 0o1000}]},
          {:trap, names},
          {{:errno, 4000}, [:openat], [{0, :ne, -100}]},
          {:kill_thread, [:lseek], [{1, :lt, 1_000_000}]}
        ],
        :kill_process
      )

    text = Seccomp.explain(filter)
    assert Enum.all?(String.split(text, "\n"), &(String.length(&1) <= 80))

    assert text =~ """
           fail with errno 4000:
             chmod if (short) arg1 >= 0x200
             openat if (int) arg0 != -0x64

           send SIGSYS:
             call_number_10 call_number_11\
           """

    assert text =~ """

           kill the thread:
             lseek if arg1 < 0xf4240

           everything else: kill the process
           """
  end

  # Everything below is answered before an agent is asked.

  test "a builder reports what is wrong when it is built" do
    builder = Builder.new() |> Builder.allow(:read) |> Builder.deny([:read], :trap)
    assert Builder.build(builder, :kill_process) == {:error, {:duplicate_rule, :read}}
    assert Builder.build(Builder.new(), :kill) == {:error, {:bad_action, :kill}}
    assert Builder.build(Builder.new(), default: :kill) == {:error, {:bad_action, :kill}}
  end

  test "an unknown option" do
    assert Seccomp.allow_list([:read], defualt: :log) == {:error, {:unknown_option, :defualt}}
    assert Seccomp.deny_list([:read], action: :log) == {:error, {:unknown_option, :action}}
  end

  test "rules of the wrong shape" do
    assert Seccomp.from_rules([{:allow, [:read]}]) == {:error, {:bad_rule, [{:allow, [:read]}]}}
    assert Seccomp.deny_list(:ptrace) == {:error, {:bad_rule, {{:errno, :eperm}, :ptrace}}}
  end

  test "to_rules/1 is the inverse of from_rules/1's argument" do
    rules = [{:allow, [:read]}, {{:errno, 13}, [:openat]}]
    {:ok, filter} = Filter.new(rules, :kill_process)
    assert Seccomp.to_rules(filter) == {rules, :kill_process}
  end

  test "what is no filter is not installed" do
    for bad <- ["", "seven b", String.duplicate("\0", 8 * 4097), {:bpf, ""}, :strict] do
      assert {:error, {:bad_filter, _}} = Seccomp.install(self(), bad)
    end
  end

  test "the machine's architecture" do
    {uname, 0} = System.cmd("uname", ["-m"])
    assert Atom.to_string(Seccomp.arch()) == String.trim(uname)
  end
end
