defmodule Linx.NamesTest do
  use ExUnit.Case, async: true

  doctest Linx.Errno
  doctest Linx.Signal

  test "every errno has its number, and every number its name" do
    assert length(Linx.Errno.all()) == 131

    for {name, code} <- Linx.Errno.all() do
      assert Linx.Errno.to_code(name) == {:ok, code}
      assert Linx.Errno.to_name(code) == {:ok, name}
    end
  end

  test "the names are the ones Erlang uses" do
    # Opening a directory to write, and a file below a file.
    assert {:error, posix} = File.open("/", [:write])
    assert Linx.Errno.to_code(posix) == {:ok, 21}
    assert {:error, posix} = File.read("/etc/passwd/none")
    assert Linx.Errno.to_code(posix) == {:ok, 20}
  end

  test "31 signals have a name, and the names are kill's" do
    assert length(Linx.Signal.names()) == 31

    for {name, number} <- [sighup: 1, sigkill: 9, sigterm: 15, sigstop: 19, sigwinch: 28] do
      assert Linx.Signal.to_number(name) == {:ok, number}
      {listed, 0} = System.cmd("/bin/sh", ["-c", "kill -l #{number}"])
      assert "sig#{String.downcase(String.trim(listed))}" == Atom.to_string(name)
    end
  end

  test "what is no signal has no number" do
    for other <- [0, 65, -1, :sigfoo, nil, "sigterm", 1.0],
        do: assert(Linx.Signal.to_number(other) == :error)
  end
end
