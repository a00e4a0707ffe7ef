defmodule Linx.Sandbox.Part do
  @moduledoc """
  One facility of a sandbox: what the caller asked of it, and its keys of a request.

  The functions of `Linx.Sandbox` that build one up take any term and keep it; what is wrong is found
  here, when the request is made, before anything runs.
  """

  @typedoc """
  What a part may need to know of the session.

    * `mode` - whether it is spawned or enters another's namespaces
    * `namespaces` - the fresh ones that it has
    * `uid`, `gid` - whom the agent runs as
    * `writable` - where something is mounted that may be written
  """
  @type context :: %{
          mode: :spawn | :enter,
          namespaces: [atom],
          uid: non_neg_integer,
          gid: non_neg_integer,
          writable: [Path.t()]
        }

  @typedoc "What was asked for, and the term that does not fit it."
  @type error :: {:error, {:bad_sandbox, {what :: atom, term}}}

  @doc "Nothing asked for."
  @callback new() :: struct

  @doc "The fresh namespaces that it cannot do without."
  @callback namespaces(struct) :: [atom]

  @doc "Its keys of the request."
  @callback request(struct, context) :: {:ok, map} | error
end
