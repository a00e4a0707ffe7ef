# A test that needs something of the machine carries a tag of this table. Where it is not there,
# the test is left out and the reason is printed. bin/test, run as root, allows none of that.

# Before any agent starts.
Linx.Test.Leftovers.mark()
Linx.Test.OldKernel.from_environment()

has_capability? = fn capability ->
  {:ok, state} = Linx.Capabilities.read(:self)
  capability in state.effective
end

succeeds? = fn command, args ->
  System.find_executable(command) != nil and
    match?({_, 0}, System.cmd(command, args, stderr_to_stdout: true))
end

agent_offers? = fn feature ->
  {:ok, trial} = Linx.Doctor.Trial.open(Linx.Agent.Program.path(), [])
  Linx.Doctor.Trial.close(trial)
  feature in trial.hello.features
end

limits = &Linx.Sandbox.limit(Linx.Sandbox.new(), &1)

runs? = fn options ->
  {:ok, session} = Linx.Process.spawn([argv: ["/bin/true"], auto_proceed: true] ++ options)
  Linx.Process.wait(session) == {:ok, {:exited, 0}}
end

requirements = [
  {:root, "CAP_SYS_ADMIN is missing (run the tests as root)",
   fn -> has_capability?.(:cap_sys_admin) end},
  {:user_namespaces, "this user may not create a user namespace (see mix linx.doctor)",
   fn -> succeeds?.("unshare", ["--user", "true"]) end},
  {:landlock, "this kernel's landlock cannot restrict all there is (see mix linx.doctor)",
   fn -> match?({:ok, abi} when abi >= 6, Linx.Landlock.abi()) end},
  {:cgroup2, "there is no cgroup v2 in which this user may make cgroups (see mix linx.doctor)",
   fn -> agent_offers?.(:cgroup2) end},
  {:cgroup_limits, "there are no cgroups in which this user may limit memory, processes and CPU",
   fn -> runs?.(sandbox: limits.(memory: "64m", pids: 8, cpu: 0.5, cpuset: [0])) end},
  {:idmap, "this user or kernel cannot map the ids of a bind (see mix linx.doctor)",
   fn -> runs?.(sandbox: Linx.Sandbox.bind(Linx.Sandbox.new(), "/usr", "/tmp", idmap: true)) end},
  {:cgroup1, "there is no cgroup v1 of devices in which this user may make cgroups",
   fn -> runs?.(sandbox: limits.(controls: [{:devices, "devices.allow", "a"}])) end}
]

unmet = for {tag, reason, met?} <- requirements, not met?.(), do: {tag, reason}

for {tag, reason} <- unmet do
  IO.puts("Tests tagged #{inspect(tag)} are left out: #{reason}.")
end

ExUnit.start(
  assert_receive_timeout: 5_000,
  capture_log: true,
  exclude: Keyword.keys(unmet)
)
