"""Runs the end-to-end suite: one world for all tests, words of the command line choose."""

import inspect
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib")]

import abuse  # noqa: E402
import borrowed  # noqa: E402
import broken  # noqa: E402
import oauth_git  # noqa: E402
import processes  # noqa: E402
import run_git  # noqa: E402
import run_process  # noqa: E402
import suite  # noqa: E402
import world  # noqa: E402


def main():
    tests = suite.Suite(sys.argv[1:])
    with processes.Workspace("stint-e2e-") as space:
        shared = world.World(space)
        for module in (run_git, run_process, oauth_git, abuse, borrowed, broken):
            for name, test in inspect.getmembers(module, inspect.isfunction):
                if name.startswith("test_") and test.__module__ == module.__name__:
                    tests.run(test, shared)
        tests.run(nothing_leaked, shared)
    return tests.finish()


def nothing_leaked(w):
    """After all of it: no secret in any file of the server, nor in what it said."""
    for what, secret in (("the password", re.escape(w.git.password.encode())),
                         ("a JWT", rb"eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
                         ("a handle", rb"stint_[a-z]+_[A-Za-z0-9]{38}"),
                         ("a private key", b"PRIVATE KEY-----")):
        for path in w.server_files():
            with open(path, "rb") as f:
                found = re.search(secret, f.read())
            suite.expect(not found, f"{what} is in {os.path.basename(path)}")
    suite.equal(w.stint.process.poll(), None, "the server is still up")


if __name__ == "__main__":
    sys.exit(main())
