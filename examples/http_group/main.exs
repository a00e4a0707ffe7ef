# A web server whose workers can do nothing but answer. See http_group.ex.
#
#     mix run examples/http_group/main.exs [PORT]

Code.require_file("http_group.ex", __DIR__)

port = System.argv() |> List.first("8080") |> String.to_integer()
log = Path.join(System.tmp_dir!(), "http_group.log")
{:ok, server} = HttpGroup.start_link(port: port, workers: 4, log: log)
IO.puts("http://127.0.0.1:#{HttpGroup.port(server)}/ is served; #{log} is the log")
monitor = Process.monitor(server)
receive do: ({:DOWN, ^monitor, :process, _, reason} -> exit(reason))
