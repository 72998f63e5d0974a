"""Runs the suite: what deploy/ holds, by its own linters and then for real."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib")]

import chart  # noqa: E402
import container  # noqa: E402
import processes  # noqa: E402
import stint_server  # noqa: E402
import suite  # noqa: E402
import unit  # noqa: E402


class World:
    def __init__(self, space, tests):
        self.space, self.tests = space, tests
        self.binary = stint_server.program("stint", "STINT_BIN")
        self.verifier = stint_server.program("stint-verify", "STINT_VERIFY_BIN")
        self.every = bool(os.environ.get("STINT_LONG"))


def main():
    tests = suite.Suite(sys.argv[1:])
    with processes.Workspace("stint-deploy-") as space:
        world = World(space, tests)
        for module in (chart, container, unit):
            for name, test in list(vars(module).items()):
                if name.startswith("test_") and test.__module__ == module.__name__:
                    tests.run(test, world)
    return tests.finish()


if __name__ == "__main__":
    sys.exit(main())
