"""A seeded schedule of what goes wrong: nodes killed and frozen, the database killed and frozen,
clocks stepped."""

import random
import time

from clocks import DIFFER
from processes import wait_until


class Faults:
    """One fault after another until the time is up; each is over before the next begins."""

    def __init__(self, fleet, database, known, clocks, seed):
        self.fleet, self.database, self.known, self.clocks = fleet, database, known, clocks
        self.random = random.Random(seed)
        self.counts = {}
        self.kinds = [self.kill_node, self.freeze_node, self.kill_database, self.freeze_database,
                      self.end_sessions, self.step_clock]

    def run(self, seconds):
        end = time.monotonic() + seconds
        order = []
        while time.monotonic() < end:
            if not order:  # every kind before any comes again
                order = self.random.sample(self.kinds, len(self.kinds))
            fault = order.pop()
            time.sleep(self.random.uniform(0.5, 2.0))
            self.counts[fault.__name__] = self.counts.get(fault.__name__, 0) + 1
            fault()

    def node(self):
        return self.random.choice(self.fleet.nodes)

    def kill_node(self):
        node = self.node()
        node.kill()
        time.sleep(self.random.uniform(0.0, 1.0))
        node.start()

    def freeze_node(self):
        node = self.node()
        node.freeze()
        time.sleep(self.random.choice([0.5, 3.0, 10.0]))
        node.thaw()

    def kill_database(self):
        self.database.kill()
        time.sleep(self.random.uniform(0.0, 1.0))
        self.database.start()

    def freeze_database(self):
        self.database.freeze()
        time.sleep(self.random.uniform(0.5, 4.0))
        self.database.thaw()

    def end_sessions(self):
        self.database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                          "WHERE application_name = 'stint'")

    def step_clock(self):
        """By as much as readers of the log allow for, or back by more than what is borne at all:
        everything would live longer, so the node must notice by itself, and deny. Far ahead, what it
        permitted before it noticed would stand in the log at a time when its task was over."""
        node = self.node()
        clock = self.clocks[node]
        ahead = self.random.choice(
            [self.random.uniform(-0.9, 0.9), -self.random.uniform(35, 300)])
        # One that is not well, of an earlier fault, has another reason to tell.
        wait_until(f"node {node.number} is well", lambda: node.ready() == 200, seconds=60)
        clock.step(ahead)
        if abs(ahead) > 30:
            try:
                wait_until("the node denies", lambda: node.readyz() == (503, DIFFER), seconds=5)
            except TimeoutError:
                self.known.violation(
                    f"S6: node {node.number}, {ahead:.0f} s ahead, is {node.readyz()}")
        time.sleep(self.random.uniform(0.5, 4.0))
        clock.step(0)
