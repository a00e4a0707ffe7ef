defmodule Linx.Integration.PreforkScriptsTest do
  use Linx.Case

  alias Linx.Test.WarmSuite

  @moduletag :user_namespaces
  @moduletag timeout: 200_000

  for module <- ~w(protocol_test malformed_test server_test),
      name <- WarmSuite.tests(module) do
    test name do
      {said, code} = WarmSuite.run(unquote(name))
      assert code == 0, said
      assert said =~ ~r/^OK$/m
    end
  end
end
