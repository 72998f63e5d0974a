"""HTTP as bytes: for requests that no client would send, and answers read without one's help."""

import socket


class Answer:
    def __init__(self, raw):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ", 2)
        self.raw = raw
        self.status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.answers = raw.count(b"HTTP/1.1 ")  # how many came back on this connection

    def text(self):
        return self.body.decode("utf-8", "replace")


def exchange(port, request, seconds=5.0):
    """Sends bytes to 127.0.0.1:port and reads until the other side closes or falls silent."""
    if isinstance(request, str):
        request = request.encode("latin-1")
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as s:
        try:
            s.sendall(request)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before all of it was sent: what it said is still to be read
        got = b""
        try:
            while chunk := s.recv(65536):
                got += chunk
        except OSError:
            pass
    return Answer(got)
