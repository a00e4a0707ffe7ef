defmodule Linx.Integration.PreforkCommandDebianTest do
  @moduledoc """
  The same of Debian's `prefork-interp` and of `linx-prefork`.

  prefork-interp's directory is none that a test could choose, so each case has a `/run` of its own,
  and a pid namespace, in which nothing stays.
  """

  use Linx.Case

  alias Linx.Test.WarmScript

  @moduletag :user_namespaces
  @moduletag timeout: 120_000

  setup do
    script = WarmScript.new(tmp_dir())
    # By this name linx-prefork says of its arguments what prefork-interp does.
    ours = Path.join([script.dir, "bin", "prefork-interp"])
    File.mkdir!(Path.dirname(ours))
    File.ln_s!(WarmScript.command(), ours)
    %{script: script, programs: [System.find_executable("prefork-interp"), ours]}
  end

  # What a shell script writes that calls `run`, once for each program.
  defp both(context, shell) do
    for program <- context.programs do
      File.rm(context.script.path <> ".starts")

      around = """
      mount -t tmpfs tmpfs /run && mkdir -p -m 700 /run/user/0 || exit
      export XDG_RUNTIME_DIR=/run/user/0
      program=$1 script=$2
      # A BEAM leaves SIGPIPE ignored, and so would prefork-interp's server.
      run() { perl -e '$SIG{PIPE} = "DEFAULT"; system @ARGV; print "= $?\n"' "$program" "$@" 2>&1; }
      #{shell}
      sort -u "$script.starts" | wc -l
      """

      argv = ~w(unshare -rmpf --kill-child --mount-proc sh -c) ++ [around]
      argv = argv ++ ["sh", program, context.script.path]
      {written, {:exited, 0}} = WarmScript.execute(context.script, argv, cd: context.script.dir)
      written
    end
  end

  defp assert_same(context, shell) do
    assert [theirs, ours] = both(context, shell)
    assert ours == theirs
    ours
  end

  test "arguments, environment, stdio, codes", context do
    written =
      assert_same(context, """
      run -U perl "$script" do-args a '' 'b c'
      A=1 run -U perl "$script" do-env A B
      echo in | run -U perl "$script" do-copy
      for code in 0 1 127 255; do run -U perl "$script" do-exit $code; done
      """)

    assert written =~ "a||b c\n= 0\n" and written =~ "in\nIN\n"
  end

  test "all that @ARGV is", context do
    File.write!(context.script.path, ~s(\nprint "all: @ARGV\\n";\n), [:append])
    source = File.read!(context.script.path)

    File.write!(
      context.script.path,
      String.replace(source, "POSIX::_exit(0);", ~s(print "@ARGV";))
    )

    assert assert_same(context, "run -U perl ./script.pl a do-exit 0") =~ "= 0"
  end

  test "deaths by signals", context do
    assert assert_same(context, """
           for name in INT TERM HUP PIPE KILL; do run -U perl "$script" do-kill $name; done
           """) == "= 2\n= 15\n= 1\n= 13\n= 9\n1\n"
  end

  test "scripts that do not start", context do
    touch = context.script.path <> ".broken"
    File.write!(touch, "")
    assert assert_same(context, ~s(run -U perl "$script" do-exit 0)) =~ "no start today"
    assert_same(context, "run -U false; run -U sh -c 'exit 7'; run -U sh -c 'kill -TERM $$'")
  end

  test "forms and options", context do
    assert_same(context, """
    run -U perl "$script" do-exit 1
    run -Uf perl "$script" do-exit 2
    run "-U perl" "$script" do-exit 3
    run "-U,perl" "$script" do-exit 4
    run -U,-Ga,-EA,perl "$script" do-exit 5
    run -Gb -U -E A -- perl "$script" do-exit 6
    run -g name -U perl "$script" do-exit 7
    run -gname -Gother -U perl "$script" do-exit 8
    run --kill -g name -U perl "$script" do-exit 9
    run -g name -U perl "$script" do-exit 10
    run --kill -U perl "$script"
    run --kill -U perl "$script"
    """)
  end

  test "the statuses of what is not understood", context do
    assert [theirs, ours] =
             both(context, """
             code() { run "$@" | tail -n 1; }
             code; code -x; code --what; code -U; code "-U "; code -U,perl
             code -U /nowhere/perl x; code -U true; code --help
             """)

    assert ours == theirs
  end

  test "a hundred at once, some of which die", context do
    assert_same(context, """
    for i in $(seq 50); do
      (run -U perl "$script" do-exit $i; run -U perl "$script" do-kill TERM) >"$script.$i" &
    done
    wait
    for i in $(seq 50); do cat "$script.$i"; done
    """)
  end
end
