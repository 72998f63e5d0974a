"""Real clients of a fleet, each at a node of its own choosing, and what was acknowledged to them."""

import random
import secrets
import threading
import time
import uuid

import agent as agents

REQUESTS = 4  # of a task with a budget


class Acknowledged:
    """What the fleet has said yes to, and each yes that it must not have said."""

    def __init__(self):
        self.lock = threading.Lock()
        self.opened, self.closed, self.decisions = set(), {}, set()
        self.violations = []
        self.late = []  # seconds from an acknowledged end to the last permit of a read after it
        self.requests = self.refused = self.unanswered = 0
        self.tries = {}  # of things that may succeed once: what → successes

    def violation(self, what):
        with self.lock:
            self.violations.append(what)

    def count(self, response):
        with self.lock:
            self.requests += 1
            self.refused += response.status_code >= 400


class Client(threading.Thread):
    """Opens tasks, acts, ends them, and then tries what must not work any more, at every node."""

    def __init__(self, fleet, upstream, known, stop, seed):
        super().__init__(daemon=True)
        self.fleet, self.upstream, self.known, self.stopping = fleet, upstream, known, stop
        self.random = random.Random(seed)

    def run(self):
        while not self.stopping.is_set():
            try:
                self.one_task()
            except (OSError, agents.Refused, KeyError, ValueError):
                # A node is down, frozen or cut off: the balancer would try another.
                with self.known.lock:
                    self.known.unanswered += 1
                time.sleep(0.02)

    def node(self):
        return self.random.choice(self.fleet.nodes)

    def call(self, one, method, path):
        response = one.call(method, f"{one.resource}/{path}", data=b"x" if method == "POST" else None)
        self.known.count(response)
        return response

    def one_task(self):
        known, one = self.known, self.fleet.agent()
        budget = {"budget": {"requests": REQUESTS}} if self.random.random() < 0.3 else {}
        one.at(self.node()).open_task(
            "scale test", [agents.grant("up", ["thing.read", "thing.write"])],
            self.fleet.idp.id_token("alice"), resource=one.resource, **budget)
        with known.lock:
            known.opened.add(one.task)
        if budget:
            return self.spend(one)
        for _ in range(self.random.randrange(1, 4)):
            one.at(self.node())
            self.call(one, "GET", f"r/{uuid.uuid4().hex}")
            written = self.call(one, "POST", f"w/{uuid.uuid4().hex}")
            if written.status_code == 200:
                with known.lock:
                    known.decisions.add(written.headers["Stint-Decision"])
        if self.random.random() < 0.2:
            self.replay_assertion(one)
        if self.random.random() < 0.8:
            self.end(one)

    def spend(self, one):
        """A budget, spent at all nodes at once."""
        path = f"w/budget-{one.task}"

        def several(node):
            try:
                other = self.fleet.agent().at(node)
                other.token, other.dpop_key = one.token, one.dpop_key
                for _ in range(REQUESTS):
                    self.call(other, "POST", path)
            except OSError:
                pass

        threads = [threading.Thread(target=several, args=(n,)) for n in self.fleet.nodes]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        spent = self.upstream.seen.get(("POST", "/" + path), 0)
        with self.known.lock:
            self.known.tries[path] = spent
        if spent > REQUESTS:
            self.known.violation(f"S7: {spent} of {REQUESTS} requests of {one.task} were spent")

    def replay_assertion(self, one):
        """One client assertion at every node at once: one of them takes it."""
        assertion = one.assertion()
        taken = []

        def offer(node):
            other = self.fleet.agent().at(node)
            other.handle, other.dpop_key = one.handle, one.dpop_key
            other.assertion = lambda: assertion
            try:
                other.refresh()
                taken.append(node.number)
            except (OSError, agents.Refused):
                pass

        threads = [threading.Thread(target=offer, args=(n,)) for n in self.fleet.nodes]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        with self.known.lock:
            self.known.tries[f"assertion {secrets.token_hex(4)}"] = len(taken)
        if len(taken) > 1:
            self.known.violation(f"one assertion was taken by nodes {taken}")

    def write_in_vain(self, one, node):
        written = self.call(one, "POST", f"w/after-{one.task}")
        if written.status_code == 200:
            self.known.violation(f"S1: a write of the ended task {one.task} at {node.number}")

    def end(self, one):
        known = self.known
        one.at(self.node()).end()
        acknowledged = time.monotonic()
        with known.lock:
            known.closed[one.task] = one
        last = 0.0
        for node in self.random.sample(self.fleet.nodes, len(self.fleet.nodes)):
            one.at(node)
            try:
                if self.random.random() < 0.5:  # else the reads come first, as soon as they can
                    self.write_in_vain(one, node)
                while True:
                    begun = time.monotonic()
                    read = self.call(one, "GET", f"r/after-{one.task}")
                    if read.status_code != 200:
                        break
                    last = max(last, begun - acknowledged)
                    if last > 2.5:
                        known.violation(f"S2: a read {last:.2f} s after the end of {one.task}")
                        break
                self.write_in_vain(one, node)
            except OSError:
                continue
            try:
                one.refresh()
                known.violation(f"S1: a token for the ended task {one.task} at {node.number}")
            except (OSError, agents.Refused):
                pass
        with known.lock:
            known.late.append(last)
