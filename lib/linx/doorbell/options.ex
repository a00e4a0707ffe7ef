defmodule Linx.Doorbell.Options do
  @moduledoc """
  What `Linx.Doorbell.install/2` was asked, checked as a whole.

      iex> {:ok, options} = Linx.Doorbell.Options.validate(title: "reload", on_ring: ["make", "-C", "/srv"])
      iex> {options.rearm, options.debounce}
      {true, 100}
      iex> Linx.Doorbell.Options.validate(title: "reload", on_ring: [])
      {:error, {:bad_on_ring, []}}
  """

  alias Linx.Process.Options.Values

  @max_debounce 0x7FFFFFFF

  @enforce_keys [:title, :on_ring]
  defstruct [:title, :on_ring, :uid, :gid, :cgroup, :owner, :tag, rearm: true, debounce: 100]

  @type t :: %__MODULE__{
          title: String.t(),
          on_ring: [String.t(), ...] | (() -> term) | (map -> term),
          rearm: boolean,
          debounce: non_neg_integer,
          uid: non_neg_integer | nil,
          gid: non_neg_integer | nil,
          cgroup: :target | false | nil,
          owner: pid | nil,
          tag: {:ok, term} | nil
        }

  @type reason ::
          {:bad_title | :bad_on_ring | :bad_rearm | :bad_debounce, term}
          | {:bad_uid | :bad_gid | :bad_cgroup | :bad_owner, term}
          | {:unknown_option, term}

  @bad %{
    title: {:bad_title, "1 to 255 bytes without NUL"},
    on_ring: {:bad_on_ring, "a list of strings, or a function of none or one argument"},
    rearm: {:bad_rearm, "true or false"},
    debounce: {:bad_debounce, "milliseconds, 0..2147483647"},
    uid: {:bad_uid, "0..4294967294"},
    gid: {:bad_gid, "0..4294967294"},
    cgroup: {:bad_cgroup, ":target or false"},
    owner: {:bad_owner, "a pid"}
  }

  @doc "Checks the options; any term may be asked about."
  @spec validate(term) :: {:ok, t} | {:error, reason}
  def validate(options) do
    with true <- Keyword.keyword?(options) || {:error, {:unknown_option, options}},
         :ok <- required(options) do
      Enum.reduce_while(options, {:ok, %__MODULE__{title: nil, on_ring: nil}}, &put/2)
    end
  end

  defp required(options) do
    case Enum.find([:title, :on_ring], &(not Keyword.has_key?(options, &1))) do
      nil -> :ok
      key -> {:error, {elem(@bad[key], 0), nil}}
    end
  end

  defp put({:tag, tag}, {:ok, valid}), do: {:cont, {:ok, %{valid | tag: {:ok, tag}}}}

  defp put({key, value}, {:ok, valid}) when is_map_key(@bad, key) do
    if valid?(key, value),
      do: {:cont, {:ok, Map.put(valid, key, value)}},
      else: {:halt, {:error, {elem(@bad[key], 0), value}}}
  end

  defp put({key, _value}, _valid), do: {:halt, {:error, {:unknown_option, key}}}

  defp valid?(:title, title), do: Values.title?(title)
  defp valid?(:on_ring, [_ | _] = argv), do: match?({:ok, _}, Values.argv(argv, false))
  defp valid?(:on_ring, action), do: is_function(action, 0) or is_function(action, 1)
  defp valid?(:rearm, rearm), do: is_boolean(rearm)
  defp valid?(:debounce, ms), do: is_integer(ms) and ms in 0..@max_debounce
  defp valid?(key, id) when key in [:uid, :gid], do: id == nil or Values.id?(id)
  defp valid?(:cgroup, cgroup), do: cgroup in [:target, false, nil]
  defp valid?(:owner, owner), do: owner == nil or is_pid(owner)

  @doc """
  A reason as a sentence.

      iex> Linx.Doorbell.Options.message({:bad_debounce, -1})
      "invalid option :debounce: -1, expected milliseconds, 0..2147483647"
  """
  @spec message(reason) :: String.t()
  def message({:unknown_option, key}), do: "unknown option #{inspect(key)}"

  def message({reason, value}) do
    {key, {^reason, expected}} = Enum.find(@bad, &match?({_, {^reason, _}}, &1))
    "invalid option #{inspect(key)}: #{inspect(value)}, expected #{expected}"
  end
end
