"""The API of a node, as its operator: over the unix socket in its home."""

import http.client
import json
import socket


class OperatorSocket(http.client.HTTPConnection):
    def __init__(self, path, timeout=30):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def get(path, target, timeout=30):
    """(status, body); (0, None) when nobody answers."""
    connection = OperatorSocket(path, timeout)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    except OSError:
        return 0, None
    finally:
        connection.close()
