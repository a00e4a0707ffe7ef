"""The side of an instance of a Linx.Group: who it is, its links, and its channel.

    group = linx_group.Group()
    group.links["log", 1].sendall(b"hello\n")
    group.channel.send(7, b"done")
    frame = group.receive()  # None: the group is to end

What LINX_GROUP and the frames look like is documented with the modules Linx.Group and Linx.Group.Frame.
"""

import array
import collections
import os
import socket
import struct

HEADER = struct.Struct("!IHHII")
HAS_FD = 1
NEW_LINK = 65535

Frame = collections.namedtuple("Frame", "type peer pid payload fd")


class Channel:
    def __init__(self, fd):
        self.socket = socket.socket(fileno=fd)

    def send(self, type, payload=b"", peer=0, fd=None):
        flags = 0 if fd is None else HAS_FD
        header = HEADER.pack(len(payload), type, flags, peer, os.getpid())
        fds = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        sent = self.socket.sendmsg([header, payload], fds)
        self.socket.sendall((header + payload)[sent:])

    def receive(self):
        """The next frame, or None at the end."""
        data, fds = b"", []
        while len(data) < HEADER.size:
            piece, received, _, _ = socket.recv_fds(self.socket, HEADER.size - len(data), 1)
            if not piece:
                return None
            data, fds = data + piece, fds + list(received)
        length, type, _, peer, pid = HEADER.unpack(data)
        payload = b""
        while len(payload) < length:
            piece = self.socket.recv(length - len(payload))
            if not piece:
                return None
            payload += piece
        return Frame(type, peer, pid, payload, fds[0] if fds else None)


class Group:
    def __init__(self):
        self.links = {}
        for word in os.environ["LINX_GROUP"].split(" "):
            key, value = word.split("=")
            if key == "link":
                role, number, _, fd = value.split("/")
                self.links[role, int(number)] = socket.socket(fileno=int(fd))
            elif key == "channel":
                self.channel = Channel(int(value))
            else:
                setattr(self, key, value if key == "role" else int(value))

    def receive(self):
        """The next frame, or None at the end. If it is about a link, that has been replaced."""
        frame = self.channel.receive()
        if frame is not None and frame.type == NEW_LINK:
            self.replace(frame).close()
        return frame

    def replace(self, frame):
        """Takes the new end of a link. The old one is the caller's: it may still hold bytes."""
        role, number = frame.payload.decode().split("/")
        # It comes by way of the BEAM, whose sockets do not block.
        os.set_blocking(frame.fd, True)
        old = self.links[role, int(number)]
        self.links[role, int(number)] = socket.socket(fileno=frame.fd)
        return old
