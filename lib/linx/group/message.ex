defmodule Linx.Group.Message do
  @moduledoc """
  What an instance has sent to its group's owner.

    * `:type` - 0..65279, the program's own
    * `:peer` - the id of the instance that it is about, as the sender says; 0 for none
    * `:pid` - the sender's pid, as it sees itself, and as it says
    * `:payload` - binary
    * `:fd` - a `Linx.Group.Fd` that came along, or `nil`
  """

  defstruct [:type, :peer, :pid, :payload, :fd]

  @type t :: %__MODULE__{
          type: 0..65_279,
          peer: non_neg_integer,
          pid: non_neg_integer,
          payload: binary,
          fd: Linx.Group.Fd.t() | nil
        }
end
