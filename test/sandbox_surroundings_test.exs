defmodule Linx.Sandbox.SurroundingsTest do
  use ExUnit.Case, async: true

  alias Linx.Sandbox.Surroundings

  doctest Linx.Sandbox.Surroundings

  @context %{mode: :spawn, namespaces: [], uid: 0, gid: 0}

  defp request(fields, context \\ @context),
    do: Surroundings.new() |> struct!(fields) |> Surroundings.request(context)

  test "each needs its namespace" do
    for {field, value, namespaces} <- [
          {:hostname, "box", [:uts]},
          {:domainname, "example", [:uts]},
          {:loopback, true, [:net]},
          {:loopback, false, []},
          {:time_offsets, [], [:time]},
          {:oom_score_adj, 1, []}
        ] do
      assert Surroundings.namespaces(struct!(Surroundings.new(), [{field, value}])) == namespaces
    end
  end

  test "loopback is up in a fresh net namespace unless it is not to be" do
    net = %{@context | namespaces: [:net]}
    assert request([], net) == {:ok, %{loopback: true}}
    assert request([loopback: false], net) == {:ok, %{}}
    assert request([]) == {:ok, %{}}
  end

  test "offsets are milliseconds or nanoseconds" do
    assert request(time_offsets: [monotonic: -2, boottime: {:ns, 7}]) ==
             {:ok, %{time_offsets: {-2_000_000, 7}}}

    assert request(time_offsets: []) == {:ok, %{time_offsets: {0, 0}}}
  end

  test "another's namespaces are left as they are" do
    fields = [hostname: "box", loopback: true, time_offsets: [], oom_score_adj: 0]
    assert request(fields, %{@context | mode: :enter}) == {:ok, %{oom_score_adj: 0}}
  end

  test "what does not fit is refused by its name" do
    for {field, values} <- [
          hostname: ["", String.duplicate("x", 65), "a\0b", :box, 1],
          domainname: ["", 'example'],
          loopback: [:up, 1],
          time_offsets: [[1], [realtime: 1], [monotonic: 0.5], [boottime: 1.0e300], 5, [{:ns, 1}]],
          oom_score_adj: [-1001, 1001, "0", 0.5]
        ],
        value <- values do
      assert request([{field, value}]) == {:error, {:bad_sandbox, {field, value}}}
    end

    huge = [monotonic: 1_000_000_000_000_000_000_000]
    assert request(time_offsets: huge) == {:error, {:bad_sandbox, {:time_offsets, huge}}}
  end
end
