# A shell in namespaces of its own, shaped at its checkpoint, then talked to over its PTY. Every
# line of the report is compared with what must hold; the script ends 0 only if all of it does.
#
#     bin/demo            or, once built:  mix run examples/demo.exs

defmodule Demo do
  @namespaces [:user, :pid, :mount, :uts, :ipc, :net]
  @denied [:mount, :umount2, :ptrace, :unshare, :setns, :keyctl, :bpf, :kexec_load]
  @answer_ms 10_000

  def main do
    IO.puts("A shell in six fresh namespaces, started by uid #{own(:uid)}\n")

    {session, host_pid} = park()
    map_ids(host_pid)
    drop_capabilities(session)
    install_filter(session)
    proceed(session)
    compare(session, host_pid)
    attempt(session)
    resize(session)
    signal(session)
    finish(session, host_pid)
  end

  defp park do
    {:ok, session} =
      Linx.Process.spawn(
        argv: ["/bin/sh"],
        namespaces: @namespaces,
        stdio: :pty,
        env: %{"PATH" => "/usr/bin:/bin", "PS1" => "", "TERM" => "dumb"},
        cwd: "/",
        uid: 0,
        gid: 0
      )

    host_pid =
      receive do
        {:linx_process, :ready, host_pid} -> host_pid
        {:linx_process, :error, errno, stage} -> raise "#{stage} failed: #{errno}"
      end

    step("spawned", "parked at its checkpoint, as pid #{host_pid} of the host")
    {session, host_pid}
  end

  # Root gives the shell ids that own nothing on the host; an ordinary user has only its own to
  # give.
  defp map_ids(host_pid) do
    maps =
      if own(:uid) == 0 do
        [uid: [{0, 100_000, 65_536}], gid: [{0, 100_000, 65_536}], setgroups: :skip]
      else
        [uid: [{0, own(:uid), 1}], gid: [{0, own(:gid), 1}], setgroups: :deny]
      end

    :ok = Linx.User.setup_maps(host_pid, maps)
    {:ok, [{0, outside, _}]} = Linx.User.read_uid_map(host_pid)
    step("mapped", "uid 0 inside is uid #{outside} outside")
  end

  defp drop_capabilities(session) do
    {:ok, host_pid} = Linx.Process.host_pid(session)
    {:ok, state} = Linx.Capabilities.read(host_pid)
    :ok = Linx.Capabilities.drop_bounding(session, state.bounding)

    :ok =
      Linx.Capabilities.set_thread_sets(session, effective: [], permitted: [], inheritable: [])

    step("dropped", "all #{MapSet.size(state.permitted)} capabilities, for good")
  end

  defp install_filter(session) do
    {:ok, filter} = Linx.Seccomp.deny_list(@denied)
    :ok = Linx.Seccomp.install(session, filter)
    step("filtered", Enum.join(@denied, " "))
  end

  defp proceed(session) do
    :ok = Linx.Process.pty_set_winsize(session, {24, 80, 0, 0})
    :ok = Linx.Process.proceed(session)

    receive do
      {:linx_process, :running} -> step("running", "/bin/sh has replaced the parked child")
      {:linx_process, :error, errno, stage} -> raise "#{stage} failed: #{errno}"
    end

    :ok = Linx.Process.pty_write(session, "stty -echo\n")
    ask(session, ":")
  end

  defp compare(session, host_pid) do
    IO.puts("\n#{row("", "the shell sees", "the host sees")}")

    show("its pid", ask(session, "echo $$"), host_pid, &(&1 == "1" and &2 != 1))

    show(
      "its uid",
      ask(session, "id -u"),
      host_field(host_pid, "Uid"),
      &(&1 == "0" and &2 != "0")
    )

    show("capabilities", shell_field(session, "CapEff"), host_field(host_pid, "CapEff"), &none?/2)
    show("bounding set", shell_field(session, "CapBnd"), host_field(host_pid, "CapBnd"), &none?/2)

    show(
      "seccomp mode",
      shell_field(session, "Seccomp"),
      host_field(host_pid, "Seccomp"),
      &(&1 == "2" and &1 == &2)
    )

    show(
      "no_new_privs",
      shell_field(session, "NoNewPrivs"),
      host_field(host_pid, "NoNewPrivs"),
      &(&1 == "1" and &1 == &2)
    )

    show(
      "interfaces",
      interfaces(ask(session, "cat /proc/net/dev")),
      interfaces(File.read!("/proc/net/dev")),
      fn shell, _host -> "lo" in String.split(shell) end
    )

    IO.puts("\n#{row("namespace", "the shell's", "the host's")}")

    for namespace <- @namespaces do
      file = if namespace == :mount, do: "mnt", else: Atom.to_string(namespace)
      shell = ask(session, "readlink /proc/self/ns/#{file}")
      {:ok, host} = File.read_link("/proc/self/ns/#{file}")
      show(Atom.to_string(namespace), shell, host, &(&1 != &2))
    end
  end

  defp none?(shell, host), do: shell == "0000000000000000" and host == shell

  defp attempt(session) do
    IO.puts("\nwhat the shell may not do")

    for command <- ["hostname demo", "mount -t tmpfs none /mnt", "unshare --net true"] do
      refusal = ask(session, command <> " 2>&1; echo status $?")
      lines = String.split(refusal, "\n")
      "status " <> status = List.last(lines)
      check(status != "0", "#{command}: #{refusal}")
      step(command, hd(lines))
    end
  end

  defp resize(session) do
    before = ask(session, "stty size")
    :ok = Linx.Process.pty_set_winsize(session, {50, 132, 0, 0})
    now = ask(session, "stty size")
    check({before, now} == {"24 80", "50 132"}, "sizes #{before}, #{now}")
    IO.puts("")
    step("resized", "the terminal was #{before}, is #{now}")
  end

  # The trap ends the sleep, so that `wait` ends whether it had begun by then or not.
  defp signal(session) do
    script = "trap 'echo caught; kill -9 $!' USR1; sleep 60 & echo set; wait"
    :ok = Linx.Process.pty_write(session, script <> "\n")
    "set" = session |> output_until("set\r\n") |> String.trim()
    :ok = Linx.Process.signal(session, :sigusr1)
    caught = session |> output_until("caught\r\n") |> String.trim()
    check(caught == "caught", caught)
    step("signalled", "SIGUSR1 ran the shell's trap")
  end

  defp finish(session, host_pid) do
    :ok = Linx.Process.pty_write(session, "sleep 60 & exit 7\n")
    {:ok, outcome} = Linx.Process.wait(session, @answer_ms)
    check(outcome == {:exited, 7}, inspect(outcome))
    step("ended", "#{inspect(outcome)}, and the sleep it left behind with it")
    check(not File.exists?("/proc/#{host_pid}"), "pid #{host_pid} is still there")
    :ok = GenServer.stop(session)
    IO.puts("\nEverything was as it must be.")
  end

  # The shell's answer to one command: what it prints before a mark. The command says the mark in
  # two parts, so that the terminal's echo of it is not taken for the answer.
  defp ask(session, command) do
    number = System.unique_integer([:positive])
    mark = "end-#{number}\r\n"
    :ok = Linx.Process.pty_write(session, "#{command}; printf '%s-%s\\n' end #{number}\n")

    session
    |> output_until(mark)
    |> String.replace(mark, "")
    |> String.replace("\r\n", "\n")
    |> String.trim()
  end

  defp output_until(session, ending, sofar \\ "") do
    if String.ends_with?(sofar, ending) do
      sofar
    else
      receive do
        {:linx_process, :pty_out, bytes} -> output_until(session, ending, sofar <> bytes)
        message when elem(message, 0) == :linx_process -> raise "ended early: #{inspect(message)}"
      after
        @answer_ms -> raise "no #{inspect(ending)} in #{inspect(sofar)}"
      end
    end
  end

  defp shell_field(session, name), do: field(ask(session, "cat /proc/self/status"), name)
  defp host_field(pid, name), do: field(File.read!("/proc/#{pid}/status"), name)

  defp field(status, name) do
    [_, value] = Regex.run(~r/^#{name}:\t(\S+)/m, status)
    value
  end

  defp own(:uid), do: String.to_integer(host_field("self", "Uid"))
  defp own(:gid), do: String.to_integer(host_field("self", "Gid"))

  defp interfaces(net_dev) do
    ~r/^\s*(\S+):/m |> Regex.scan(net_dev) |> Enum.map_join(" ", &List.last/1)
  end

  defp show(what, shell, host, holds?) do
    check(holds?.(shell, host), "#{what}: #{shell} / #{host}")
    IO.puts(row(what, shell, host))
  end

  defp row(what, shell, host) do
    "  " <> String.pad_trailing(what, 14) <> String.pad_trailing(shell, 24) <> to_string(host)
  end

  defp step(what, result), do: IO.puts("  " <> String.pad_trailing(what, 28) <> result)

  defp check(true, _what), do: :ok
  defp check(false, what), do: raise("not as it must be: #{what}")
end

Demo.main()
