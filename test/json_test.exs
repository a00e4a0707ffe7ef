defmodule Linx.JsonTest do
  use ExUnit.Case, async: true

  alias Linx.Json

  test "what is written is read" do
    for term <- [
          nil,
          true,
          -1,
          0,
          18_446_744_073_709_551_615,
          1.5e300,
          "",
          "a\"\\/\b\n\u0001é😀",
          [],
          [[], %{}],
          %{"a" => [1, %{"b" => nil}], "" => false}
        ] do
      assert Json.decode(Json.encode(term)) == {:ok, term}
    end
  end

  test "spaces and escapes" do
    assert Json.decode(" \t\r\n{ \"a\" : [ 1 , 2 ] } ") == {:ok, %{"a" => [1, 2]}}
    assert Json.decode(~S("\u0041\ud83d\ude00\/\t")) == {:ok, "A😀/\t"}
    assert Json.decode("1E2") == {:ok, 100.0}
    assert Json.decode("-0.5e-1") == {:ok, -0.05}
  end

  test "what is no JSON is refused where it goes wrong" do
    for {text, offset} <- [
          {"", 0},
          {"nul", 0},
          {"tru e", 0},
          {"[1 2]", 3},
          {"[1,]", 3},
          {"{\"a\":1,}", 7},
          {"{\"a\" 1}", 5},
          {"{a:1}", 1},
          {"{\"a\":1,\"a\":2}", 7},
          {"1 1", 2},
          {"01", 1},
          {"+1", 0},
          {"1.", 1},
          {"1e999", 0},
          {"\"\n\"", 1},
          {"\"\xFF\"", 1},
          {"\"a", 2},
          {~S("\x"), 2},
          {~S("\ud800"), 2},
          {~S("\ud800\u0041"), 2},
          {~S("\u00g0"), 2},
          {"NaN", 0},
          {"\"a\"//", 3}
        ] do
      assert {text, Json.decode(text)} == {text, {:error, {:bad_json, offset}}}
    end
  end

  test "depth and digits have an end" do
    nested = fn n -> String.duplicate("[", n) <> String.duplicate("]", n) end
    assert {:ok, _} = Json.decode(nested.(100))
    assert {:error, {:bad_json, _}} = Json.decode(nested.(200))
    assert {:error, {:bad_json, 0}} = Json.decode(String.duplicate("9", 1000))
  end
end
