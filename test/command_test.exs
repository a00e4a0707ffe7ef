defmodule Linx.CommandTest do
  use ExUnit.Case, async: true

  alias Linx.Command
  alias Linx.Command.{Environment, Lines}

  doctest Linx.Command
  doctest Linx.Command.Environment
  doctest Linx.Command.Lines

  describe "a command" do
    test "without options has the BEAM's directory and environment" do
      command = Command.new!("true", [], [])
      assert command.path == System.find_executable("true")
      assert command.argv == [command.path]
      assert command.session[:cwd] == File.cwd!()
      env = System.get_env()
      assert Enum.sort(command.session[:env]) == Enum.sort(for {k, v} <- env, do: "#{k}=#{v}")
    end

    test "that is absolute is not looked for" do
      assert %{path: "/no/such", argv: ["/no/such", "a"]} = Command.new!("/no/such", ["a"], [])
    end

    test "that PATH does not have is :enoent, as that of System.cmd" do
      for name <- ["no-such-command", "./mix.exs", "no/such", ""] do
        assert_raise ErlangError, ~r/:enoent/, fn -> Command.new!(name, [], []) end
        assert_raise ErlangError, ~r/:enoent/, fn -> System.cmd(name, []) end
      end
    end

    test "may be called by another name" do
      command = Command.new!("true", ["x"], arg0: "other")
      assert command.argv == ["other", "x"]
      options = Command.session_options(command, stdin: :pipe)
      assert {options[:path], options[:argv]} == {System.find_executable("true"), ["other", "x"]}
    end

    test "has a directory that is relative to the BEAM's" do
      assert Command.new!("true", [], cd: "lib").session[:cwd] == Path.absname("lib")
    end

    test "hands what concerns its session on" do
      command = Command.new!("true", [], uid: 5, namespaces: [:user], no_new_privs: true)
      options = Command.session_options(command, stdin: :pipe)
      assert {options[:uid], options[:namespaces]} == {5, [:user]}
      assert options[:no_new_privs]
    end

    test "takes what System.cmd takes for its stderr" do
      assert Command.new!("true", [], []).stderr == :inherit
      assert Command.new!("true", [], stderr_to_stdout: true).stderr == :merge
      assert Command.new!("true", [], stderr_to_stdout: false).stderr == :inherit
      assert Command.new!("true", [], stderr: :separate).stderr == :separate
    end
  end

  describe "a bad option" do
    for {key, value} <- [
          cd: 1,
          cd: "",
          cd: "a\0b",
          arg0: :a,
          arg0: "a\0b",
          stderr_to_stdout: 1,
          parallelism: nil,
          lines: 0,
          stderr: :none,
          timeout: -1,
          timeout: 0x1_0000_0000,
          max_output: 0,
          checkpoint: :ok,
          env: [:a],
          env: [{"a=b", "c"}],
          env: [{"", "c"}],
          env: [{"a", "b\0c"}],
          env: [{"a\0b", nil}],
          env: [{:a, "b"}],
          uid: -1,
          argv: ["/bin/true"],
          stdio: :devnull,
          owner: nil,
          no_such_option: 1
        ] do
      test "is refused: #{key}: #{inspect(value)}" do
        opts = [{unquote(key), unquote(Macro.escape(value))}]
        assert_raise ArgumentError, fn -> Command.new!("true", [], opts) end
      end
    end

    test "that is no pair is refused" do
      assert_raise ArgumentError, fn -> Command.new!("true", [], [:into]) end
    end
  end

  test "bad commands and arguments are refused" do
    assert_raise ArgumentError, fn -> Command.new!("true\0", [], []) end
    assert_raise ArgumentError, fn -> Command.new!("true", ["a\0b"], []) end
    assert_raise ArgumentError, fn -> Command.new!("true", [:a], []) end
    assert_raise FunctionClauseError, fn -> Command.new!(true, [], []) end
  end

  describe "an environment" do
    test "has the last change of a name" do
      assert Environment.merge(%{}, [{"A", "1"}, {"A", "2"}]) == ["A=2"]
      assert Environment.merge(%{}, [{"A", "1"}, {"A", nil}]) == []
      assert Environment.merge(%{"A" => "0"}, %{"A" => "1"}) == ["A=1"]
    end

    test "keeps what was empty and takes away what is made so" do
      assert Environment.merge(%{"A" => ""}, []) == ["A="]
      assert Environment.merge(%{"A" => "1"}, [{"A", ""}]) == []
    end
  end

  describe "lines" do
    test "are the same however the text is cut into chunks" do
      text = "one\n\nthree and more\nfo"
      expected = String.split(text, "\n")

      for size <- 1..byte_size(text) do
        assert collect(Lines.new(), chunks(text, size)) == expected
      end
    end

    test "longer than the limit are the same pieces however they come" do
      text = "1234567\n1234\n12345678\n\n"
      expected = [{:cut, "1234"}, "567", "1234", {:cut, "1234"}, "5678", ""]

      for size <- 1..byte_size(text) do
        assert collect(Lines.new(4), chunks(text, size)) == expected
      end
    end

    test "without an end are bounded by the limit" do
      rest =
        Enum.reduce(1..1000, Lines.new(100), fn _, rest ->
          {_, rest} = Lines.push(rest, String.duplicate("x", 33))
          rest
        end)

      assert [last] = Lines.flush(rest)
      assert byte_size(last) <= 100
    end
  end

  defp collect(rest, chunks) do
    {lines, rest} =
      Enum.flat_map_reduce(chunks, rest, fn chunk, rest -> Lines.push(rest, chunk) end)

    lines ++ Lines.flush(rest)
  end

  defp chunks(text, size) when byte_size(text) <= size, do: [text]

  defp chunks(text, size) do
    <<chunk::binary-size(size), rest::binary>> = text
    [chunk | chunks(rest, size)]
  end
end
