defmodule Linx.Integration.HostileSeccompTest do
  use Linx.Case

  import Linx.Test.Attempts

  alias Linx.Seccomp

  @sigsys 31

  describe "a filter that compares an argument" do
    test "is not passed by bits that the kernel drops" do
      calls = ["socket 1 1 0", "socket 0x100000001 1 0", "socket 0xffffffff00000001 1 0"]
      assert attempts(calls, []) == Map.new(calls, &{&1, :ok})

      {:ok, filter} = from({{:errno, :enospc}, [:socket], [{0, :eq, 1}]}, :allow)
      assert attempts(calls, [filter]) == Map.new(calls, &{&1, :enospc})

      # Allowed is what is something else, and to the kernel none of these is.
      {:ok, filter} = from({:allow, [:socket], [{0, :ne, 1}]}, {:errno, :enospc}, everything())
      assert attempts(calls, [filter]) == Map.new(calls, &{&1, :enospc})
    end

    test "lets through what it does not name" do
      calls = ["socket 1 1 0", "socket 2 2 0", "socket 1 2 0"]
      {:ok, filter} = from({{:errno, :enospc}, [:socket], [{0, :eq, 1}, {1, :lt, 2}]}, :allow)

      assert attempts(calls, [filter]) ==
               %{"socket 1 1 0" => :enospc, "socket 2 2 0" => :ok, "socket 1 2 0" => :ok}
    end

    test "compares 64 bits where the kernel does" do
      # lseek takes a long offset; fd 9 is none.
      calls = ["lseek 9 1 0", "lseek 9 0x100000001 0"]
      {:ok, filter} = from({{:errno, :enospc}, [:lseek], [{1, :eq, 1}]}, :allow)

      assert attempts(calls, [filter]) ==
               %{"lseek 9 1 0" => :enospc, "lseek 9 0x100000001 0" => :ebadf}
    end

    if Seccomp.arch() == :x86_64 do
      test "is not passed by x32 and int 0x80" do
        {:ok, filter} = from({{:errno, :enospc}, [:socket], [{0, :eq, 1}]}, :allow)
        calls = ["socket@x32 1 1 0", "getpid@x32"]
        assert attempts(calls, [filter]) == Map.new(calls, &{&1, {:signal, @sigsys}})

        # The machine may have no such gate at all: then it is another signal, without the filter too.
        [gate] = Map.values(attempts(["getpid@32"], []))
        expected = if gate == :ok, do: {:signal, @sigsys}, else: gate
        assert attempts(["getpid@32"], [filter]) == %{"getpid@32" => expected}
      end
    end
  end

  defp from(rule, default, more \\ []), do: Seccomp.from_rules({[rule | more], default})

  # What the program calls besides.
  defp everything do
    [
      {:allow,
       ~w(execve brk arch_prctl set_tid_address set_robust_list rseq prlimit64 readlinkat mprotect
          getrandom write fork clone wait4 getpid getppid exit_group newfstatat fstat readlink)a}
    ]
  end
end
