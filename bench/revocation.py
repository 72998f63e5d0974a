#!/usr/bin/env python3
"""S2 end to end: three `stint serve` on one PostgreSQL, clients over HTTP that go on calling.

At each node but the closing one a client sends reads of the task one after another, over a
connection that it keeps. From the moment at which the closing node's answer is here: to the sending
of the last read that a node still permitted (0 when none was sent after it), and to the first
refusal's arrival, which holds a whole request and is so long at least.
"""

import argparse
import os
import pathlib
import sys
import threading
import time

# In the place of this directory, whose http.py is not the library's.
sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "lib")
import agent as agents  # noqa: E402
from fleet import Fleet  # noqa: E402
from postgres import Postgres  # noqa: E402
from processes import Workspace  # noqa: E402
from upstream import Upstream  # noqa: E402


class Caller(threading.Thread):
    """Reads until it is refused."""

    def __init__(self, one, started):
        super().__init__(daemon=True)
        self.one, self.started = one, started
        self.last_permitted = self.refused = None

    def run(self):
        while True:
            sent = time.monotonic()
            try:
                status = self.one.call("GET", f"{self.one.resource}/r/thing").status_code
            except OSError:
                continue  # the call under way was cut: what the next one is told counts
            if status != 200:
                if self.last_permitted is None:
                    continue  # this node has not heard of the task's opening yet
                self.refused = time.monotonic()
                return
            self.last_permitted = sent
            self.started.set()


def same_task(fleet, one, node):
    other = fleet.agent().at(node)
    other.token, other.dpop_key, other.task = one.token, one.dpop_key, one.task
    return other


class Load(threading.Thread):
    """Reads of another task at one node, at a steady pace."""

    def __init__(self, one, per_second, stop):
        super().__init__(daemon=True)
        self.one, self.pause, self.stop = one, 1 / per_second, stop
        self.calls = 0

    def run(self):
        due = time.monotonic()
        while not self.stop.is_set():
            due = max(due + self.pause, time.monotonic() - 0.1)
            time.sleep(max(0, due - time.monotonic()))
            if self.one.call("GET", f"{self.one.resource}/r/load").status_code != 200:
                raise RuntimeError("a call of the load was refused")
            self.calls += 1


def opened(fleet):
    one = fleet.agent().at(fleet.nodes[0])
    one.open_task("revocation", [agents.grant("up", ["thing.read"])], fleet.idp.id_token("alice"),
                  resource=one.resource)
    return one


def close_one(fleet, closer):
    one = opened(fleet)
    others = [n for n in fleet.nodes if n is not closer]
    callers = [Caller(same_task(fleet, one, node), threading.Event()) for node in others]
    for caller in callers:
        caller.start()
    for caller in callers:
        if not caller.started.wait(10):
            raise RuntimeError("no read was permitted before the end")
    one.at(closer).end()
    acknowledged = time.monotonic()
    for caller in callers:
        caller.join(10)
        if caller.refused is None:
            raise RuntimeError("a node goes on permitting")
    return (max(max(0, c.last_permitted - acknowledged) for c in callers) * 1e3,
            max(max(0, c.refused - acknowledged) for c in callers) * 1e3)


def words(ms):
    ms = sorted(ms)
    return (f"p50 {ms[len(ms) // 2]:.1f}, p99 {ms[int((len(ms) - 1) * 0.99)]:.1f}, "
            f"max {ms[-1]:.1f} ms")


def row(what, rounds, goal, note):
    p99 = sorted(sorted(r)[int((len(r) - 1) * 0.99)] for r in rounds)
    middle = p99[len(p99) // 2]
    verdict = "-" if not goal else "met" if middle <= goal else "missed"
    print("ROW", "S2", what, len(p99), f"{p99[0]:.3f}", f"{middle:.3f}", f"{p99[-1]:.3f}",
          f"<= {goal}" if goal else "-", verdict, note, sep="\t", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--stint", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--load", type=float, default=100)
    options = parser.parse_args()
    os.environ["STINT_BIN"] = os.path.abspath(options.stint)
    with Workspace("stint-revocation-") as space:
        upstream = Upstream()
        database = Postgres(space).init().start()
        database.sql("CREATE DATABASE stint", "postgres")
        fleet = Fleet(space, database.url(), upstream).start()
        stop = threading.Event()
        load = [Load(same_task(fleet, opened(fleet), n), options.load / 3, stop)
                for n in fleet.nodes]
        start = time.monotonic()
        for one in load:
            one.start()
        permitted, refused = [], []
        for _ in range(options.rounds):
            times = [close_one(fleet, fleet.nodes[i % 3]) for i in range(options.count)]
            permitted.append([t[0] for t in times])
            refused.append([t[1] for t in times])
        calls = sum(one.calls for one in load) / (time.monotonic() - start)
        stop.set()
        for one in load:
            one.join(10)
        row("over HTTP, end answered to last read sent that was permitted: p99, ms", permitted, 50,
            words(sum(permitted, [])) + f"; {calls:.0f} other calls/s meanwhile")
        row("over HTTP, end answered to first refusal here from every node: p99, ms", refused, 0,
            words(sum(refused, [])))


if __name__ == "__main__":
    main()
