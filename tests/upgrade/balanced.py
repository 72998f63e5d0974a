"""Clients behind a balancer: what they ask for is theirs to have, so no refusal is right."""

import threading

import agent as agents
from load import Client


class Balancer:
    """Which nodes are in service. `stay`: how often one was taken out, by node."""

    def __init__(self, fleet):
        self.lock = threading.Lock()
        self.serving = list(fleet.nodes)
        self.stay = {node: 0 for node in fleet.nodes}

    def out(self, node):
        with self.lock:
            self.stay[node] += 1
            self.serving = [n for n in self.serving if n is not node]

    def back(self, node):
        with self.lock:
            if node not in self.serving:
                self.serving = [*self.serving, node]

    def pick(self, choose):
        with self.lock:
            node = choose(self.serving)
            return node, self.stay[node]

    def left(self, node, stay):
        with self.lock:
            return self.stay[node] != stay


class Balanced(Client):
    """Load as in tests/scale, at nodes in service alone. A request that met a node while it was
    taken out goes to another one; any other refusal is a violation, but for a 503: a machine that
    is busy with other things may starve a node (S6), so the few there may be are counted."""

    def __init__(self, fleet, upstream, known, stop, seed, balancer):
        super().__init__(fleet, upstream, known, stop, seed)
        self.balancer, self.at = balancer, None
        known.retried, known.unready = getattr(known, "retried", 0), getattr(known, "unready", 0)

    def node(self):
        self.at = self.balancer.pick(self.random.choice)
        return self.at[0]

    def run(self):
        while not self.stopping.is_set():
            try:
                self.one_task()
            except agents.Refused as refused:
                self.turned_away(repr(refused), refused.status)
            except (OSError, KeyError, ValueError) as error:
                self.turned_away(repr(error))

    def turned_away(self, what, status=0):
        if self.balancer.left(*self.at):
            with self.known.lock:
                self.known.retried += 1
        elif status == 503:
            with self.known.lock:
                self.known.unready += 1
            self.stopping.wait(0.2)
        else:
            self.known.violation(f"refused wrongly at node {self.at[0].number}: {what}")

    def call(self, one, method, path):
        response = super().call(one, method, path)
        if response.status_code != 200 and not ("after-" in path or "budget-" in path):
            self.turned_away(f"{method} {response.status_code} {response.text[:200]}",
                             response.status_code)
        return response
