"""Git's smart HTTP, as much of it as an OAuth client needs that is not git (gitprotocol-http)."""

import hashlib
import struct

ZERO = "0" * 40
EMPTY_PACK = b"PACK" + struct.pack(">II", 2, 0)
EMPTY_PACK += hashlib.sha1(EMPTY_PACK).digest()


def pkt(line):
    data = line if isinstance(line, bytes) else line.encode()
    return b"%04x" % (len(data) + 4) + data


FLUSH = b"0000"


def lines(data):
    """The pkt-lines of a reply, None for a flush; stops where there is no length any more."""
    at = 0
    while at + 4 <= len(data):
        try:
            size = int(data[at:at + 4], 16)
        except ValueError:
            return
        if size < 4:
            yield None
            at += 4
        else:
            yield data[at + 4:at + size]
            at += size


def refs(advertisement):
    """ref -> id of an info/refs reply."""
    found = {}
    for line in lines(advertisement):
        if line and not line.startswith(b"#"):
            words = line.split(b"\0")[0].decode().split()
            if len(words) == 2:
                found[words[1]] = words[0]
    return found


def want(commit):
    return pkt(f"want {commit} ofs-delta\n") + FLUSH + pkt("done\n")


def commands(*changes):
    """A receive-pack request: (old, new, ref) each; with an empty pack when something is made."""
    body = b""
    for i, (old, new, ref) in enumerate(changes):
        body += pkt(f"{old} {new} {ref}".encode() + (b"\0 report-status" if i == 0 else b""))
    body += FLUSH
    return body + (EMPTY_PACK if any(new != ZERO for _, new, _ in changes) else b"")


UPLOAD = {"Content-Type": "application/x-git-upload-pack-request"}
RECEIVE = {"Content-Type": "application/x-git-receive-pack-request"}
