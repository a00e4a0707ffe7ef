defmodule Linx.Integration.PreforkCommandHostileTest do
  use Linx.Case

  alias Linx.Test.WarmScript

  @moduletag timeout: 300_000

  @greeting "PFI\n" <> <<0::32>>

  # A server that says what it is told to: a greeting, then it may read the run, then an answer. It
  # ends when its socket is no longer there.
  @server """
  use IO::Socket::UNIX; use IO::Select;
  setpgrp;
  my ($path, $greeting, $reads, $answer, $stays) = @ARGV;
  my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 100) or die;
  my $made = (stat $path)[1];
  my $ready = IO::Select->new($listener);
  my @kept;
  $SIG{PIPE} = 'IGNORE';
  syswrite STDOUT, "ready\\n";
  while (-e $path && (stat _)[1] == $made) {
    next unless $ready->can_read(0.02);
    my $client = $listener->accept or next;
    syswrite $client, pack 'H*', $greeting;
    if ($reads) {
      read $client, my $head, 8;
      read $client, my $rest, unpack 'N', substr $head, 4;
    }
    syswrite $client, pack 'H*', $answer;
    push @kept, $client if $stays;
    syswrite STDOUT, "served\\n";
  }
  """

  setup do
    script = WarmScript.new(tmp_dir())
    rundir = Path.join(script.dir, "prefork-interp")
    File.mkdir!(rundir)
    File.chmod!(rundir, 0o700)
    %{script: script, socket: Path.join(rundir, "sname")}
  end

  defp serve(context, greeting, options) do
    File.rm(context.socket)
    answer = Keyword.get(options, :answer, "")
    flag = fn name -> if Keyword.get(options, name, false), do: "1", else: "0" end

    arguments = [
      context.socket,
      Base.encode16(greeting),
      flag.(:reads),
      Base.encode16(answer),
      flag.(:stays)
    ]

    perl = System.find_executable("perl")
    port = Port.open({:spawn_executable, perl}, [:binary, args: ["-e", @server | arguments]])
    assert_receive {^port, {:data, "ready\n"}}, 60_000
    port
  end

  defp run(context) do
    WarmScript.run(context.script, ["do-exit", "7"], options: ["-U", "-g", "name"])
  end

  # Whatever is there is taken for no server, and one is started in its place.
  defp assert_replaced(context, greeting, options \\ []) do
    before = WarmScript.starts(context.script)
    serve(context, greeting, options)
    assert run(context) == {"", {:exited, 7}}
    assert WarmScript.starts(context.script) == before + 1
    assert run(context) == {"", {:exited, 7}}
    assert WarmScript.starts(context.script) == before + 1
  end

  test "what greets otherwise, or not at all, is replaced", context do
    for size <- 0..7, do: assert_replaced(context, binary_part(@greeting, 0, size))

    assert_replaced(context, "HTTP/1.1 400 Bad Request\r\n\r\n")
    assert_replaced(context, "PFI\n" <> <<0xFFFFFFFF::32>>)
    assert_replaced(context, "PFI\n" <> <<10::32>> <> "not ten")
    assert_replaced(context, @greeting <> "more than that")
  end

  test "what leaves before it has the run is replaced", context do
    assert_replaced(context, @greeting)
    assert_replaced(context, "PFI\n" <> <<3::32>> <> "123")
  end

  test "what ends without a status of the run is told", context do
    for answer <- ["", <<0>>, <<0, 0, 0>>] do
      serve(context, @greeting, reads: true, answer: answer)

      assert {"linx-prefork: the process that the script belongs to is gone" <> _, status} =
               run(context)

      assert status == {:exited, 127}
    end

    assert WarmScript.starts(context.script) == 0
  end

  test "a status that no process ends with is told", context do
    for {status, said} <- [
          {0xFFFFFFFF, "has ended in a way that is unknown: -1\n"},
          {0x7F, "has ended in a way that is unknown: 127\n"},
          {126, "died of signal 126 (Unknown signal 126)\n"},
          {0x8B, "died of signal 11 (Segmentation fault, core dumped)\n"},
          {0x8F, "died of signal 15 (Terminated, core dumped)\n"}
        ] do
      serve(context, @greeting, reads: true, answer: <<status::32>>)
      assert run(context) == {"linx-prefork: the script " <> said, {:exited, 127}}
    end
  end

  test "what never greets, or never ends, is waited for, and can be left", context do
    for {greeting, reads} <- [{"", false}, {"PFI\n", false}, {@greeting, true}] do
      port = serve(context, greeting, reads: reads, stays: true)
      client = Task.async(fn -> run(context) end)
      assert_receive {^port, {:data, "served\n"}}, 60_000
      [pid] = WarmScript.await_pids(context.script, :client, 1)
      assert WarmScript.signal(pid, "TERM") == 0
      assert Task.await(client, 60_000) == {"", {:signaled, 15}}
    end
  end

  test "whatever bytes come, the client ends by itself", context do
    seed = :rand.uniform(1_000_000)
    :rand.seed(:exsss, seed)

    for round <- 1..long(20, 300) do
      greeting = if :rand.uniform(2) == 1, do: @greeting, else: scramble(@greeting)
      reads = greeting == @greeting and :rand.uniform(2) == 1
      serve(context, greeting, reads: reads, answer: :rand.bytes(:rand.uniform(8) - 1))
      {written, {how, status}} = run(context)
      what = "seed #{seed}, round #{round}: #{written} #{how} #{status}"
      assert how == :exited or status in [1, 2, 9, 13, 15], what
    end
  end

  defp scramble(bytes) do
    at = :rand.uniform(byte_size(bytes)) - 1
    <<before::binary-size(at), _, rest::binary>> = bytes
    before <> :rand.bytes(1) <> rest
  end
end
