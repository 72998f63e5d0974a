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


class Connection:
    """A connection that stays open, for requests whose time is measured: nothing but a socket."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request):
        """The answer, framed by its Content-Length; keeps the connection."""
        self.socket.sendall(request)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._more()
        answer = Answer(got)
        while len(answer.body) < int(answer.headers.get("content-length", "0")):
            answer.body += self._more()
        return answer

    def _more(self):
        chunk = self.socket.recv(65536)
        if not chunk:
            raise ConnectionError("closed in the middle of an answer")
        return chunk

    def close(self):
        self.socket.close()


def request(method, url, headers=(), body=b""):
    """The bytes of an ordinary HTTP/1.1 request; `headers` are pairs, or a dictionary."""
    _, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    pairs = list(headers.items() if isinstance(headers, dict) else headers)
    if body:
        pairs.append(("Content-Length", str(len(body))))
    lines = [f"{method} {slash}{path} HTTP/1.1", f"Host: {host}", *(f"{n}: {v}" for n, v in pairs)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
