"""A `stint serve` of one's own: home, configuration, resources, the command line at it."""

import datetime
import glob
import json
import os
import shutil
import sqlite3
import struct
import time

import agent as agents
import identities
import processes

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def program(name, variable):
    """A program of ours: where the variable says, or the release build."""
    path = os.environ.get(variable) or os.path.join(ROOT, "build", "release", "bin", name)
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"{path} is not there: make build, or set {variable}")
    return path


def suite_program(name):
    """What only suites run, built beside `stint`."""
    path = os.path.join(os.path.dirname(program("stint", "STINT_BIN")), name)
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"{path} is not there: build stint_suite_programs")
    return path


PEOPLE = """\
# Who there is: people as the company's login knows them.
issuer: demo-idp
url: {url}
audiences: [{audience}]
jwks_file: demo-idp.jwks.json
claims: {{email: email}}
max_age: 5m
---
group: approvers
description: may answer what policies ask
---
human: alice
issuer: demo-idp
subject: alice-4711
email: alice@example.com
---
human: bob
issuer: demo-idp
subject: bob-0815
email: bob@example.com
groups: [approvers]
"""

AGENT = """\
# What works for them, and the key by which it proves itself.
agent: {name}
owner: alice
description: {description}
trust:
  - {{kind: private_key_jwt, jwks_file: {name}.jwks.json}}
"""

GIT = """\
# The git server, and the password that only the gateway will know.
credential: git-password
source: file
path: secret/git-password
---
upstream: git
kind: git
url: {url}
sensitivity: internal
inject: {{credential: git-password, as: basic, username: {user}}}
"""


def block_events(count, body):
    """The texts of a block's events, by the layout in src/store/event_block.h."""
    at = 0
    for _ in range(count):
        size, _, kind, has_task = struct.unpack_from("<IqBB", body, at)
        at += struct.calcsize("<IqBB") + kind + 16 * has_task
        yield body[at:at + size]
        at += size
    assert at == len(body), "a block is longer than its events"


class StintServer:
    """Serves on free ports of 127.0.0.1 until its workspace closes.

    `binary` and `verifier` are the programs; `env` is what the command line needs to find it.
    """

    def __init__(self, space, config="", serve_env=None):
        self.space = space
        self.binary = program("stint", "STINT_BIN")
        self.verifier = program("stint-verify", "STINT_VERIFY_BIN")
        self.home = space.dir("stint")
        os.chmod(self.home, 0o700)
        self.config = space.file("stint.yaml", (
            'listen: {control: "127.0.0.1:0", gateway: "127.0.0.1:0", operations: "127.0.0.1:0"}\n'
            "audit: {checkpoint_every: 1s}\n"
            "limits: {drain_timeout: 2s}\n" + config))
        self.idp = identities.Idp()
        self.serve_env = serve_env or {}
        self.process = None
        self.start()

    def start(self):
        ports = os.path.join(self.home, "ports.json")
        if os.path.exists(ports):
            os.remove(ports)
        self.process = self.space.start([self.binary, "serve", "--config", self.config],
                                        "serve.log", {"STINT_HOME": self.home, **self.serve_env})
        try:
            processes.wait_until("ports.json", lambda: os.path.exists(ports), process=self.process)
        except Exception as error:
            raise RuntimeError(f"{error}\n{self.space.log('serve.log')}") from error
        with open(ports) as f:
            self.addresses = json.load(f)
        self.issuer, self.gateway = self.addresses["issuer"], self.addresses["gateway"]
        self.gateway_port = self.addresses["gateway_port"]
        self.control_port = self.addresses["control_port"]
        operations = self.addresses["operations_port"]
        processes.wait_until("the operations listener", lambda: processes.accepts(operations),
                             process=self.process)

    def stop(self):
        return self.space.stop(self.process)

    @property
    def env(self):
        return {"STINT_HOME": self.home, "STINT_ADDR": ""}

    @property
    def database(self):
        return os.path.join(self.home, "stint.db")

    # --- resources ---

    def write_resources(self, git, names=("coder",), extra="", verifiers=()):
        """Resource files as an operator would keep them in git; gives their directory.

        The agents in `verifiers` may follow the feed.
        """
        space = self.space
        space.file("resources/people.yaml",
                   PEOPLE.format(url=self.idp.url, audience=self.idp.audience))
        space.file("resources/demo-idp.jwks.json", self.idp.jwks())
        self.keys = {}
        for name in names:
            self.keys[name] = identities.new_key(f"{name}-test-1")
            space.file(f"resources/{name}.yaml", AGENT.format(
                name=name, description="fixes small things in git repositories")
                + ("edge_verifier: true\n" if name in verifiers else ""))
            space.file(f"resources/{name}.jwks.json", identities.jwks(self.keys[name]))
            space.file(f"keys/{name}.pem", identities.pem(self.keys[name]), 0o600)
        space.file("resources/git.yaml", GIT.format(url=git.url, user=git.user) + extra)
        space.file("resources/secret/git-password", git.password + "\n", 0o600)
        for policy in glob.glob(os.path.join(ROOT, "policies", "*.cedar")):
            shutil.copy(policy, os.path.join(space.dir("resources/policies"),
                                             os.path.basename(policy)))
        return os.path.join(space.path, "resources")

    def key_file(self, name):
        return os.path.join(self.space.path, "keys", name + ".pem")

    # --- the command line ---

    def cli(self, *arguments, env=None, check=True, seconds=60, input=None):
        done = self.space.run([self.binary, *arguments], env={**self.env, **(env or {})},
                              seconds=seconds, input=input)
        if check and done.returncode != 0:
            raise RuntimeError(f"stint {' '.join(arguments)} ended with {done.returncode}:\n"
                               f"{done.stdout}{done.stderr}")
        return done

    def json(self, *arguments, **options):
        return json.loads(self.cli(*arguments, "--json", **options).stdout)

    def id_token_file(self, subject):
        """A fresh ID token, as `stint login` would leave it."""
        names = {"alice-4711": "alice", "bob-0815": "bob"}
        token = self.idp.id_token(subject, email=f"{names.get(subject, 'nobody')}@example.com",
                                  email_verified=True)
        return self.space.file(f"id-tokens/{subject}", token + "\n", 0o600)

    alice, bob = "alice-4711", "bob-0815"

    def run_command(self, command, purpose="fix the typo in README", allow=(), agent="coder",
                    human="alice-4711", options=()):
        """The arguments of `stint run … -- command`."""
        who = (["--id-token-file", self.id_token_file(human)] if human else ["--autonomous"])
        return [self.binary, "run", "--task", purpose, "--agent", agent, "--agent-key",
                self.key_file(agent), *who, *[w for a in allow for w in ("--allow", a)],
                *options, "--", *command]

    def run(self, command, env=None, seconds=60, **options):
        """`stint run` to its end."""
        return self.space.run(self.run_command(command, **options), env={**self.env, **(env or {})},
                              seconds=seconds)

    def agent(self, name="coder"):
        """An agent with stock libraries, not with `stint run`."""
        return agents.Agent(name, self.keys[name], self.issuer)

    # --- the log ---

    def events(self, **members):
        """Events whose members are these, oldest first, from the database file itself."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10) as db:
            blocks = db.execute("SELECT count, body FROM event ORDER BY first").fetchall()
        db.close()
        every = [json.loads(text) for count, body in blocks for text in block_events(count, body)]
        return [e for e in every if all(e.get(k) == v for k, v in members.items())]

    def signals(self, since=0):
        return [e["name"] for e in self.events(kind="signal")[since:]]

    def quiet_signals(self):
        """How many there are, once the last is so old that the same is told again: a signal from
        one address about one task is written once a second."""
        every = self.events(kind="signal")
        if every:
            last = datetime.datetime.fromisoformat(every[-1]["time"].replace("Z", "+00:00"))
            time.sleep(max(0.0, last.timestamp() + 1.1 - time.time()))
        return len(self.signals())
