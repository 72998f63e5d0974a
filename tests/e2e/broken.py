"""A server whose disk is full: it denies and says so, and goes on when there is room again."""

import contextlib
import os
import subprocess

import agent as agents
import git_wire
import processes
import raw_http
import world
from suite import Skip, equal, expect
from world import FETCH, PUSH

DISCOVERY = "/info/refs?service=git-upload-pack"


@contextlib.contextmanager
def small_disk(space):
    """A file system of 4 MiB for the server's home."""
    path = space.dir("stint")
    if os.getuid() != 0 or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", path],
            capture_output=True, check=False).returncode != 0:
        raise Skip("this machine lets us mount nothing")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=False)


def test_disk_full(_):
    with processes.Workspace("stint-full-") as space, small_disk(space) as home:
        w = world.World(space)
        a = w.open_agent([FETCH, PUSH])
        main = git_wire.refs(a.call("GET", w.url + DISCOVERY).content)["refs/heads/main"]
        filler = os.path.join(home, "filler")
        with open(filler, "wb", buffering=0) as f, contextlib.suppress(OSError):
            while f.write(b"\0" * 4096):
                pass
        # Nothing that must be recorded before it is done is done.
        pushed = git_wire.commands((git_wire.ZERO, main, "refs/heads/unrecorded"))
        refused = None
        for _ in range(400):  # the file of the log may have room for a few more
            with w.upstream_sees(0) if refused else contextlib.nullcontext():
                refused = a.call("POST", w.url + "/git-receive-pack", data=pushed,
                                 headers=git_wire.RECEIVE)
            if b"ok refs" not in refused.content:
                break
            w.git.git("demo/readme.git", "branch", "-D", "unrecorded")
        expect(b"ok refs" not in refused.content, f"{refused.content[:200]}")
        expect("unrecorded" not in w.git.branches("demo/readme.git"), "nothing was pushed")
        expect(b"torage full" in refused.content or b"disk full" in refused.content,
               f"says why: {refused.content[:300]}")
        # No task, no token.
        try:
            w.open_agent()
            expect(False, "a task was opened that nobody can find again")
        except agents.Refused as error:
            equal((error.status, error.body["error"]), (503, "temporarily_unavailable"))
        ready = raw_http.Connection(w.stint.addresses["operations_port"]).send(
            raw_http.request("GET", w.stint.addresses["operations"] + "/readyz"))
        equal(ready.status, 503, ready.text())
        equal(w.stint.process.poll(), None, "it is up")
        # Room again: it goes on, and the log is whole.
        os.remove(filler)
        again = processes.wait_until("work again", lambda: b"ok refs" in a.call(
            "POST", w.url + "/git-receive-pack", data=pushed, headers=git_wire.RECEIVE).content)
        expect(again, "the same push")
        w.stint.cli("log", "verify")
        w.stint.stop()
