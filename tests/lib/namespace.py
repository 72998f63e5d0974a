"""A network namespace of one's own: another host, joined to this one by a cable that can be cut."""

import os
import secrets
import subprocess
import sys

_FORWARD = """
import socket, sys, threading

def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    finally:
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

def serve(near_end, far_end, port):
    listener = socket.create_server((near_end, port))
    while True:
        near, _ = listener.accept()
        try:
            far = socket.create_connection((far_end, port))
        except OSError:
            near.close()
            continue
        for pair in ((near, far), (far, near)):
            threading.Thread(target=pump, args=pair, daemon=True).start()

for port in map(int, sys.argv[3:]):
    threading.Thread(target=serve, args=(*sys.argv[1:3], port), daemon=True).start()
threading.Event().wait()
"""


def _ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Namespace:
    """`cables` are names; each is a link of its own: near and far address by cable."""

    def __init__(self, space, cables):
        self.space, self.tag = space, secrets.token_hex(3)
        self.name = f"stint-test-{self.tag}"
        self.near, self.far, self._links = {}, {}, {}
        _ip("netns", "add", self.name)
        try:
            self._ip("link", "set", "lo", "up")
            for number, cable in enumerate(cables):
                self._lay(cable, number)
        except BaseException:
            self.close()
            raise

    def _ip(self, *words):
        _ip("-n", self.name, *words)

    def _lay(self, cable, number):
        near, far = f"st{self.tag}n{number}", f"st{self.tag}f{number}"
        # A network of its own for each (RFC 3927 addresses: no route leads to them).
        net = f"169.254.{200 + secrets.randbelow(50)}.{4 * secrets.randbelow(60)}"
        base, last = net.rsplit(".", 1)
        self.near[cable], self.far[cable] = (f"{base}.{int(last) + 1}", f"{base}.{int(last) + 2}")
        _ip("link", "add", near, "type", "veth", "peer", "name", far)
        _ip("link", "set", far, "netns", self.name)
        _ip("addr", "add", f"{self.near[cable]}/30", "dev", near)
        self._ip("addr", "add", f"{self.far[cable]}/30", "dev", far)
        _ip("link", "set", near, "up")
        self._ip("link", "set", far, "up")
        self._links[cable] = near

    def cut(self, cable):
        """Nothing arrives any more, and nobody is told."""
        _ip("link", "set", self._links[cable], "down")

    def mend(self, cable):
        _ip("link", "set", self._links[cable], "up")

    @property
    def launcher(self):
        return ["ip", "netns", "exec", self.name]

    def _forward(self, launcher, near, far, ports):
        self.space.start([*launcher, sys.executable, "-c", _FORWARD, near, far, *map(str, ports)],
                         "forward.log")

    def offer(self, cable, *ports):
        """What comes in by the cable goes to the same port of the namespace's own loopback."""
        self._forward(self.launcher, self.far[cable], "127.0.0.1", ports)

    def lend(self, cable, *ports):
        """Ports of this host's loopback are on the namespace's loopback too, by the cable."""
        self._forward([], self.near[cable], "127.0.0.1", ports)
        self._forward(self.launcher, "127.0.0.1", self.near[cable], ports)

    def close(self):
        for near in self._links.values():
            subprocess.run(["ip", "link", "del", near], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)


def possible():
    return os.geteuid() == 0 and subprocess.run(
        ["ip", "netns", "list"], check=False, capture_output=True).returncode == 0
