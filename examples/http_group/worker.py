"""Answers HTTP requests on a listener that the parent sends, and tells the logger of each."""

import os
import select
import socket
import sys

import linx_group

LISTENER = 1
TIMEOUT = 5
MAX_HEAD = 8192


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head and len(head) < MAX_HEAD:
        piece = connection.recv(MAX_HEAD - len(head))
        if not piece:
            break
        head += piece
    return head.decode("latin-1")


def answer_to(group, path):
    if path == "/":
        return "200 OK", "worker %d, uid %d\n" % (group.number, os.getuid())
    if path == "/files":
        return "200 OK", "".join(name + "\n" for name in sorted(os.listdir("/")))
    return "404 Not Found", "nothing here\n"


def log(group, line):
    try:
        group.links["logger", 1].sendall(line.encode() + b"\n")
    except OSError:
        pass  # It was lost; its successor's link is on the way.


def serve(group, connection):
    connection.settimeout(TIMEOUT)
    words = read_head(connection).split(" ", 2)
    if len(words) < 3 or words[0] != "GET":
        return
    status, body = answer_to(group, words[1])
    log(group, "worker %d: %s %s" % (group.number, ascii(words[1]), status[:3]))
    head = "HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body))
    connection.sendall((head + body).encode())


def main():
    group = linx_group.Group()
    listener = None
    while True:
        watched = [group.channel.socket] + ([listener] if listener else [])
        ready, _, _ = select.select(watched, [], [])
        if group.channel.socket in ready:
            frame = group.receive()
            if frame is None:
                sys.exit(0)
            if frame.type == LISTENER:
                listener = socket.socket(fileno=frame.fd)
        elif listener in ready:
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                continue  # Another worker was faster.
            with connection:
                try:
                    serve(group, connection)
                except OSError:
                    pass  # The client is gone, or says nothing.


main()
