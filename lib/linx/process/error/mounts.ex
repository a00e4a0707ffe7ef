defmodule Linx.Process.Error.Mounts do
  @moduledoc """
  What to change where a sandbox's file system could not be made.

      iex> Linx.Process.Error.Mounts.advice(:mount, :exdev)
      "A link in the root leads out of it: nothing is mounted or made there."
  """

  @doc "Advice for the stages of mounts; `nil` where there is none."
  @spec advice(atom, atom | nil) :: String.t() | nil
  def advice(_stage, :enosys) do
    "The kernel is too old: a file system of one's own needs Linux 5.8, id-mapped mounts 5.12. Or a " <>
      "filter on the BEAM forbids its mount calls."
  end

  def advice(:propagation, _errno),
    do: "Only who has CAP_SYS_ADMIN in the mount namespace may change mounts: add :user to it."

  def advice(:pivot_root, :einval) do
    "The BEAM's own root is no mount that can be left: it is in a chroot, or in the first RAM disk of " <>
      "the system."
  end

  def advice(:root, :enoent), do: "The host has no such directory."

  def advice(:root, :einval),
    do:
      "Not every file system can have an :idmap, and what is mounted below a root has to be able to, too."

  def advice(:root, :enotdir), do: "A root is a directory."

  def advice(stage, :exdev) when stage in [:mount, :root],
    do: "A link in the root leads out of it: nothing is mounted or made there."

  def advice(:mount, :eloop) do
    "A symbolic link is where none is followed: /proc and /dev of a root are to be directories, and " <>
      "links into /proc/PID lead nowhere."
  end

  def advice(:mount, :emediumtype),
    do: "What the root has at /proc is no procfs: mount one there first, with Linx.Sandbox.proc."

  def advice(:mount, :enoent) do
    "The source is not there, or the target is missing where nothing may be made: the host's own " <>
      "directories, or a procfs."
  end

  def advice(:mount, :eexist),
    do: "At the target is a link that leads to nothing: nothing is made through it."

  def advice(:mount, :enotdir),
    do:
      "A directory goes over a directory and a file over a file: the target is of the other kind."

  def advice(:mount, :erofs) do
    "The target is missing, and what it would be made in is read-only; or the upper layer of an overlay " <>
      "cannot be changed by the sandbox's root."
  end

  def advice(:mount, :enxio), do: "The host has something else than the device at this path."

  def advice(stage, :eperm) when stage in [:mount, :root] do
    "It takes CAP_SYS_ADMIN, or :user among the namespaces. There a proc or sysfs can only be mounted if " <>
      "the host's is not covered in part, as it is in most containers, and an overlay from Linux 5.11 on."
  end

  def advice(stage, :eacces) when stage in [:mount, :root] do
    "Sources are opened with the BEAM's rights, targets with those of the sandbox's root: check the " <>
      "modes of the directories on the way."
  end

  def advice(:mount, :einval) do
    "The file system refuses an option, or an :idmap, or, in a user namespace, a bind without what is " <>
      "mounted below its source, or devices where no id is mapped to 0."
  end

  def advice(:mount, :enodev) do
    "This kernel lacks the file system. Or, before Linux 5.12, what the BEAM has at /proc is no procfs."
  end

  def advice(stage, :eoverflow) when stage in [:mount, :root],
    do:
      "The user namespace maps no id to 0, and nobody can own what is to be made: check the maps."

  def advice(_stage, _errno), do: nil
end
