"""What several nodes owe each other, one promise at a time."""

import json
import os
import pathlib
import threading
import time

import agent as agents
import namespace
from clocks import DIFFER
from fleet import Fleet, events_of
from postgres import Postgres
from processes import wait_until
from suite import Skip, contains, equal, expect
from upstream import Upstream

STALE = "the view of live tasks is stale"
GRANTS = [agents.grant("up", ["thing.read", "thing.write"])]


def opened(fleet, node=0, **task):
    one = fleet.agent()
    one.at(fleet.nodes[node]).open_task("nodes test", GRANTS, fleet.idp.id_token("alice"),
                                        resource=one.resource, **task)
    return one


def read(one, node, name="1", **options):
    return one.at(node).call("GET", f"{one.resource}/r/{name}", **options)


def test_a_captured_proof_is_spent_at_one_node(fleet, upstream):
    one = opened(fleet)
    url = f"{one.resource}/r/{one.task}"
    one.at(fleet.nodes[0]).learn_nonce(url)
    proof = one.proof("GET", url)
    equal(one.call("GET", url, proof=proof).status_code, 200)
    for node in fleet.nodes[1:]:
        refused = one.at(node).call("GET", url, proof=proof)
        equal(refused.status_code, 401, f"the proof at node {node.number}")
        expect("use_dpop_nonce" in refused.headers["WWW-Authenticate"],
               refused.headers["WWW-Authenticate"])
    again = one.at(fleet.nodes[0]).call("GET", url, proof=proof)
    equal((again.status_code, again.json()["detail"]), (401, "proof replayed"))
    equal(upstream.seen[("GET", f"/r/{one.task}")], 1, "what the upstream saw")


def test_an_assertion_counts_once_everywhere(fleet, _):
    one = opened(fleet)
    assertion = one.assertion()
    one.assertion = lambda: assertion
    answers = []
    for node in fleet.nodes:
        try:
            one.at(node).introspect(one.token)
            answers.append(200)
        except agents.Refused as refused:
            answers.append(refused.status)
    equal(answers, [200, 401, 401], "one assertion at three introspection endpoints")


def test_an_exclusive_reference_is_bound_once(fleet, _):
    won, lost = [], []

    def compete(node):
        one = fleet.agent().at(node)
        try:
            one.open_task("exclusive", [{**GRANTS[0], "exclusive": True}],
                          fleet.idp.id_token("alice"), resource=one.resource, reference="OPS-1")
            won.append(node.number)
        except agents.Refused as refused:
            lost.append(refused.body)

    threads = [threading.Thread(target=compete, args=(n,)) for n in fleet.nodes]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal((len(won), len(lost)), (1, len(fleet.nodes) - 1), f"who got the reference: {lost}")


def test_a_frozen_node_does_not_act_on_its_old_view(fleet, upstream):
    one, node = opened(fleet), fleet.nodes[2]
    equal(read(one, node).status_code, 200)
    node.freeze()
    answers = []
    url = f"{one.resource}/r/frozen-{one.task}"
    proof = one.proof("GET", url)  # node 2's nonce: it would be good

    def ask():
        answers.append(one.at(node).call("GET", url, proof=proof).status_code)

    asking = threading.Thread(target=ask)
    asking.start()  # lies in the frozen node's socket
    try:
        other = fleet.agent().at(fleet.nodes[0])
        other.handle, other.dpop_key = one.handle, one.dpop_key
        other.end()
        time.sleep(3.0)  # longer than feed.max_age
    finally:
        node.thaw()
    asking.join(30)
    expect(answers and answers[0] in (401, 503), f"the frozen node answered {answers}")
    expect(("GET", f"/r/frozen-{one.task}") not in upstream.seen, "the upstream saw it")
    wait_until("node 2 is well", lambda: node.ready() == 200)


def test_a_node_whose_clock_steps_away_denies(fleet, upstream, clocks):
    node, other = fleet.nodes[1], fleet.nodes[0]
    for ahead in (-60, 60, -300, 300):
        one = opened(fleet)
        equal(read(one, node).status_code, 200, "before the step")
        clocks[node].step(ahead)
        began = time.monotonic()
        wait_until("the node denies", lambda n=node: n.readyz() == (503, DIFFER), seconds=5)
        took = time.monotonic() - began
        # Proofs that its own clock finds fresh: they are not in the way.
        name = f"stepped-{ahead}-{one.task}"
        one.at(node).learn_nonce(f"{one.resource}/r/{name}")
        for method, path in (("GET", "r"), ("POST", "w")):
            url = f"{one.resource}/{path}/{name}"
            refused = one.call(method, url, proof=one.proof(
                method, url, iat=int(time.time() + ahead)))
            answer = refused.status_code, refused.json()["detail"]
            if ahead == 60:  # further off, or before its time, the token is refused first
                expect(answer in ((503, DIFFER), (503, STALE)), f"{method}: {answer}")
            expect(refused.status_code in (401, 503), f"{method}: {answer}")
        expect(not any(name in path for _, path in upstream.seen), "the upstream saw it")
        equal(read(one, other, name).status_code, 200, "another node, meanwhile")
        clocks[node].step(0)
        wait_until("the node is well again", lambda n=node: n.ready() == 200)
        equal(read(one, node, f"back-{one.task}").status_code, 200, "after the step back")
        print(f"     clock {ahead:+} s: denies after {took * 1000:.0f} ms, well again when it is back")
    # Within what may be: nothing is refused that another node would permit.
    for ahead in (-20, 20):
        clocks[node].step(ahead)
        one = opened(fleet, node.number)
        answer = read(one, other)
        equal(answer.status_code, 200, f"what a node {ahead:+} s ahead signed: {answer.text}")
        clocks[node].step(0)


def test_leases_are_taken_over(fleet, database):
    def leases():
        rows = database.sql("SELECT name || ' ' || fence FROM lease ORDER BY name").split("\n")
        return dict(r.split() for r in rows)

    before = leases()
    fleet.nodes[0].kill()  # the first that came holds both, unless it lost them meanwhile
    fleet.nodes[1].kill()
    began = time.monotonic()
    fleet.nodes[0].start()
    fleet.nodes[1].start()
    wait_until("both leases have another holder or the same one still",
               lambda: all(leases()[n] >= before[n] for n in before))
    size = int(database.sql("SELECT size FROM log_head"))
    wait_until("somebody signs", lambda: int(
        database.sql("SELECT coalesce(max(size), 0) FROM checkpoint")) >= size, seconds=20)
    taken = time.monotonic() - began
    print(f"     two of three nodes killed: checkpoints go on after {taken:.1f} s")
    expect(taken < 15, f"take-over took {taken:.1f} s")


def test_a_node_that_is_cut_off_refuses(space, fleet, database, upstream):
    if not namespace.possible():
        raise Skip("network namespaces need root")
    there = namespace.Namespace(space, ["database", "clients"])
    try:
        certificate(space, there.near["database"])
        url = reach_by_tls(space, fleet, database, there)
        node = fleet.add(url)
        node.launcher, node.address = there.launcher, there.far["clients"]
        there.offer("clients", node.control, node.gateway, node.operations)
        there.lend("clients", upstream.port)
        node.start()
        one = opened(fleet)
        answer = read(one, node)
        equal(answer.status_code, 200, f"before the cut: {answer.text}")
        there.cut("database")
        began = time.monotonic()
        one.at(fleet.nodes[0]).end()
        last = 0.0
        while True:
            at = time.monotonic() - began
            answer = read(one, node, f"cut-{one.task}")
            if answer.status_code != 200:
                break
            last = at
            expect(last < 3.0, "a node that lost the feed still permits after 3 s")
        equal((answer.status_code, answer.json()["detail"]),
              (503, STALE))
        equal(node.ready(), 503, "/readyz of the node that is cut off")
        print(f"     cut off: last read permitted after {last * 1000:.0f} ms")
        there.mend("database")
        wait_until("the node follows again", lambda: node.ready() == 200, seconds=60)
        answer = read(one, node, f"mended-{one.task}")
        equal((answer.status_code, answer.json()["detail"]), (401, "the task is closed"))
        space.stop(node.process)
        fleet.nodes.remove(node)
    finally:
        there.close()


def certificate(space, address):
    space.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-days", "2", "-subj", "/CN=test-database", "-addext",
               f"subjectAltName=IP:{address}", "-keyout", f"{space.path}/server-test.key", "-out",
               f"{space.path}/server-test.crt"], check=True)


def reach_by_tls(space, fleet, database, there):
    """The database listens on the cable too, with TLS; gives the URL for the other end."""
    import pwd
    for name in ("server-test.key", "server-test.crt"):
        target = os.path.join(database.directory, name)
        with open(os.path.join(space.path, name), "rb") as source, open(target, "wb") as out:
            out.write(source.read())
        os.chmod(target, 0o600)
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(target, user.pw_uid, user.pw_gid)
    with open(os.path.join(database.data, "pg_hba.conf"), "a") as rules:
        rules.write("hostssl all all 169.254.0.0/16 trust\n")
    database.settings = ["ssl=on", f"ssl_cert_file={database.directory}/server-test.crt",
                         f"ssl_key_file={database.directory}/server-test.key"]
    address = there.near["database"]
    database.address = address
    database.kill()
    database.start()
    fleet.well()
    return (f"postgres://stint@{address}:{database.port or 5432}/stint?sslmode=verify-full"
            f"&sslrootcert={space.path}/server-test.crt")


def test_the_root_key_changes_when_nobody_serves(space, fleet):
    one, newer = opened(fleet), {}
    key = space.file("newer-test.key", os.urandom(32), 0o600)
    for node in fleet.nodes:
        newer[node] = space.file(f"newer-{node.number}.yaml", pathlib.Path(node.config).read_text()
                                 .replace(fleet.root_key, key))

    def rewrap(node):
        return node.cli("keys", "rewrap", "--config", node.config, "--new-config", newer[node],
                        "--yes", "--json", check=False)
    first, second, third = fleet.nodes
    first.kill()
    second.kill()
    third.freeze()
    # It serves nobody, and would go on with the old key.
    refused = rewrap(first)
    equal(refused.returncode, 75, refused.stderr)
    contains(refused.stdout, "another process has the database open")
    third.thaw()
    wait_until("it serves on", lambda: read(one, third).status_code == 200)
    third.kill()
    done = rewrap(first)
    equal(done.returncode, 0, done.stdout + done.stderr)
    equal(json.loads(done.stdout)["credentials"], 1)

    first.launch()
    equal(first.process.wait(60), 1, "with the old root key")
    contains(space.log(first.log), "sealed under another root key")
    for node in fleet.nodes:
        node.config = newer[node]
        node.start()
    for node in fleet.nodes:
        equal(read(one, node).status_code, 200)
    again = rewrap(first)
    equal(again.returncode, 75, again.stderr)


def test_the_database_fails_over(space):
    """To a standby that had all that was acknowledged, as synchronous replication promises."""
    import processes
    ports = processes.free_ports(2)
    first = Postgres(space, "primary", port=ports[0]).init().start()
    first.sql("CREATE DATABASE stint", "postgres")
    second = Postgres(space, "standby", port=ports[1]).copy_of(first).start()
    first.sql("ALTER SYSTEM SET synchronous_standby_names = '*'", "postgres")
    first.sql("SELECT pg_reload_conf()", "postgres")
    wait_until("replication is synchronous", lambda: first.sql(
        "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'", "postgres") == "1")
    hosts = ",".join(p.directory.replace("/", "%2F") + f":{p.port}" for p in (first, second))
    upstream = Upstream()
    inner = space.dir("failover")
    fleet = Fleet(Sub(space, inner), f"postgres://stint@{hosts}/stint", upstream).start()
    before = [opened(fleet, i) for i in (0, 1, 2)]
    before[1].at(fleet.nodes[1]).end()
    first.kill()
    second.promote()
    # It was standby to nobody, and is asked for one.
    second.sql("ALTER SYSTEM RESET synchronous_standby_names", "postgres")
    second.sql("SELECT pg_reload_conf()", "postgres")
    for node in fleet.nodes:
        wait_until(f"node {node.number} works with the other server",
                   lambda n=node: n.ready() == 200, seconds=60, process=node.process)
        equal(read(before[0], node).status_code, 200, "a task of before")
        closed = read(before[1], node)
        equal((closed.status_code, closed.json()["detail"]), (401, "the task is closed"))
    opened(fleet, 1)
    size = int(second.sql("SELECT size FROM log_head"))
    wait_until("a checkpoint of all of it", lambda: size <= int(
        second.sql("SELECT coalesce(max(size), 0) FROM checkpoint")), seconds=60)
    events, _, _ = events_of(fleet, fleet.nodes[2], "failover-log")
    equal(len([e for e in events if e["kind"] == "task.opened"]), 4)
    for node in fleet.nodes:
        space.stop(node.process)
    second.kill()


class Sub:
    """A part of a workspace that has its own names."""

    def __init__(self, space, path):
        self.space, self.path = space, path

    def file(self, name, *rest):
        return self.space.file(os.path.join(self.path, name), *rest)

    def dir(self, name):
        return self.space.dir(os.path.join(self.path, name))

    def start(self, argv, log, **options):
        return self.space.start(argv, os.path.join(self.path, log), **options)

    def __getattr__(self, name):
        return getattr(self.space, name)
