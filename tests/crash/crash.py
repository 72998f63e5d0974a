"""Promises S1, S3 and S4 over the real binary: killed with SIGKILL at random moments under load.

After each restart: everything acknowledged is there, every closed task is closed and its token
refused, every write that the upstream saw has its permit in the log, and the exported log verifies
offline and extends the one exported before the crash.
"""

import json
import os
import pathlib
import random
import signal
import sys
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import agent as agents  # noqa: E402
import identities  # noqa: E402
import operator_socket  # noqa: E402
from exported_log import read_events  # noqa: E402
from fleet import RESOURCES  # noqa: E402
from processes import Workspace, wait_until  # noqa: E402
from suite import Suite, equal, expect  # noqa: E402
from upstream import Upstream  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
STINT = os.environ.get("STINT_BIN", str(ROOT / "build/release/bin/stint"))
VERIFY = os.environ.get("STINT_VERIFY_BIN", str(ROOT / "build/release/bin/stint-verify"))
ROUNDS = int(os.environ.get("STINT_CRASH_ROUNDS", "10"))
WORKERS = 4


class Server:
    """One state directory, through all its lives."""

    def __init__(self, space, upstream):
        self.space, self.process = space, None
        self.home = space.dir("state")
        os.chmod(self.home, 0o700)
        self.idp = identities.Idp()
        self.agent_key = identities.new_key("test-coder")
        for policy in (ROOT / "policies").glob("*.cedar"):
            space.file(f"resources/{policy.name}", policy.read_text())
        space.file("resources/idp.jwks.json", self.idp.jwks())
        space.file("resources/coder.jwks.json", identities.jwks(self.agent_key))
        space.file("resources/password.test", "test-password-of-the-upstream", 0o600)
        space.file("resources/all.yaml",
                   RESOURCES.format(idp=self.idp.url, upstream=upstream.port))
        self.config = space.file("stint.yaml", f"""
listen:
  control: 127.0.0.1:0
  gateway: 127.0.0.1:0
  operations: 127.0.0.1:0
store:
  path: {self.home}/stint.db
""")
        self.env = {"STINT_HOME": self.home}

    def start(self):
        ports = os.path.join(self.home, "ports.json")
        if os.path.exists(ports):
            os.remove(ports)
        self.process = self.space.start([STINT, "serve", "--config", self.config], "serve.log",
                                        env=self.env)
        wait_until("ports.json", lambda: os.path.exists(ports) and os.path.getsize(ports) > 0,
                   seconds=60, process=self.process)
        with open(ports) as f:
            addresses = json.load(f)
        self.issuer, self.gateway = addresses["issuer"], addresses["gateway"]
        self.socket = addresses.get("socket") or os.path.join(self.home, "operator.sock")
        wait_until("the API answers", lambda: self.get("/v1/whoami")[0] == 200, seconds=60,
                   process=self.process)

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def get(self, path):
        return operator_socket.get(self.socket, path)

    def cli(self, *words, **options):
        return self.space.run([STINT, *words], env=self.env, **options)


class Acknowledged:
    """What the server has said yes to. Filled by the workers, read after the crash."""

    def __init__(self):
        self.lock = threading.Lock()
        self.opened, self.closed, self.decisions = set(), {}, set()


def work(server, known, stop):
    """Opens tasks, acts, ends half of them, until the server is gone."""
    while not stop.is_set():
        try:
            one = agents.Agent("coder", server.agent_key, server.issuer)
            resource = f"{server.gateway}/u/up"
            one.open_task("crash test", [agents.grant("up", ["thing.read", "thing.write"])],
                          server.idp.id_token("alice"), resource=resource)
            with known.lock:
                known.opened.add(one.task)
            for _ in range(3):
                name = uuid.uuid4().hex
                one.call("GET", f"{resource}/r/{name}")
                written = one.call("POST", f"{resource}/w/{name}", data=b"x")
                if written.status_code == 200:
                    with known.lock:
                        known.decisions.add(written.headers["Stint-Decision"])
            if random.random() < 0.5:
                one.end()
                with known.lock:
                    known.closed[one.task] = one
        except Exception:  # the server dies under us: that is what this is about
            if not stop.is_set():
                time.sleep(0.01)


def check_after(server, known, upstream, previous, number):
    for task in known.opened:
        status, body = server.get(f"/v1/tasks/{task}")
        equal(status, 200, f"acknowledged task {task}")
        if task in known.closed:
            equal(body["state"], "closed", f"acknowledged end of {task}")

    export = server.space.dir(f"log-{number}")
    done = server.cli("log", "export", export, seconds=120)
    equal(done.returncode, 0, f"log export: {done.stderr}")
    key = server.space.file("log.vkey", server.cli("log", "key").stdout.strip())
    command = [VERIFY, "log", export, "--key", f"@{key}"]
    if previous:
        command += ["--old-checkpoint", os.path.join(previous, "checkpoint")]
    verified = server.space.run(command, seconds=300)
    equal(verified.returncode, 0, f"stint-verify: {verified.stdout}{verified.stderr}")

    events = read_events(export)
    permits = [e for e in events if e["kind"] == "decision" and e["verdict"] == "permit"]
    logged = {e["decision"] for e in permits}
    missing = known.decisions - logged
    expect(not missing, f"{len(missing)} acknowledged decisions are not in the log")
    intents = {e["target"] for e in permits}
    unseen = {path for method, path in upstream.seen if method == "POST"} - intents
    expect(not unseen, f"the upstream saw {len(unseen)} writes that the log does not have")

    # Whoever still holds the token of a closed task gets nothing, also from the new process.
    sample = random.sample(sorted(known.closed), min(5, len(known.closed)))
    for task in sample:
        one = known.closed[task]
        name = uuid.uuid4().hex
        url = f"{server.gateway}/u/up/r/{name}"
        one.learn_nonce(url)
        equal(one.call("GET", url).status_code, 401, f"token of the closed task {task}")
        expect(("GET", f"/r/{name}") not in upstream.seen, "the upstream saw a closed task")
    return export


def test_killed_under_load(space):
    upstream = Upstream()
    server = Server(space, upstream)
    server.start()
    applied = server.cli("apply", "-f", os.path.join(space.path, "resources"), "--yes")
    equal(applied.returncode, 0, f"apply: {applied.stderr}")
    known, previous = Acknowledged(), None
    for number in range(1, ROUNDS + 1):
        stop = threading.Event()
        workers = [threading.Thread(target=work, args=(server, known, stop), daemon=True)
                   for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        time.sleep(random.uniform(0.3, 1.5))
        server.kill()
        stop.set()
        for worker in workers:
            worker.join(60)
            expect(not worker.is_alive(), "a worker hangs")
        server.start()
        previous = check_after(server, known, upstream, previous, number)
        print(f"     round {number}: {len(known.opened)} tasks opened, {len(known.closed)} ended, "
              f"{len(known.decisions)} writes acknowledged, nothing missing")
        sys.stdout.flush()
    expect(len(known.opened) > ROUNDS, "the load did nothing")
    expect(known.closed and known.decisions, "nothing was ended, or nothing was written")


def main():
    suite = Suite(sys.argv[1:])
    with Workspace("stint-crash-") as space:
        suite.run(test_killed_under_load, space)
        if suite.failed:
            print(space.log("serve.log")[-4000:])
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
