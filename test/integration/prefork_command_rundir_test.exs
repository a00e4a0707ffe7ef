defmodule Linx.Integration.PreforkCommandRundirTest do
  use Linx.Case

  alias Linx.Test.WarmScript

  @moduletag timeout: 120_000

  setup do
    script = WarmScript.new(tmp_dir())
    %{script: script, rundir: Path.join(script.dir, "prefork-interp")}
  end

  defp run(script, options \\ []), do: WarmScript.run(script, ["do-exit", "3"], options)

  test "is made for its owner alone", %{script: script, rundir: rundir} do
    assert run(script) == {"", {:exited, 3}}
    assert Bitwise.band(File.stat!(rundir).mode, 0o7777) == 0o700
    assert ["l" <> ident, "s" <> ident] = Enum.sort(File.ls!(rundir))
    assert ident =~ ~r/^[0-9a-f]{64}$/
  end

  test "is refused where others may enter it", %{script: script, rundir: rundir} do
    File.mkdir!(rundir)

    for mode <- [0o755, 0o770, 0o701] do
      File.chmod!(rundir, mode)

      assert run(script) ==
               {"linx-prefork: others may enter the run directory #{rundir}: " <>
                  "its mode has to be 0700\n", {:exited, 127}}
    end

    assert File.ls!(rundir) == []
  end

  test "is refused where it is no directory but a link to one", %{script: script, rundir: rundir} do
    elsewhere = Path.join(script.dir, "elsewhere")
    File.mkdir!(elsewhere)
    File.chmod!(elsewhere, 0o700)
    File.ln_s!(elsewhere, rundir)
    assert {"linx-prefork: cannot open the run directory " <> _, {:exited, 127}} = run(script)
    assert File.ls!(elsewhere) == []
  end

  @tag :root
  test "is refused where it is somebody else's", %{script: script, rundir: rundir} do
    File.mkdir!(rundir)
    File.chmod!(rundir, 0o700)
    File.chown!(rundir, 61_184)

    assert run(script) ==
             {"linx-prefork: the run directory #{rundir} is not yours\n", {:exited, 127}}
  end

  @tag :user_namespaces
  test "is in /tmp where XDG_RUNTIME_DIR is not the caller's", %{script: script} do
    # A /tmp of its own; the command, which may be below the old one, is an fd.
    shell = """
    mount -t tmpfs tmpfs /tmp || exit
    for base in "" relative /proc/version /nowhere; do
      XDG_RUNTIME_DIR=$base /dev/fd/9 -g x -U true
      stat -c '%n %a' /tmp/prefork-interp-* && rm -r /tmp/prefork-interp-*
    done
    """

    argv = ["unshare", "-rm", "sh", "-c", shell]
    argv = ["sh", "-c", ~s(exec 9<"$0"; exec "$@"), WarmScript.command() | argv]
    {written, _} = WarmScript.execute(script, argv)
    lines = for "/tmp/" <> _ = line <- String.split(written, "\n"), do: line
    assert lines == List.duplicate("/tmp/prefork-interp-0 700", 4)
  end

  test "may have a path that is longer than a socket's", %{script: script} do
    long = Path.join(script.dir, String.duplicate("long", 40))
    File.mkdir!(long)
    options = [env: [{"XDG_RUNTIME_DIR", long}]]
    assert run(script, options) == {"", {:exited, 3}}
    assert run(script, options) == {"", {:exited, 3}}
    assert WarmScript.starts(script) == 1
    assert run(script, [options: ["-U", "--kill"]] ++ options) == {"", {:exited, 0}}
  end

  test "keeps the hundred sockets that were used last", %{script: script, rundir: rundir} do
    File.mkdir!(rundir)
    File.chmod!(rundir, 0o700)

    # Stale ones. The older ones have the higher numbers.
    for number <- 1..120 do
      path = Path.join(rundir, "s#{number}")
      {:ok, listener} = :gen_tcp.listen(0, ifaddr: {:local, path})
      :gen_tcp.close(listener)
      File.write!(Path.join(rundir, "l#{number}"), "")
      {"", 0} = System.cmd("touch", ["-d", "@#{1_700_000_000 - number}", path])
    end

    # Somebody is busy with one of the oldest.
    held = Path.join(rundir, "l115")
    lock = ["flock", held] ++ [WarmScript.command(), "-U", "perl", script.path, "do-exit", "3"]
    assert WarmScript.execute(script, lock) == {"", {:exited, 3}}

    {sockets, locks} = rundir |> File.ls!() |> Enum.split_with(&String.starts_with?(&1, "s"))
    kept = for number <- Enum.to_list(1..99) ++ [115], do: "#{number}"

    assert Enum.sort(kept) ==
             Enum.sort(for "s" <> ident <- sockets, byte_size(ident) < 64, do: ident)

    assert Enum.sort(kept) ==
             Enum.sort(for "l" <> ident <- locks, byte_size(ident) < 64, do: ident)

    assert run(script) == {"", {:exited, 3}}
    assert WarmScript.starts(script) == 1
  end

  test "what stands at a lock's or a socket's place is no obstacle, or is told", context do
    %{script: script, rundir: rundir} = context
    File.mkdir!(rundir)
    File.chmod!(rundir, 0o700)
    named = [options: ["-U", "-g", "x"]]

    File.write!(Path.join(rundir, "sx"), "no socket")
    assert run(script, named) == {"", {:exited, 3}}
    File.rm!(Path.join(rundir, "lx"))
    File.ln_s!("/dev/null", Path.join(rundir, "lx"))
    assert run(script, named) == {"", {:exited, 3}}

    File.mkdir!(Path.join(rundir, "sy"))

    assert {"linx-prefork: cannot remove " <> _, {:exited, 127}} =
             run(script, options: ["-U", "-g", "y"])
  end
end
