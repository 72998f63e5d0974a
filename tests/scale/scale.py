"""Promises S1-S4, S6 and S7 over real processes: three nodes, PostgreSQL, real clients, faults."""

import os
import pathlib
import random
import secrets
import statistics
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import nodes  # noqa: E402
from clocks import SteppedClock  # noqa: E402
from faults import Faults  # noqa: E402
from fleet import Fleet, events_of  # noqa: E402
from load import REQUESTS, Acknowledged, Client  # noqa: E402
from postgres import Postgres  # noqa: E402
from processes import Workspace, wait_until  # noqa: E402
from suite import Suite, equal, expect  # noqa: E402
from upstream import Upstream  # noqa: E402

LONG = bool(os.environ.get("STINT_LONG"))
SECONDS = int(os.environ.get("STINT_SCALE_SECONDS", "600" if LONG else "60"))
SEED = int(os.environ.get("STINT_SCALE_SEED", "0")) or secrets.randbits(32)
CLIENTS = 4


def load_under_faults(fleet, database, upstream, clocks):
    known, stop = Acknowledged(), threading.Event()
    clients = [Client(fleet, upstream, known, stop, SEED + i) for i in range(CLIENTS)]
    for client in clients:
        client.start()
    faults = Faults(fleet, database, known, clocks, SEED)
    try:
        faults.run(SECONDS)
    finally:
        stop.set()
    for client in clients:
        client.join(120)
        expect(not client.is_alive(), "a client hangs")
    return known, faults


def check_log(fleet, database, known, upstream):
    # What is exported is what a checkpoint covers.
    size = int(database.sql("SELECT size FROM log_head"))
    wait_until("a checkpoint of all of it", lambda: size <= int(
        database.sql("SELECT coalesce(max(size), 0) FROM checkpoint")), seconds=60)
    events, _, _ = events_of(fleet, fleet.nodes[0])
    permits = [e for e in events if e["kind"] == "decision" and e["verdict"] == "permit"]
    ids = [e["decision"] for e in permits]
    equal(len(ids), len(set(ids)), "decisions that are in the log twice")
    missing = known.decisions - set(ids)
    expect(not missing, f"S3: {len(missing)} acknowledged decisions are not in the log")
    intents = {e["target"] for e in permits}
    unseen = {path for method, path in upstream.seen if method == "POST"} - intents
    expect(not unseen, f"S4: the upstream saw {len(unseen)} writes that the log does not have")
    closed = [e["task"] for e in events if e["kind"] == "task.closed"]
    equal(len(closed), len(set(closed)), "tasks that were closed twice")
    # After its end nothing of a task is permitted: in the log's own order, which is every node's.
    over, after = set(), []
    for e in events:
        if e["kind"] == "task.closed":
            over.add(e["task"])
        elif e["kind"] in ("token.minted", "credential.released") and e.get("task") in over:
            after.append((e["kind"], e["task"]))
    tokens = [a for a in after if a[0] == "token.minted"]
    expect(not tokens, f"S1: {len(tokens)} tokens were minted after their task's end: {tokens[:3]}")
    return events


def check_state(fleet, known):
    for node in fleet.nodes:
        for task in random.Random(SEED).sample(sorted(known.opened), min(40, len(known.opened))):
            status, body = node.get(f"/v1/tasks/{task}")
            equal(status, 200, f"S3: acknowledged task {task} at node {node.number}")
            if task in known.closed:
                equal(body["state"], "closed", f"S3: acknowledged end of {task}")


def test_faults_under_load(fleet, database, upstream, clocks):
    print(f"     seed {SEED}")
    known, faults = load_under_faults(fleet, database, upstream, clocks)
    fleet.well()
    check_state(fleet, known)
    events = check_log(fleet, database, known, upstream)
    budgets = [n for what, n in known.tries.items() if what.startswith("w/budget")]
    assertions = [n for what, n in known.tries.items() if what.startswith("assertion")]
    late = sorted(known.late)
    print(f"     {known.requests} requests ({known.refused} refused), {known.unanswered} without "
          f"an answer, {len(known.opened)} tasks, {len(known.closed)} ends, "
          f"{len(known.decisions)} writes; {len(events)} events; faults: "
          + ", ".join(f"{n} {name}" for name, n in sorted(faults.counts.items())))
    print(f"     {len(budgets)} budgets of {REQUESTS} spent at every node at once, at most "
          f"{max(budgets, default=0)} each; {len(assertions)} assertions offered to every node, "
          f"taken at most {max(assertions, default=0)} times")
    if late:
        print(f"     last read permitted after an acknowledged end: median "
              f"{statistics.median(late) * 1000:.0f} ms, p99 {late[int(len(late) * 0.99)] * 1000:.0f}"
              f" ms, longest {late[-1] * 1000:.0f} ms")
    print(f"     violations of S1-S4, S6 and S7: {len(known.violations)}")
    equal(known.violations, [], "violations")
    expect(len(known.closed) > 20 and known.decisions and budgets and assertions,
           "the load did too little to show anything")


def main():
    suite = Suite(sys.argv[1:])
    with Workspace("stint-scale-") as space:
        upstream = Upstream()
        database = Postgres(space).init().start()
        database.sql("CREATE DATABASE stint", "postgres")
        fleet = Fleet(space, database.url(), upstream)
        clocks = {node: SteppedClock(node) for node in fleet.nodes}
        fleet.start()
        suite.run(nodes.test_a_captured_proof_is_spent_at_one_node, fleet, upstream)
        suite.run(nodes.test_an_assertion_counts_once_everywhere, fleet, upstream)
        suite.run(nodes.test_an_exclusive_reference_is_bound_once, fleet, upstream)
        suite.run(nodes.test_a_frozen_node_does_not_act_on_its_old_view, fleet, upstream)
        suite.run(nodes.test_leases_are_taken_over, fleet, database)
        suite.run(nodes.test_a_node_whose_clock_steps_away_denies, fleet, upstream, clocks)
        suite.run(test_faults_under_load, fleet, database, upstream, clocks)
        suite.run(nodes.test_a_node_that_is_cut_off_refuses, space, fleet, database, upstream)
        suite.run(nodes.test_the_root_key_changes_when_nobody_serves, space, fleet)
        suite.run(nodes.test_the_database_fails_over, space)
        if suite.failed:
            for number in range(3):
                print(f"--- node {number}\n{space.log(f'node-{number}.log')[-3000:]}")
    return suite.finish()


if __name__ == "__main__":
    start = time.monotonic()
    sys.exit(main())
