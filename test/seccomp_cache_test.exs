defmodule Linx.Seccomp.CacheTest do
  use ExUnit.Case, async: true

  alias Linx.Seccomp.Cache

  test "asks once for what it gets, and again for what it does not" do
    key = make_ref()
    assert Cache.fetch(key, fn -> {:error, :agent_died} end) == {:error, :agent_died}
    assert Cache.fetch(key, fn -> {:ok, "bpf"} end) == {:ok, "bpf"}
    assert Cache.fetch(key, fn -> flunk("asked again") end) == {:ok, "bpf"}
  end

  test "is bounded" do
    for _ <- 1..1000, do: Cache.fetch(make_ref(), fn -> {:ok, "bpf"} end)
    assert :ets.info(Cache, :size) < 300
  end
end
