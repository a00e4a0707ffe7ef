defmodule Linx.Integration.ReadmeTest do
  use Linx.Case

  import Linx.Test.Parked, only: [assert_gone: 1, output_and_outcome: 0]

  @moduletag :user_namespaces

  test "the README's example runs as printed" do
    variables = run_blocks("README.md")
    {output, {:exited, 7}} = output_and_outcome()
    assert output =~ "I am 1, uid 0\n"
    assert output =~ "mount: "
    assert_gone(variables[:host_pid])
  end

  for guide <- ["docs/checkpoint.md", "docs/without-root.md"] do
    test "#{guide} runs as printed" do
      variables = run_blocks(unquote(guide))
      assert_gone(variables[:host_pid])
    end
  end

  for guide <- ["docs/commands.md", "docs/doorbells.md", "docs/groups.md", "docs/sandbox.md"] do
    test "#{guide} runs as printed" do
      run_blocks(unquote(guide))
    end
  end

  test "the command lines that are printed are valid" do
    lines =
      for file <- ["README.md", "docs/command-line.md"],
          [line] <- Regex.scan(~r/^.*mix linx\.run .*$/m, blocks(file, "sh")),
          do: line

    assert length(lines) > 5

    for line <- lines do
      [_, words] = Regex.run(~r/mix linx\.run ([^|]*)/, line)
      assert {:ok, _} = words |> OptionParser.split() |> Linx.Run.Options.parse()
    end
  end

  test "the commands and files that the README names are there" do
    readme = File.read!("README.md")
    for [_, command] <- Regex.scan(~r"^(bin/\w+)"m, readme), do: assert(File.exists?(command))

    for [_, file] <- Regex.scan(~r/\]\(([^):]+)\)/, readme) do
      assert File.exists?(file), "README.md names #{file}, which is not there"
    end
  end

  # All blocks of a file as one text, as a reader would paste them one after the other.
  defp run_blocks(file) do
    {_, variables} = Code.eval_string(blocks(file, "elixir"), [], file: file)
    variables
  end

  defp blocks(file, language) do
    ~r/^```#{language}\n(.*?)^```$/ms
    |> Regex.scan(File.read!(file))
    |> Enum.map_join("\n", &List.last/1)
  end
end
