defmodule Linx.Process.ErrorTest do
  use ExUnit.Case, async: true

  doctest Linx.Process.Error
  doctest Linx.Process.Error.Mounts

  alias Linx.Process.{Error, Info}

  test "is made of what the agent says" do
    assert Error.new(13, :execve, "/x") ==
             %Error{stage: :execve, errno: :eacces, code: 13, detail: "/x"}

    assert %Error{errno: nil, code: 4096} = Error.new(4096, :execve)
  end

  test "of an agent that died, the code is no errno" do
    assert %Error{errno: nil, code: 9} = error = Error.new(9, :agent_died)
    assert Exception.message(error) =~ "the agent died with status 9"
  end

  test "the message says what failed" do
    assert Exception.message(Error.new(5, :socketpair)) == "socketpair failed: eio."
    assert Exception.message(Error.new(5, :dev_null, "/dev/null")) =~ "eio (/dev/null)"
    assert Exception.message(Error.new(999, :setsid)) == "setsid failed: 999."
  end

  test "the message says what to change for what often fails" do
    for {code, stage, advice} <- [
          {2, :execve, "argv's first element"},
          {13, :execve, "noexec"},
          {8, :execve, "interpreter"},
          {1, :clone, ":user among :namespaces"},
          {28, :clone, "max_*_namespaces"},
          {11, :clone, "RLIMIT_NPROC"},
          {2, :chdir, ":cwd"},
          {2, :connect_unix, "host's"},
          {111, :connect_unix, "server"},
          {3, :open_target, "No process"},
          {1, :setns, "CAP_SYS_ADMIN"},
          {1, :setns_mount, "CAP_SYS_ADMIN"},
          {13, :open_ns_user, "target"},
          {1, :uid, "CAP_SETUID"},
          {22, :gid, "maps before proceed"},
          {1, :uid_map, "/etc/subuid"},
          {2, :gid_map, "newgidmap"},
          {34, :time_offsets, "negative"},
          {13, :oom_score_adj, "CAP_SYS_RESOURCE"},
          {18, :oom_score_adj, "mounted over"},
          {18, :mount, "out of it"},
          {38, :propagation, "5.12"},
          {38, :mount, "5.8"},
          {124, :mount, "no procfs"},
          {1, :mount, "CAP_SYS_ADMIN"},
          {22, :pivot_root, "chroot"},
          {24, :mount, "ulimit -n"},
          {1, :cap_drop_bounding, "add :user to the namespaces"},
          {1, :cap_set_ambient, "inheritable"},
          {22, :cap_drop_bounding, "no such capability"},
          {1, :securebits, "locked"},
          {95, :landlock, "best_effort"},
          {2, :landlock, "leave out"},
          {22, :no_new_privs, "prctl"},
          {22, :seccomp_install, "filter"},
          {22, :title, "CHECKPOINT_RESTORE"},
          {38, :wait, "aarch64"},
          {19, :cgroup_open, "do without :cgroup"},
          {2, :cgroup_open, "make it first"},
          {13, :cgroup_mkdir, "delegated"},
          {19, :cgroup_controls, "mix linx.doctor"},
          {16, :cgroup_controls, "without any"},
          {22, :cgroup_controls, "this value"},
          {2, :cgroup_controls, "no such file"},
          {13, :cgroup_controls, "delegated"},
          {28, :cgroup_procs, "cpuset"},
          {19, :cgroup_procs, "has ended"},
          {24, :socketpair, "ulimit -n"},
          {90, :request_too_big, "8 MiB"}
        ],
        do: assert(Exception.message(Error.new(code, stage)) =~ advice)
  end

  test "every stage and errno has a message" do
    for stage <- Linx.Protocol.names().stage, {_name, code} <- Linx.Errno.all() do
      assert Exception.message(Error.new(code, stage)) =~ ~r/^(#{stage} failed|the agent died)/
    end
  end

  test "an error can be raised" do
    assert_raise Error, ~r/^execve failed: enoent/, fn -> raise Error.new(2, :execve) end
  end

  test "info is shown in short" do
    info = %Info{mode: :spawn, stage: :running, host_pid: 7}
    assert inspect(info) == "#Linx.Process.Info<spawn running pid 7>"
    assert inspect(%Info{mode: :enter, stage: :starting}) == "#Linx.Process.Info<enter starting>"

    info = %Info{mode: :spawn, stage: :exited, host_pid: 7, result: {:exited, 3}}
    assert inspect(info) == "#Linx.Process.Info<spawn exited pid 7 with 3>"

    info = %{info | stage: :errored, result: {:error, Error.new(2, :execve)}}
    assert inspect(info) == "#Linx.Process.Info<spawn errored pid 7 at execve enoent>"
  end
end
