defmodule Linx.Seccomp.Oci.Scope do
  @moduledoc """
  Which entries of a profile concern a machine and a workload.

  Docker's profiles have entries for some architectures only, for workloads with or without a
  capability, or from some kernel on: `includes` and `excludes`.
  """

  import Linx.Seccomp.Oci.Fields

  @enforce_keys [:arch, :caps, :kernel]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          arch: atom,
          caps: [atom],
          kernel: {non_neg_integer, non_neg_integer}
        }

  # The kernel's name, Docker's and OCI's.
  @architectures %{
    x86_64: {"amd64", "SCMP_ARCH_X86_64"},
    aarch64: {"arm64", "SCMP_ARCH_AARCH64"},
    riscv64: {"riscv64", "SCMP_ARCH_RISCV64"},
    s390x: {"s390x", "SCMP_ARCH_S390X"},
    ppc64le: {"ppc64le", "SCMP_ARCH_PPC64LE"},
    powerpc64le: {"ppc64le", "SCMP_ARCH_PPC64LE"},
    mips64el: {"mips64el", "SCMP_ARCH_MIPSEL64"},
    loongarch64: {"loong64", "SCMP_ARCH_LOONGARCH64"},
    arm: {"arm", "SCMP_ARCH_ARM"},
    armv7l: {"arm", "SCMP_ARCH_ARM"},
    i686: {"x86", "SCMP_ARCH_X86"}
  }

  @map ~w(architecture subArchitectures)
  @conditions ~w(arches caps minKernel)

  @doc "The scope that options describe, for the rest that of this machine."
  @spec new(keyword) :: {:ok, t} | {:error, {:unknown_option, term} | {:bad_option, {atom, term}}}
  def new(opts) do
    defaults = [caps: [], arch: Linx.Seccomp.arch(), kernel: running_kernel()]

    with [] <- Keyword.keys(opts) -- Keyword.keys(defaults),
         opts = Keyword.merge(defaults, opts),
         nil <- Enum.find(opts, fn {name, value} -> not fits?(name, value) end) do
      {:ok, struct!(__MODULE__, opts)}
    else
      [name | _] -> {:error, {:unknown_option, name}}
      bad -> {:error, {:bad_option, bad}}
    end
  end

  defp fits?(:caps, caps), do: is_list(caps) and Enum.all?(caps, &is_atom/1)
  defp fits?(:arch, arch), do: is_map_key(@architectures, arch)

  defp fits?(:kernel, version) do
    match?({major, minor} when is_integer(major) and is_integer(minor), version)
  end

  @doc """
  Whether a profile is for this architecture. It may be for others besides, whose calls Linx refuses
  all the same, and one that names none is for any.
  """
  @spec check_architectures(map, t) :: :ok | error when error: term
  def check_architectures(profile, %__MODULE__{arch: arch}) do
    {_docker, oci} = Map.fetch!(@architectures, arch)

    with {:ok, names} <- optional(profile, "", "architectures", &is_list/1, []),
         {:ok, map} <- optional(profile, "", "archMap", &is_list/1, []),
         {:ok, mapped} <- each(map, "archMap", &mapped/2) do
      cond do
        names != [] and oci not in names -> bad("architectures", names)
        map != [] and oci not in Enum.concat(mapped) -> bad("archMap", mapped)
        true -> :ok
      end
    end
  end

  defp mapped(entry, path) do
    with :ok <- known_keys(entry, path, @map),
         {:ok, name} <- required(entry, path, "architecture", &is_binary/1),
         {:ok, below} <- optional(entry, path, "subArchitectures", &is_list/1, []),
         do: {:ok, [name | below]}
  end

  @doc "Whether an entry is for this scope."
  @spec applies?(map, String.t(), t) :: {:ok, boolean} | error when error: term
  def applies?(entry, path, scope) do
    with {:ok, included} <- holds(entry, path, "includes", scope, &Enum.all?/1),
         {:ok, excluded} <- holds(entry, path, "excludes", scope, &Enum.any?/1) do
      {:ok, included and not excluded}
    end
  end

  # Of capabilities an entry wants all to be there, and is ruled out by any.
  defp holds(entry, path, key, scope, quantifier) do
    with {:ok, conditions} <- optional(entry, path, key, &is_map/1, %{}),
         path = join(path, key),
         :ok <- known_keys(conditions, path, @conditions),
         {:ok, arches} <- optional(conditions, path, "arches", &words?/1, []),
         {:ok, caps} <- optional(conditions, path, "caps", &words?/1, []),
         {:ok, kernel} <- optional(conditions, path, "minKernel", &is_binary/1, nil),
         {:ok, kernel} <- version(kernel, join(path, "minKernel")) do
      {docker, _oci} = Map.fetch!(@architectures, scope.arch)

      {:ok,
       quantifier.(
         Enum.concat([
           for(_ <- Enum.take(arches, 1), do: docker in arches),
           for(cap <- caps, do: has?(cap, scope)),
           for(kernel <- List.wrap(kernel), do: scope.kernel >= kernel)
         ])
       )}
    end
  end

  defp has?(cap, %__MODULE__{caps: caps}),
    do: Enum.any?(caps, &(Atom.to_string(&1) == String.downcase(cap)))

  defp words?(list), do: is_list(list) and Enum.all?(list, &is_binary/1)

  defp version(nil, _path), do: {:ok, nil}

  defp version(text, path) do
    case Regex.run(~r/\A(\d+)\.(\d+)\z/, text, capture: :all_but_first) do
      [major, minor] -> {:ok, {String.to_integer(major), String.to_integer(minor)}}
      nil -> bad(path, text)
    end
  end

  defp running_kernel do
    release = File.read!("/proc/sys/kernel/osrelease")
    [_, major, minor] = Regex.run(~r/^(\d+)\.(\d+)/, release)
    {String.to_integer(major), String.to_integer(minor)}
  end
end
