"""Several `stint serve` on one PostgreSQL, as a balancer in front of them would show them; or one
on a file of its own."""

import glob
import json
import os
import signal
import time

import agent as agents
import identities
import operator_socket
import processes
from stint_server import ROOT, program

RESOURCES = """
issuer: idp
url: {idp}
audiences: [stint]
jwks_file: idp.jwks.json
---
group: approvers
---
human: alice@example.com
issuer: idp
subject: alice
---
agent: coder
owner: alice@example.com
trust:
  - kind: private_key_jwt
    jwks_file: coder.jwks.json
---
credential: up-password
source: file
path: password.test
---
upstream: up
kind: http
sensitivity: internal
url: http://127.0.0.1:{upstream}
inject: {{credential: up-password, as: header, name: X-Test-Key, format: "{{secret}}"}}
actions:
  - action: thing.read
    class: read
    match: "GET /r/{{id}}"
  - action: thing.write
    class: write
    match: "POST /w/{{id}}"
"""


class Node:
    """One process and its home. Frozen, killed and started again by the tests."""

    def __init__(self, fleet, number, control, gateway, operations, database_url=None):
        self.fleet, self.number = fleet, number
        self.control, self.gateway, self.operations = control, gateway, operations
        space = fleet.space
        self.home = space.dir(f"node-{number}")
        os.chmod(self.home, 0o700)
        self.config = space.file(f"node-{number}.yaml", f"""
server: {{issuer: "{fleet.issuer}", gateway: "{fleet.gateway}"}}
listen:
  control: 127.0.0.1:{control}
  gateway: 127.0.0.1:{gateway}
  operations: 127.0.0.1:{operations}
store: {self.store(database_url or fleet.database_url)}
root_key: {{path: {fleet.root_key}, create: {"true" if number == 0 else "false"}}}
limits: {{drain_timeout: 2s, contexts: 1}}
audit: {{checkpoint_every: 1s}}
{fleet.config}""")
        self.process = None
        self.log = f"node-{number}.log"
        self.program = program("stint", "STINT_BIN")  # the drill's nodes are of several versions
        self.environment = {"STINT_HOME": self.home}
        self.launcher = []  # what comes before the command, and where clients find it, if elsewhere
        self.address = "127.0.0.1"

    def store(self, url):
        return f'{{url: "{url}"}}' if url else f'{{path: "{os.path.join(self.home, "stint.db")}"}}'

    def launch(self):
        self.process = self.fleet.space.start(
            [*self.launcher, self.program, "serve", "--config", self.config], self.log,
            env=self.environment)

    def start(self, seconds=60):
        self.launch()
        processes.wait_until(f"node {self.number} is ready", lambda: self.ready() == 200,
                             seconds=seconds, process=self.process)
        return self

    def readyz(self):
        """(status, reason); (0, None) when nobody answers."""
        try:
            answer = self.fleet.http.get(f"http://{self.address}:{self.operations}/readyz",
                                         timeout=3)
            return answer.status_code, answer.json()["reason"]
        except OSError:
            return 0, None

    def ready(self):
        return self.readyz()[0]

    def stop(self):
        """As a service manager does it: what is under way ends within the drain."""
        self.fleet.space.stop(self.process)

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def freeze(self):
        """Returns once every thread stands still."""
        os.kill(self.process.pid, signal.SIGSTOP)
        processes.wait_until("the node stands still", self.frozen)

    def frozen(self):
        for stat in glob.glob(f"/proc/{self.process.pid}/task/*/stat"):
            with open(stat) as f:
                if f.read().rsplit(")", 1)[1].split()[0] != "T":
                    return False
        return True

    def thaw(self):
        os.kill(self.process.pid, signal.SIGCONT)

    @property
    def env(self):
        return {"STINT_HOME": self.home, "STINT_ADDR": ""}

    def get(self, path, timeout=30):
        return operator_socket.get(os.path.join(self.home, "operator.sock"), path, timeout)

    def cli(self, *words, seconds=60, check=True):
        done = self.fleet.space.run([program("stint", "STINT_BIN"), *words], env=self.env,
                                    seconds=seconds)
        if check and done.returncode != 0:
            raise RuntimeError(f"stint {' '.join(words)}: {done.stdout}{done.stderr}")
        return done


class Fleet:
    """Nodes that share a database ("": the one node has a file), an issuer and a root key. Its URLs are the balancer's, which
    these tests are themselves: a request names the node that it goes to."""

    def __init__(self, space, database_url, upstream, nodes=3, config=""):
        import requests
        self.space, self.database_url, self.config = space, database_url, config
        self.http = requests.Session()
        self.http.trust_env = False
        ports = processes.free_ports(2 + 3 * nodes)
        self.issuer = f"http://127.0.0.1:{ports[0]}"
        self.gateway = f"http://127.0.0.1:{ports[1]}"
        self.root_key = os.path.join(space.dir("node-0"), "root.key")
        self.idp = identities.Idp()
        self.agent_key = identities.new_key("test-coder")
        self.resources = space.dir("resources")
        for policy in glob.glob(os.path.join(ROOT, "policies", "*.cedar")):
            with open(policy) as f:
                space.file(f"resources/{os.path.basename(policy)}", f.read())
        space.file("resources/idp.jwks.json", self.idp.jwks())
        space.file("resources/coder.jwks.json", identities.jwks(self.agent_key))
        space.file("resources/password.test", "test-password-of-the-upstream", 0o600)
        space.file("resources/all.yaml", RESOURCES.format(idp=self.idp.url, upstream=upstream.port))
        self.nodes = [Node(self, i, *ports[2 + 3 * i:5 + 3 * i]) for i in range(nodes)]

    def start(self):
        self.nodes[0].start()
        self.nodes[0].cli("apply", "-f", self.resources, "--yes")
        for node in self.nodes[1:]:
            node.start()
        return self

    def well(self, seconds=60):
        """Returns once every node serves, and its store takes writes."""
        for node in self.nodes:
            processes.wait_until(f"node {node.number} is well", lambda n=node: n.ready() == 200,
                                 seconds=seconds, process=node.process)

    def add(self, database_url=None):
        """One more node, not started yet, that may reach the database by another way."""
        node = Node(self, len(self.nodes), *processes.free_ports(3), database_url)
        self.nodes.append(node)
        return node

    def agent(self, name="coder"):
        return FleetAgent(self, name)


class FleetAgent(agents.Agent):
    """An agent whose every request goes to a node of the caller's choice: `at(node)`."""

    def __init__(self, fleet, name):
        self.fleet, self.node = fleet, fleet.nodes[0]
        self.nonces = {}
        import requests
        from joserfc.jwk import ECKey
        self.name, self.key = name, fleet.agent_key
        self.dpop_key = ECKey.generate_key("P-256", private=True)
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.mount("http://", ToNode(self))
        self.metadata = {"issuer": fleet.issuer,
                         **{e + "_endpoint": f"{fleet.issuer}/oauth/{p}" for e, p in
                            (("token", "token"), ("revocation", "revoke"),
                             ("introspection", "introspect"))}}
        self.token = self.handle = self.task = self.nonce = None

    def at(self, node):
        self.node = node
        return self

    @property
    def resource(self):
        return f"{self.fleet.gateway}/u/up"


class ToNode:
    """Sends what is for the balancer to the agent's node, with the URL that was asked for."""

    def __init__(self, agent):
        from requests.adapters import HTTPAdapter
        self.agent, self.adapter = agent, HTTPAdapter(max_retries=0)

    def send(self, request, **options):
        fleet, node = self.agent.fleet, self.agent.node
        for public, port in ((fleet.issuer, node.control), (fleet.gateway, node.gateway)):
            if request.url.startswith(public):
                request.headers["Host"] = public.removeprefix("http://")
                request.url = f"http://{node.address}:{port}" + request.url[len(public):]
                break
        return self.adapter.send(request, **options)

    def close(self):
        self.adapter.close()


def events_of(fleet, node, name="log"):
    """The log, exported and verified by the other program; and the directory that it is in."""
    import exported_log
    directory = fleet.space.dir(f"{name}-{time.monotonic_ns()}")
    node.cli("log", "export", directory, seconds=300)
    key = fleet.space.file("log.vkey", node.cli("log", "key").stdout.strip())
    done = fleet.space.run([program("stint-verify", "STINT_VERIFY_BIN"), "log", directory, "--key",
                            f"@{key}"], seconds=300)
    if done.returncode != 0:
        raise RuntimeError(f"stint-verify: {done.stdout}{done.stderr}")
    return exported_log.read_events(directory), directory, json.dumps(done.stdout)
