"""Clocks of nodes that can be stepped, while this machine's stays as it is (stepped_clock.cc)."""

import mmap
import struct

from stint_server import suite_program

DIFFER = "this machine's clock and the database's differ by more than 30 s"


class SteppedClock:
    """The time of day of one node, from its next start on."""

    def __init__(self, node):
        path = node.fleet.space.file(f"node-{node.number}.clock", bytes(8))
        with open(path, "r+b") as f:
            self.page = mmap.mmap(f.fileno(), 8)
        node.environment["STINT_TEST_CLOCK"] = path
        node.environment["LD_PRELOAD"] = suite_program("stint-clock.so")

    def step(self, seconds):
        """To so much ahead of the machine's; 0: back to it."""
        struct.pack_into("=q", self.page, 0, int(seconds * 1e9))
