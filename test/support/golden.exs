# Writes the golden frames: `elixir test/support/golden.exs`, whenever terms.exs changes.
#
# Minor version 2 spells atoms as the agent does, whatever the OTP release; the order of a map's
# keys is made the same for all of them.

directory = Path.expand("../fixtures/protocol", __DIR__)
{terms, _bindings} = Code.eval_file(Path.join(directory, "terms.exs"))

for stale <- Path.wildcard(Path.join(directory, "*.etf")), do: File.rm!(stale)

for {name, term} <- terms do
  frame = :erlang.term_to_binary(term, [:deterministic, minor_version: 2])
  File.write!(Path.join(directory, "#{name}.etf"), frame)
end

IO.puts("#{length(terms)} frames in #{directory}")
