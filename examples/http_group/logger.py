"""Writes each line of the workers to fd 100, and tells the parent how many there were."""

import os
import select
import sys

import linx_group

LOG_FD = 100
COUNT = 2


def main():
    group = linx_group.Group()
    # What has come of each link's last line.
    partial = {link: b"" for link in group.links.values()}
    count = 0
    while True:
        ready, _, _ = select.select([group.channel.socket, *partial], [], [])
        for link in ready:
            if link is group.channel.socket:
                continue
            data = link.recv(65536)
            if not data:
                del partial[link]
                # A lost worker's. It stays in group.links until its successor's takes its place.
                continue
            *lines, partial[link] = (partial[link] + data).split(b"\n")
            count += len(lines)
            os.write(LOG_FD, b"".join(line + b"\n" for line in lines))
        if group.channel.socket in ready:
            frame = group.channel.receive()
            if frame is None:
                sys.exit(0)
            if frame.type == linx_group.NEW_LINK:
                # The old one is read to its end before it is forgotten: it is still in `partial`.
                old = group.replace(frame)
                if old not in partial:
                    old.close()
                role, number = frame.payload.decode().split("/")
                partial[group.links[role, int(number)]] = b""
            elif frame.type == COUNT:
                group.channel.send(COUNT, b"%d" % count)


main()
