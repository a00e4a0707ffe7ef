defmodule Linx.Process.Options.Reason do
  @moduledoc """
  Why options were not taken, for people: the option, the value and what was expected.

      iex> Linx.Process.Options.Reason.message({:bad_uid, -1})
      "invalid option :uid: -1, expected 0..4294967294"
  """

  @type t ::
          :argv_required
          | {:bad_argv | :bad_path, term}
          | {:bad_namespaces, [term] | {:not_a_list, term}}
          | {:bad_env, {:not_a_list | :bad_entry, term}}
          | {:bad_stdio, term}
          | {:bad_fds, term}
          | {:bad_cwd, term}
          | {:bad_no_new_privs, term}
          | {:bad_orphan_policy, term}
          | {:bad_window | :bad_drain | :bad_active | :bad_log, term}
          | {:bad_uid | :bad_gid | :bad_groups, term}
          | {:bad_rlimits | :bad_nice | :bad_umask | :bad_cpus, term}
          | {:bad_owner | :bad_linger | :bad_auto_proceed | :bad_init | :bad_agent, term}
          | {:bad_kill | :bad_timeout | :bad_cgroup | :bad_inherit, term}
          | {:bad_syscall_timeout, term}
          | {:bad_wait, term}
          | {:not_with_wait, option :: atom}
          | {:bad_prefork, term}
          | {:not_with_prefork, option :: atom}
          | {:bad_sandbox, {what :: atom, term} | term}
          | {:unknown_option, term}

  @expected %{
    bad_argv: {:argv, "strings without NUL, the first of them an absolute path or :path given"},
    bad_path: {:path, "an absolute path without NUL"},
    bad_cwd: {:cwd, "a path without NUL"},
    bad_fds:
      {:fds,
       "a map or list of at most 64 different fds in 3..1023, each with :devnull, {:file, path, " <>
         ":read | :write | :append}, {:connect_unix, path}, {:pipe, name, :read | :read_nonblock | :write}, or " <>
         "{:socketpair | :listener | :connect, name}"},
    bad_no_new_privs: {:no_new_privs, "true or false"},
    bad_orphan_policy: {:orphan_policy, "{:kill, milliseconds} or :linger"},
    bad_uid: {:uid, "0..4294967294"},
    bad_gid: {:gid, "0..4294967294"},
    bad_groups: {:groups, "a list of ids in 0..4294967294"},
    bad_rlimits:
      {:rlimits,
       "limits or {soft, hard}, each 0..18446744073709551614 or :infinity, by the names " <>
         Enum.join(Linx.Process.Options.Limits.names(), ", ")},
    bad_nice: {:nice, "-20..19"},
    bad_umask: {:umask, "0..0o777"},
    bad_cpus: {:cpus, "a list of CPUs in 0..8191, at least one"},
    bad_window: {:window, "bytes, 1..1073741824"},
    bad_drain: {:drain, "milliseconds, 0..2147483647"},
    bad_log: {:log, "a Logger level or options of Linx.Log, and output by :pipe or :pty to log"},
    bad_active: {:active, "true, false, :once or 1..32767"},
    bad_owner: {:owner, "a pid"},
    bad_linger: {:linger, "true or false"},
    bad_auto_proceed: {:auto_proceed, "true or false"},
    bad_init: {:init, "true or false"},
    bad_agent: {:agent, ":shared, :dedicated or the pid of a session"},
    bad_forking: {:forking, "true or false, and true not with init: false"},
    bad_kill: {:kill, "1..64 or a name such as :sigterm"},
    bad_timeout: {:timeout, "milliseconds in 0..4294967295 or :infinity"},
    bad_inherit: {:inherit, "true or false"},
    bad_syscall_timeout:
      {:syscall_timeout, "milliseconds in 0..2147483647, or {milliseconds, errno}"},
    bad_cgroup:
      {:cgroup, "true, false or a path such as \"jobs\", without . and .., or :target to enter"},
    bad_wait: {:wait, "a title of 1 to 255 bytes without NUL"},
    bad_prefork: {:prefork, "{:connect | :socketpair, name} or {:connect_unix, path}"}
  }

  @env ~s(a map, a list of pairs or a list of "K=V", all without NUL)
  @namespaces "a list of #{Enum.join(Linx.Protocol.namespaces(), ", ")}"
  @stdio ":inherit, :devnull, :pipe or :pty, or a keyword list that makes each of :stdin, :stdout " <>
           "and :stderr :inherit, :devnull, :pipe, {:file, path, :read | :write | :append} or " <>
           "{:connect_unix, path}, and :stderr also :stdout"

  @doc """
  A reason as a sentence.

      iex> Linx.Process.Options.Reason.message({:unknown_option, :argvv})
      "unknown option :argvv"
  """
  @spec message(t) :: String.t()
  def message(:argv_required),
    do: "option :argv is required: a list of strings, an absolute path first"

  def message({:not_with_prefork, key}),
    do: "option #{inspect(key)} does not go with :prefork: the script that runs it has its own"

  def message({:not_with_wait, key}),
    do: "option #{inspect(key)} does not go with :wait: a process that waits has no program"

  def message({:bad_namespaces, {:not_a_list, value}}),
    do: invalid(:namespaces, value, @namespaces)

  def message({:bad_namespaces, value}), do: invalid(:namespaces, value, @namespaces)
  def message({:bad_env, {_what, value}}), do: invalid(:env, value, @env)
  def message({:bad_stdio, value}), do: invalid(:stdio, value, @stdio)

  def message({:bad_sandbox, {what, value}}),
    do: "invalid sandbox: #{what} cannot be #{inspect(value)}"

  def message({:bad_sandbox, value}), do: invalid(:sandbox, value, "a Linx.Sandbox")
  def message({:unknown_option, key}), do: "unknown option #{inspect(key)}"

  def message({reason, value}) do
    {option, expected} = Map.fetch!(@expected, reason)
    invalid(option, value, expected)
  end

  defp invalid(option, value, expected),
    do: "invalid option #{inspect(option)}: #{inspect(value)}, expected #{expected}"
end
