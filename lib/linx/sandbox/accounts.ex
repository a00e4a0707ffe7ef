defmodule Linx.Sandbox.Accounts do
  @moduledoc """
  The host's users and groups by name, from the text of `/etc/passwd` and `/etc/group`.

      iex> text = "root:x:0:0:root:/root:/bin/sh\\nnobody:x:65534:65533:::\\n"
      iex> Linx.Sandbox.Accounts.find_user(text, "nobody")
      {:ok, 65534, 65533}
      iex> Linx.Sandbox.Accounts.find_user(text, "nobody:x")
      :error

  Users that only a directory service knows are not found. A line that is not of its file's form is
  passed over.
  """

  alias Linx.Process.Options.Values

  @doc "The uid and the primary group of a user, by name or uid."
  @spec find_user(String.t(), String.t() | non_neg_integer) ::
          {:ok, uid :: non_neg_integer, gid :: non_neg_integer} | :error
  def find_user(text, user) do
    Enum.find_value(lines(text), :error, fn line ->
      with [name, _, uid, gid | _] <- line,
           {:ok, uid} <- id(uid),
           {:ok, gid} <- id(gid),
           true <- user in [name, uid] do
        {:ok, uid, gid}
      else
        _ -> nil
      end
    end)
  end

  @doc """
  The number of a group, by name.

      iex> Linx.Sandbox.Accounts.find_group("root:x:0:\\naudio:x:29:ada,bob\\n", "audio")
      {:ok, 29}
  """
  @spec find_group(String.t(), String.t()) :: {:ok, gid :: non_neg_integer} | :error
  def find_group(text, group) do
    Enum.find_value(lines(text), :error, fn
      [^group, _, gid | _] -> with(:error <- id(gid), do: nil)
      _ -> nil
    end)
  end

  @doc """
  The first range of ids that `/etc/subuid` or `/etc/subgid` gives a user, whom they name by number or
  as `/etc/passwd` does.

      iex> passwd = "ada:x:1000:100::/home/ada:/bin/sh\\n"
      iex> Linx.Sandbox.Accounts.find_range("bob:1:9\\nada:100000:65536\\n", passwd, 1000)
      {:ok, 100000, 65536}
  """
  @spec find_range(String.t(), String.t(), non_neg_integer) ::
          {:ok, first :: non_neg_integer, count :: pos_integer} | :error
  def find_range(text, passwd, uid) do
    names = for [name, _, ^uid | _] <- Enum.map(lines(passwd), &number_third/1), do: name
    names = ["#{uid}" | names]

    Enum.find_value(lines(text), :error, fn line ->
      with [who, first, count] <- line,
           true <- who in names,
           {:ok, first} <- id(first),
           {:ok, count} when count > 0 <- id(count) do
        {:ok, first, count}
      else
        _ -> nil
      end
    end)
  end

  defp number_third([name, password, uid | rest]) do
    case id(uid) do
      {:ok, uid} -> [name, password, uid | rest]
      :error -> []
    end
  end

  defp number_third(_line), do: []

  @doc "A file's text; of one that cannot be read none."
  @spec text(:passwd | :group | :subuid | :subgid) :: String.t()
  def text(file) do
    case File.read("/etc/#{file}") do
      {:ok, text} -> text
      {:error, _} -> ""
    end
  end

  # An empty name is nobody's.
  defp lines(text) do
    for line <- String.split(text, "\n"), [name | _] = fields <- [String.split(line, ":")] do
      if name == "", do: [], else: fields
    end
  end

  defp id(text) do
    case Integer.parse(text) do
      {id, ""} -> if Values.id?(id), do: {:ok, id}, else: :error
      _ -> :error
    end
  end
end
