"""A seeded schedule of what goes wrong: nodes killed and frozen, the database killed and frozen."""

import random
import time


class Faults:
    """One fault after another until the time is up; each is over before the next begins."""

    def __init__(self, fleet, database, seed):
        self.fleet, self.database = fleet, database
        self.random = random.Random(seed)
        self.counts = {}
        self.kinds = [self.kill_node, self.freeze_node, self.kill_database, self.freeze_database,
                      self.end_sessions]

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
