defmodule Linx.Sandbox.Size do
  @moduledoc """
  Sizes in bytes, as numbers or in words.

      iex> Linx.Sandbox.Size.bytes("64m")
      {:ok, 67_108_864}
      iex> Linx.Sandbox.Size.bytes(4096)
      {:ok, 4096}
      iex> Linx.Sandbox.Size.bytes("64 MB")
      :error
  """

  @units %{"" => 1, "k" => 1024, "m" => 1024 ** 2, "g" => 1024 ** 3, "t" => 1024 ** 4}
  @max 0x7FFFFFFFFFFFFFFF

  @doc "The bytes of a number, or of one with a unit of 1024: `\"k\"`, `\"m\"`, `\"g\"` or `\"t\"`."
  @spec bytes(term) :: {:ok, 0..0x7FFFFFFFFFFFFFFF} | :error
  def bytes(bytes) when is_integer(bytes) and bytes in 0..@max, do: {:ok, bytes}

  def bytes(text) when is_binary(text) do
    with [_, number, unit] <- Regex.run(~r/\A(\d{1,19})([kmgt]?)\z/i, text) do
      bytes(String.to_integer(number) * Map.fetch!(@units, String.downcase(unit)))
    else
      nil -> :error
    end
  end

  def bytes(_other), do: :error
end
