"""A backup is taken while real clients work, and restored where nothing was: what the log then
shows, which tokens count, and what a killed, filled or damaged backup leaves behind."""

import json
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import threading
import time

LIB = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(LIB / "lib"))
sys.path.insert(0, str(LIB / "scale"))
import agent as agents  # noqa: E402
import processes  # noqa: E402
from fleet import Fleet, Node, events_of  # noqa: E402
from load import Acknowledged, Client  # noqa: E402
from postgres import Postgres  # noqa: E402
from processes import Workspace, wait_until  # noqa: E402
from stint_server import program  # noqa: E402
from suite import Suite, contains, equal, expect  # noqa: E402
from upstream import Upstream  # noqa: E402

GRANT = [agents.grant("up", ["thing.read", "thing.write"])]
STINT, VERIFY = program("stint", "STINT_BIN"), program("stint-verify", "STINT_VERIFY_BIN")


class World:
    """A service with a store of one kind, and the database for others."""

    def __init__(self, space, database, upstream):
        self.space, self.database, self.upstream = space, database, upstream
        self.made = 0

    def url(self, postgres):
        if not postgres:
            return ""
        self.made += 1
        name = f"stint{self.made}"
        self.database.sql(f"CREATE DATABASE {name}", "postgres")
        return self.database.url(name)

    def fleet(self, postgres):
        fleet = Fleet(self.space, self.url(postgres), self.upstream, nodes=1)
        for leftover in pathlib.Path(fleet.nodes[0].home).iterdir():
            leftover.unlink()
        return fleet.start()

    def place(self, fleet, postgres):
        """Where nothing is: another home, and another store; the same issuer and root key."""
        self.made += 1
        fleet.database_url = self.url(postgres)
        return Node(fleet, 100 + self.made, *processes.free_ports(3))


def opened(fleet, purpose):
    one = fleet.agent().at(fleet.nodes[0])
    one.open_task(purpose, GRANT, fleet.idp.id_token("alice"), resource=one.resource)
    return one


def answer(one, node):
    """Status and body of a read with the agent's token at a node."""
    one.nonce = None
    response = one.at(node).call("GET", f"{one.resource}/r/1")
    return response.status_code, response.text


def take(node, path, check=True):
    done = node.cli("backup", "--config", node.config, "--to", path, "--json", seconds=300,
                    check=check)
    return json.loads(done.stdout) if check else done


def refused_refresh(one, node):
    try:
        one.at(node).refresh()
    except agents.Refused as error:
        return str(error)
    return "taken"


def open_later(one, fleet):
    """A client whose clock is a little ahead: assertions that could be of before are refused."""
    first = []

    def try_it():
        try:
            now = int(time.time())
            one.assertion = lambda: agents.Agent.assertion(one, iat=now + 29, exp=now + 89)
            one.nonce = None
            one.open_task("after", GRANT, fleet.idp.id_token("alice"), resource=one.resource)
            return True
        except agents.Refused as error:
            first.append(str(error))
            return False
    wait_until("a task opens in the restored place", try_it, seconds=40, every=0.5)
    return first


def way(world, from_postgres, to_postgres):
    fleet = world.fleet(from_postgres)
    node, known, stop = fleet.nodes[0], Acknowledged(), threading.Event()
    clients = [Client(fleet, world.upstream, known, stop, i) for i in range(2)]
    for client in clients:
        client.start()
    stays, ends = opened(fleet, "open then and later"), opened(fleet, "ended after the backup")
    wait_until("some load", lambda: known.requests > 40, seconds=60)
    path = os.path.join(world.space.path, f"backup-{time.monotonic_ns()}")
    taken = take(node, path)
    before = stays.token
    stays.refresh()
    ends.end()
    late = opened(fleet, "opened after the backup")
    for one in (stays, late):
        equal(answer(one, node)[0], 200, "where it was issued")
    more = known.requests + 20
    wait_until("load goes on", lambda: known.requests > more, seconds=60)
    stop.set()
    for client in clients:
        client.join(60)
    equal(known.violations, [], "violations")
    _, old_log, _ = wait_signed(fleet, node)
    check = node.cli("backup", "--verify", path, "--json")
    equal(json.loads(check.stdout)["log_root"], taken["log_root"], "the backup's root")
    equal(os.stat(path).st_mode & 0o777, 0o600, "mode")
    world.space.stop(node.process)

    place = world.place(fleet, to_postgres)
    done = place.cli("restore", "--from", path, "--config", place.config, "--json", seconds=300)
    restored = json.loads(done.stdout)
    expect(restored["closed_tasks"] >= 2, "open tasks are closed")
    again = place.cli("restore", "--from", path, "--config", place.config, check=False)
    equal(again.returncode, 1)
    contains(again.stderr, "is restored into a new")
    place.start()
    stale = fleet.agent()
    stale.token, stale.dpop_key = before, stays.dpop_key
    for name, one in (("before", stale), ("after", stays), ("another task", late), ("ended", ends)):
        status, body = answer(one, place)
        equal(status, 401, name)
        contains(body, "the key that signed the token is revoked", name)
    honest = fleet.agent().at(place)
    try:
        honest.open_task("at once", GRANT, fleet.idp.id_token("alice"), resource=honest.resource)
        raise AssertionError("an assertion that may be of before was taken")
    except agents.Refused as error:
        contains(str(error), "401 invalid_client: the assertion may have been used before the restore")
    fresh = fleet.agent().at(place)
    open_later(fresh, fleet)
    equal(answer(fresh, place)[0], 200, "a new task")
    for one in (stays, late):
        one.assertion = fresh.assertion
    contains(refused_refresh(stays, place), "invalid_grant")
    contains(refused_refresh(late, place), "invalid_grant")
    check_logs(world, fleet, place, taken, old_log)
    world.space.stop(place.process)


def wait_signed(fleet, node):
    """The log, exported once its last checkpoint is a second old."""
    time_of = lambda: node.get("/v1/keys")[0]  # noqa: E731  the node answers
    wait_until("the node answers", lambda: time_of() == 200)
    last = [None]

    def settled():
        size = node.cli("log", "verify", "--json", check=False).stdout
        same = size == last[0]
        last[0] = size
        return same
    wait_until("a checkpoint", settled, seconds=20, every=1.2)
    return events_of(fleet, node)


def check_logs(world, fleet, place, taken, old_log):
    events, directory, _ = wait_signed(fleet, place)
    at = taken["log_size"]
    equal(events[at]["kind"], "server.restored", "the first event that is new")
    equal(events[at]["size"], at, "its size")
    old = pathlib.Path(old_log, "checkpoint")
    key = world.space.file("log.vkey", place.cli("log", "key").stdout.strip())
    forked = world.space.run([VERIFY, "log", directory, "--key", f"@{key}", "--old-checkpoint",
                              str(old)])
    expect(forked.returncode != 0, "the fork is not seen")
    said = forked.stdout + forked.stderr
    expect("the log was truncated" in said or "forked" in said, f"not told of: {said}")


def test_sqlite_to_sqlite(world):
    way(world, False, False)


def test_sqlite_to_postgres(world):
    way(world, False, True)


def test_postgres_to_sqlite(world):
    way(world, True, False)


def test_killed_backups_look_unfinished(world):
    fleet = world.fleet(False)
    node = fleet.nodes[0]
    for i in range(20):
        opened(fleet, f"task {i}")
    started = time.monotonic()
    take(node, os.path.join(world.space.path, "whole"))
    took = time.monotonic() - started
    rng, cut, whole = random.Random(7), 0, 0
    for i in range(25):
        path = os.path.join(world.space.path, "killed")
        backup = subprocess.Popen([STINT, "backup", "--config", node.config, "--to", path],
                                  env={**world.space.environment, **node.env},
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            backup.wait(rng.uniform(0.2, 1.0) * took)
        except subprocess.TimeoutExpired:
            backup.send_signal(signal.SIGKILL)
            backup.wait()
        if os.path.exists(path):
            whole += 1
            node.cli("backup", "--verify", path)
            os.unlink(path)
            continue
        cut += 1
        if os.path.exists(path + ".part"):
            done = node.cli("restore", "--from", path + ".part", "--config", node.config,
                            check=False)
            expect(done.returncode == 1, "it is refused, if only since the place is taken")
    print(f"     {cut} cut, {whole} whole")
    expect(cut > 3, "none was killed in time")
    take(node, os.path.join(world.space.path, "killed"))
    world.space.stop(node.process)


def test_full_disk_and_damage(world):
    fleet = world.fleet(False)
    node = fleet.nodes[0]
    opened(fleet, "one")
    full = os.path.join(world.space.path, "full")

    def small():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))
    done = subprocess.run([STINT, "backup", "--config", node.config, "--to", full],
                          env={**world.space.environment, **node.env}, capture_output=True,
                          text=True, preexec_fn=small, check=False)
    equal(done.returncode, 75, done.stderr)
    contains(done.stderr, "database input/output")
    expect(not os.path.exists(full) and not os.path.exists(full + ".part"), "a file is left")
    good = os.path.join(world.space.path, "good")
    take(node, good)
    place = world.place(fleet, False)
    data, rng = bytearray(pathlib.Path(good).read_bytes()), random.Random(3)
    for _ in range(20):
        at = rng.randrange(len(data))
        data[at] ^= 1 << rng.randrange(8)
        bad = world.space.file("damaged", bytes(data), 0o600)
        data[at] = pathlib.Path(good).read_bytes()[at]
        done = place.cli("restore", "--from", bad, "--config", place.config, check=False)
        equal(done.returncode, 1)
        expect("the backup is damaged" in done.stderr or "not a backup" in done.stderr,
               done.stderr)
    expect(not os.path.exists(os.path.join(place.home, "stint.db")), "something was restored")
    other = world.space.file("other-test.key", os.urandom(32), 0o600)
    wrong = world.space.file("wrong.yaml", pathlib.Path(place.config).read_text().replace(
        fleet.root_key, other))
    done = place.cli("restore", "--from", good, "--config", wrong, check=False)
    equal(done.returncode, 1)
    contains(done.stderr, "sealed under another root key")
    expect(not os.path.exists(os.path.join(place.home, "stint.db")), "something was restored")
    place.cli("restore", "--from", good, "--config", place.config)
    world.space.stop(node.process)


def main():
    suite = Suite(sys.argv[1:])
    with Workspace("stint-backup-") as space:
        database = Postgres(space).init().start()
        world = World(space, database, Upstream())
        for test in (test_sqlite_to_sqlite, test_sqlite_to_postgres, test_postgres_to_sqlite,
                     test_killed_backups_look_unfinished, test_full_disk_and_damage):
            suite.run(test, world)
        if suite.failed:
            for log in sorted(pathlib.Path(space.path).glob("node-*.log")):
                print(f"--- {log.name}\n{log.read_text()[-2000:]}")
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
