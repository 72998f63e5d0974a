"""Nodes of two versions of the schema on one database, replaced one at a time under load."""

import pathlib
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
for place in ("lib", "scale"):
    sys.path.insert(0, str(HERE.parent / place))
import nodes  # noqa: E402
from balanced import Balanced, Balancer  # noqa: E402
from fleet import Fleet  # noqa: E402
from load import Acknowledged  # noqa: E402
from postgres import Postgres  # noqa: E402
from processes import Workspace, wait_until  # noqa: E402
from scale import check_log, check_state  # noqa: E402
from stint_server import program, suite_program  # noqa: E402
from suite import Suite, contains, equal, expect  # noqa: E402
from upstream import Upstream  # noqa: E402

CLIENTS = 4
TASKS = 20  # that the load goes on for, at each stage of the drill
TODAY, NEXT, LATER = 2, 3, 4  # versions of the schema
BEHIND = "the database is of a newer version: upgrade this node"


def schema(database, name="stint"):
    version, oldest = database.sql("SELECT version, oldest FROM stint_schema", name).split("|")
    return int(version), int(oldest)


def migrated(space, fleet):
    return sum(space.log(n.log).count('"database migrated"') for n in fleet.nodes)


class Drill:
    """Load that goes through the balancer, and what an operator does meanwhile."""

    def __init__(self, fleet, upstream):
        self.fleet, self.known, self.stopping = fleet, Acknowledged(), threading.Event()
        self.balancer = Balancer(fleet)
        self.clients = [Balanced(fleet, upstream, self.known, self.stopping, i, self.balancer)
                        for i in range(CLIENTS)]

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for client in self.clients:
            client.join(120)

    def go_on(self):
        """Returns once more tasks were opened and ended, at the nodes that there are now."""
        opened, closed = len(self.known.opened), len(self.known.closed)
        wait_until("the load goes on", lambda: len(self.known.opened) >= opened + TASKS and
                   len(self.known.closed) >= closed + TASKS // 2, seconds=60)

    def replace(self, node, path):
        """As docs/running.md says: out of the balancer, drained, another program, in again."""
        self.balancer.out(node)
        node.stop()
        node.program = path
        node.start()
        self.balancer.back(node)
        self.go_on()

    def crash(self, node):
        self.balancer.out(node)
        node.kill()
        node.start()
        self.balancer.back(node)
        self.go_on()


def test_nodes_are_replaced_one_at_a_time(space, fleet, database, drill):
    drill.go_on()
    equal(schema(database), (TODAY, TODAY - 1), "schema before")
    first, second, third = fleet.nodes
    drill.replace(first, suite_program("stint-next"))
    equal(schema(database), (NEXT, TODAY), "schema after the first")
    # Two of the version before go on, and come back after a crash.
    drill.crash(second)
    equal([n.ready() for n in fleet.nodes], [200] * 3, "nodes of both versions")
    drill.replace(second, suite_program("stint-next"))
    drill.replace(third, suite_program("stint-next"))
    equal(schema(database), (NEXT, TODAY), "schema after the last")
    equal(migrated(space, fleet), 1, "migrations")
    # And what the version before wrote meanwhile lacks only what it does not know.
    equal(database.sql("SELECT count(*) FROM task WHERE drill IS NOT NULL"), "0")


def test_a_node_goes_back(_, fleet, database, drill):
    drill.replace(fleet.nodes[1], program("stint", "STINT_BIN"))
    equal(schema(database), (NEXT, TODAY), "nothing is migrated back")
    one = nodes.opened(fleet, 1)
    equal(nodes.read(one, fleet.nodes[0]).status_code, 200, "its task at a newer node")
    equal(nodes.read(nodes.opened(fleet, 0), fleet.nodes[1]).status_code, 200, "and the reverse")


def test_who_is_left_behind_denies(space, fleet, database, drill):
    """Two versions at once are one too many: the node of before stops by itself."""
    newest, behind = fleet.nodes[2], fleet.nodes[1]
    one = nodes.opened(fleet, 1)
    drill.balancer.out(behind)
    drill.replace(newest, suite_program("stint-later"))
    equal(schema(database), (LATER, NEXT), "schema of the version after")
    wait_until("the node that it leaves behind denies",
               lambda: behind.readyz() == (503, BEHIND), seconds=5, process=behind.process)
    refused = nodes.read(one, behind)
    expect((refused.status_code, refused.json()["detail"]) in ((503, BEHIND), (503, nodes.STALE)),
           f"a read there: {refused.text}")
    equal(nodes.read(one, newest).status_code, 200, "the same at another node")
    behind.stop()
    done = space.run([behind.program, "serve", "--config", behind.config], env=behind.environment)
    equal(done.returncode, 1, "exit of a node that the schema has left behind")
    contains(done.stderr, BEHIND)
    equal(schema(database), (LATER, NEXT), "it changes nothing")
    behind.program = suite_program("stint-next")
    behind.start()
    drill.balancer.back(behind)
    drill.go_on()


def test_one_of_three_migrates(space, database, upstream):
    """Started at the same moment, on a database of the version before."""
    database.sql("CREATE DATABASE race", "postgres")
    fleet = Fleet(nodes.Sub(space, space.dir("race")), database.url("race"), upstream)
    fleet.start()
    one = nodes.opened(fleet)
    for node in fleet.nodes:
        node.stop()
    equal(schema(database, "race"), (TODAY, TODAY - 1))
    for node in fleet.nodes:
        node.program = suite_program("stint-next")
        node.launch()
    fleet.well()
    equal(schema(database, "race"), (NEXT, TODAY))
    equal(migrated(space, fleet), 0, "in the other fleet's logs")
    logs = [space.log(f"race/{n.log}").count('"database migrated"') for n in fleet.nodes]
    equal(sum(logs), 1, "nodes that migrated")
    for node in fleet.nodes:
        equal(nodes.read(one, node, f"by-{node.number}").status_code, 200, "a task of before")
        node.stop()


def test_nothing_was_refused_wrongly(fleet, database, upstream, known):
    fleet.well()
    check_state(fleet, known)
    events = check_log(fleet, database, known, upstream)
    print(f"     {known.requests} requests, {known.retried} at another node since theirs was "
          f"being replaced, {known.unready} since theirs was not ready, {len(known.opened)} tasks, "
          f"{len(known.closed)} ends, {len(known.decisions)} writes; {len(events)} events; "
          f"violations: {len(known.violations)}")
    equal(known.violations, [], "violations")
    expect(known.unready * 20 <= known.requests, f"{known.unready} requests met an unready node")
    expect(known.closed and known.decisions, "the load did too little to show anything")


def main():
    suite = Suite(sys.argv[1:])
    with Workspace("stint-upgrade-") as space:
        upstream = Upstream()
        database = Postgres(space).init().start()
        database.sql("CREATE DATABASE stint", "postgres")
        suite.run(test_one_of_three_migrates, space, database, upstream)
        fleet = Fleet(space, database.url(), upstream).start()
        with Drill(fleet, upstream) as drill:
            suite.run(test_nodes_are_replaced_one_at_a_time, space, fleet, database, drill)
            suite.run(test_a_node_goes_back, space, fleet, database, drill)
            suite.run(test_who_is_left_behind_denies, space, fleet, database, drill)
        suite.run(test_nothing_was_refused_wrongly, fleet, database, upstream, drill.known)
        if suite.failed:
            for node in fleet.nodes:
                print(f"--- node {node.number}\n{space.log(node.log)[-3000:]}")
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
