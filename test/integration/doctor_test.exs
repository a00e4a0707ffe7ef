defmodule Linx.Integration.DoctorTest do
  # Not async: it counts what is in the directory for temporary files.
  use Linx.Case, async: false

  alias Linx.Doctor
  alias Linx.Test.{FixtureProgram, Leftovers}

  @root Path.expand("../..", __DIR__)

  @names [
    "agent",
    "kernel",
    "clone3",
    "pidfd",
    "namespace user",
    "namespace mount",
    "namespace uts",
    "namespace ipc",
    "namespace cgroup",
    "namespace net",
    "namespace time",
    "namespace pid",
    "user namespace limits",
    "seccomp",
    "user notification",
    "landlock",
    "capabilities",
    "id maps",
    "host name",
    "loopback",
    "time offsets",
    "root",
    "proc with subset=pid",
    "dev",
    "overlay",
    "id-mapped binds",
    "preset strict",
    "preset container",
    "preset build",
    "pty",
    "cgroup v2",
    "cgroup v1",
    "cgroup limits",
    "open files",
    "processes"
  ]

  defp doctor(args) do
    System.cmd("mix", ["linx.doctor" | args], cd: @root, env: [{"MIX_ENV", "test"}])
  end

  defp left do
    for pattern <- ["#{System.tmp_dir!()}/linx_doctor_*", "/sys/fs/cgroup/**/linx_doctor_*"],
        path <- Path.wildcard(pattern),
        not Leftovers.foreign?(Path.basename(path)),
        do: path
  end

  setup do
    before = left()
    on_exit(fn -> assert left() -- before == [] end)
  end

  test "answers every line, with the agent tried out" do
    checks = Doctor.examine()
    assert Enum.map(checks, & &1.name) == @names
    by_name = Map.new(checks, &{&1.name, &1})

    assert by_name["agent"].found =~ ~r/^\d+\.\d+\.\d+/
    assert by_name["pty"].found =~ "works"
    assert by_name["seccomp"].found =~ "a filter holds"
    assert by_name["pidfd"].status == :pass

    for name <- ["host name", "loopback", "time offsets", "user notification"],
        do: assert({name, by_name[name].status} == {name, :pass})

    refute Enum.any?(checks, &(&1.found =~ "did not answer"))
  end

  @tag :root
  @tag :user_namespaces
  test "root tries every namespace with and without rights" do
    for check <- Doctor.examine(), String.starts_with?(check.name, "namespace ") do
      assert {check.name, check.found} == {check.name, "works as root and without root"}
    end
  end

  @tag :user_namespaces
  test "the task prints a line a check, plainly where stdout is no terminal" do
    assert {output, 0} = doctor([])
    lines = String.split(output, "\n", trim: true)
    assert length(lines) == length(@names)

    for {line, name} <- Enum.zip(lines, @names) do
      assert line =~ ~r/^(pass|warn)  #{name} /
      assert String.starts_with?(line, "pass") or line =~ ". Fix: "
    end
  end

  @tag :user_namespaces
  test "--json prints one object and nothing else" do
    assert {output, 0} = doctor(["--json"])
    assert output =~ ~r/\A\{"able":true,"checks":\[\{.*\}\]\}\n\z/
    for name <- @names, do: assert(output =~ ~s("name":"#{name}"))
  end

  @tag :user_namespaces
  test "what a kernel lacks is missing from the preset that needs it" do
    mix = System.find_executable("mix")
    args = ["lacks:landlock_create_ruleset", "--", mix, "linx.doctor"]
    start = FixtureProgram.path("start_with")
    assert {output, 0} = System.cmd(start, args, cd: @root, env: [{"MIX_ENV", "test"}])
    assert output =~ ~r/^warn  preset strict +EOPNOTSUPP in landlock\. Fix: .*best_effort/m
    assert output =~ ~r/^pass  preset build /m
  end

  # A user namespace of its own has limits of its own.
  @tag :user_namespaces
  test "a kind of namespace that is used up fails, with the sysctl to raise" do
    script = "echo 0 > /proc/sys/user/max_net_namespaces && exec mix linx.doctor"
    args = ["--user", "--map-root-user", "sh", "-c", script]

    assert {output, 1} = System.cmd("unshare", args, cd: @root, env: [{"MIX_ENV", "test"}])
    assert [line] = Regex.run(~r/^.*namespace net .*$/m, output)
    assert line =~ ~r/^fail .*ENOSPC in clone\. Fix: sysctl -w user\.max_net_namespaces=\d+$/
    assert output =~ ~r/^warn  user namespace limits  none allowed: net\. Fix: sysctl /m
  end
end
