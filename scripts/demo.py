"""The demonstration: one task, from open to dead, on a real git server.

Every line that it prints is what just happened; a step that went otherwise says so, and the whole
ends with 1. With ONCE=1 it plays and exits; without, it stays up for trying things.
"""

import base64
import json
import os
import shlex
import shutil
import signal
import sys
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))

import agent as agents  # noqa: E402
import git_server  # noqa: E402
import processes  # noqa: E402
import raw_http  # noqa: E402
import stint_server  # noqa: E402
from joserfc.jwk import ECKey  # noqa: E402

COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ
WIDTH = 240
README = "# Readme\n\nThis is teh readme of the demonstration.\n"


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


class NotAsTold(Exception):
    """A step did not happen as it should."""


def must(condition, what):
    if not condition:
        raise NotAsTold(what)


def say(text=""):
    print(f"    {text}" if text else "", flush=True)


def quote(text, limit=16):
    """What a program said, as it said it; what is very long is cut."""
    for line in text.strip().splitlines()[:limit]:
        line = " ".join(line.split()) if len(line) > WIDTH else line.rstrip()
        print(paint("2", f"    | {line if len(line) <= WIDTH else line[:WIDTH - 1] + '…'}"),
              flush=True)


def did(what, seconds=None):
    took = "" if seconds is None else paint("2", f" ({seconds * 1000:.0f} ms)")
    print(f"  {paint('32', 'ok')} {what}{took}", flush=True)


class Timed:
    """with Timed() as t: …; t.seconds"""

    def __enter__(self):
        self.start = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self.start


def as_text(path):
    with open(path, "rb") as f:
        return f.read()


class Demo:
    def __init__(self, space):
        self.space = space
        with Timed() as t:
            self.git = git_server.GitServer(space)
            for name in ("demo/readme.git", "demo/other.git"):
                self.git.create(name, {"README.md": README}, ["old-idea"])
        did(f"a git server of its own at {self.git.url}, behind a password", t.seconds)
        with Timed() as t:
            self.stint = stint_server.StintServer(space)
        did(f"stint serve: control {self.stint.issuer}, gateway {self.stint.gateway}", t.seconds)
        self.step = 0

    def title(self, text):
        now = time.perf_counter()
        if self.step:
            say(paint("2", f"step {self.step} took {now - self.since:.2f} s"))
        self.step, self.since = self.step + 1, now
        print(f"\n{paint('1', f'({self.step}) {text}')}", flush=True)

    def play(self):
        for part in (self.resources, self.task_and_push, self.approval, self.theft, self.end,
                     self.proof):
            part()
        say(paint("2", f"step {self.step} took {time.perf_counter() - self.since:.2f} s"))

    # (1)
    def resources(self):
        self.title("Resources are applied; the server's password is sealed")
        directory = self.stint.write_resources(self.git)
        with Timed() as t:
            done = self.stint.cli("apply", "-f", directory, "--yes")
        quote(done.stdout + done.stderr)
        did("stint apply, one transaction", t.seconds)
        shutil.rmtree(os.path.join(directory, "secret"))
        password = self.git.password.encode()
        wanted = (password, base64.b64encode(password),
                  base64.b64encode(f"{self.git.user}:{self.git.password}".encode()))
        files, found = 0, 0
        for folder, _, names in os.walk(self.stint.home):
            for name in names:
                path = os.path.join(folder, name)
                if not os.path.isfile(path):
                    continue  # the operator's socket
                content = as_text(path)
                files += 1
                found += sum(content.count(w) for w in wanted)
        must(files > 1 and found == 0, f"the password is {found} times in {self.stint.home}")
        did(f"the password in the database and {files - 1} files beside it: found {found} times")

    # (2) and (3)
    def task_and_push(self):
        self.title("alice's ID token and coder's own key open a task for one repository")
        allow = ["git:git.fetch=demo/readme.git", "git:git.push=demo/readme.git"]
        out = self.space.dir("seen")
        script = self.space.file("work.sh", f"""\
set -eu
env | sort > {out}/environment
cat /proc/self/environ /proc/$PPID/environ >> {out}/environment 2> /dev/null || true
git clone -q {self.git.url}/demo/readme.git {self.space.path}/readme
cd {self.space.path}/readme
git config user.name coder
git config user.email coder@agents.example.com
sed -i 's/teh/the/' README.md
git commit -q -a -m 'Fix a typo'
git push -q origin main
date +%s%N > {out}/pushed
if git clone -q {self.git.url}/demo/other.git {self.space.path}/other 2> {out}/other
then echo passed > {out}/other-passed; fi
""")
        command = self.stint.run_command(["sh", script], allow=allow)
        say("stint run --task 'fix the typo in README' --agent coder --agent-key coder.pem \\")
        say(f"  --id-token-file alice {' '.join('--allow ' + a for a in allow)} \\")
        say("  -- sh work.sh        # git clone, git commit, git push, git clone another")
        before = self.git.git("demo/readme.git", "rev-parse", "main")
        with Timed() as t:
            done = self.space.run(command, env=self.stint.env, seconds=60)
        must(done.returncode == 0, f"stint run ended with {done.returncode}: {done.stderr}")
        opened = self.stint.events(kind="task.opened")[-1]
        say(f"{opened['task']}: agent {opened['agent']} for {opened['human']}, "
            f"until {opened['deadline'][11:19]} at the latest")
        must((opened["agent"], opened["human"]) == ("coder", "alice"), "the task is not alice's")
        did("task opened, worked in, ended with its child", t.seconds)

        self.title("git worked as coder for alice, and its environment holds no secret")
        after = self.git.git("demo/readme.git", "rev-parse", "main")
        text = self.git.git("demo/readme.git", "show", "main:README.md")
        must(after != before and "the readme" in text and "teh" not in text, "nothing was pushed")
        quote(self.git.git("demo/readme.git", "log", "--format=%h %an: %s", "main"))
        did("clone, commit and push arrived at the server")
        environment = as_text(f"{out}/environment")
        for part in environment.decode(errors="replace").splitlines():
            if part.startswith("STINT_"):
                quote(part)
        secrets = {"the password": self.git.password.encode(), "a JWT": b"eyJ",
                   "a handle": b"stint_", "a private key": b"PRIVATE KEY"}
        for what, pattern in secrets.items():
            must(pattern not in environment, f"the child's environment holds {what}")
        did(f"the child's environment searched for {', '.join(secrets)}: nothing")
        refused = as_text(f"{out}/other").decode()
        must(not os.path.exists(f"{out}/other-passed") and "enied" in refused,
             f"the other repository was not refused: {refused}")
        quote(refused)
        must(not any("/demo/other.git" in r for r in self.git.requests()),
             "the git server was asked for the other repository")
        did("the second repository: refused, and the git server was not even asked")

    # (4)
    def approval(self):
        self.title("Deleting a branch is held until a person says yes, and passes once")
        flags = self.space.dir("held")
        script = self.space.file("delete.sh", f"""\
attempt() {{
  git push --delete origin old-idea > {flags}/$1.out 2>&1
  echo $? > {flags}/$1.tmp; mv {flags}/$1.tmp {flags}/$1
}}
git clone -q {self.git.url}/demo/readme.git {self.space.path}/tidy || exit 9
cd {self.space.path}/tidy
before=$(git rev-parse origin/old-idea)
attempt first
until [ -e {flags}/approved ]; do sleep 0.02; done
attempt second
git push -q origin $before:refs/heads/old-idea || exit 8
attempt third
""")
        actions = "git:git.fetch,git.push,git.ref.delete=demo/readme.git"
        command = self.stint.run_command(["sh", script], allow=[actions],
                                         purpose="remove branches that nobody needs")
        say(f"stint run --task 'remove branches that nobody needs' … --allow {actions} -- …")
        child = self.space.start(command, "delete.log", self.stint.env)

        def result(name):
            path = os.path.join(flags, name)
            processes.wait_until(f"attempt {name}", lambda: os.path.exists(path), 60,
                                 process=child if name != "third" else None)
            return int(as_text(path)), as_text(path + ".out").decode()

        with Timed() as t:
            status, words = result("first")
        quote(words)
        must(status != 0 and "approval required" in words, "the deletion was not held")
        must("old-idea" in self.git.branches("demo/readme.git"), "the branch is gone")
        did("git push --delete old-idea: held, the branch is still there", t.seconds)

        say("bob, a member of approvers, asks: stint approvals")
        bob = ["--id-token-file", self.stint.id_token_file(self.stint.bob)]
        listed = self.stint.cli("approvals", *bob)
        quote(listed.stdout)
        must("old-idea" in listed.stdout and "alice" in listed.stdout,
             "the approval does not say what is asked and for whom")
        asked = self.stint.events(kind="approval.requested")[-1]["approval"]
        say(f"and answers, with his own ID token: stint approve {asked}")
        with Timed() as t:
            given = self.stint.cli("approve", asked, "--yes", *bob)
        quote(given.stdout + given.stderr)
        did("approved, from another process", t.seconds)

        with Timed() as t:
            self.space.file("held/approved")
            status, words = result("second")
        quote(words)
        must(status == 0, f"the approved deletion was refused: {words}")
        did("the same git push again: passed, the branch is gone", t.seconds)
        with Timed() as t:
            status, words = result("third")
        must(status != 0 and "approval required" in words, "the second deletion was not held")
        must("old-idea" in self.git.branches("demo/readme.git"), "the branch is gone again")
        quote(words, 6)
        did("the branch made again as it was, the same git push once more: held again", t.seconds)
        must(child.wait(30) in (0, 1), "stint run did not end with its child")

    # (5)
    def theft(self):
        self.title("The access token is stolen, and replayed three ways")
        me = self.me = self.stint.agent()
        with Timed() as t:
            me.open_task("read the README once more",
                         [agents.grant("git", ["git.fetch"], ["demo/readme.git"])],
                         self.stint.idp.id_token(self.stint.alice))
        did(f"an agent of joserfc and requests opened {me.task}", t.seconds)
        url = self.url = (f"{self.stint.gateway}/u/git/demo/readme.git/info/refs"
                          "?service=git-upload-pack")
        me.learn_nonce(url)
        proof = me.proof("GET", url)
        with Timed() as t:
            response = me.call("GET", url, proof=proof)
        must(response.status_code == 200, f"its own call: {response.status_code} {response.text}")
        did("with its own key it reads: 200, and the git server saw one request", t.seconds)
        say(f"stolen: {me.token[:30]}… ({len(me.token)} characters), and the proof just used")

        thief = me.http.__class__()
        thief.trust_env = False
        other_key = ECKey.generate_key("P-256", private=True)
        seen, known = len(self.git.requests()), len(self.stint.signals())
        attempts = [
            ("without a key, as Bearer", {"Authorization": f"Bearer {me.token}"}),
            ("with a proof of another key", {
                "Authorization": f"DPoP {me.token}",
                "DPoP": me.proof("GET", url, key=other_key)}),
            ("with the captured proof, a second time", {
                "Authorization": f"DPoP {me.token}", "DPoP": proof})]
        for what, headers in attempts:
            with Timed() as t:
                answer = thief.get(url, headers=headers, timeout=10)
            must(answer.status_code == 401, f"{what}: {answer.status_code}")
            problem = answer.json()
            did(f"{what}: 401, {problem['title']}: {problem['reason']}", t.seconds)
        signals = processes.wait_until(
            "three signals", lambda: s if len(s := self.stint.signals(known)) >= 3 else None)
        must(signals == ["proof-missing", "key-mismatch", "proof-replayed"],
             f"other signals than expected: {signals}")
        shown = self.stint.cli("log", "tail", "--kind", "signal", "-n", "3")
        quote(shown.stdout)
        did(f"in the log as signals: {', '.join(signals)}")
        must(len(self.git.requests()) == seen, "the git server saw a stolen request")
        did("requests that the git server saw of all this: 0")

    # (6)
    def end(self):
        self.title("The agent finishes; the same token is dead")
        me = self.me
        seen = len(self.git.requests())
        alive = me.call("GET", self.url)
        must(alive.status_code == 200, f"before the end: {alive.status_code}")
        # All that the two requests need is ready before: what is measured is only theirs.
        revoke = me.metadata["revocation_endpoint"]
        form = urllib.parse.urlencode({
            "token": me.handle, "token_type_hint": "refresh_token",
            "client_assertion_type": agents.ASSERTION_TYPE, "client_assertion": me.assertion()})
        end = raw_http.request("POST", revoke, {
            "Content-Type": "application/x-www-form-urlencoded"}, form.encode())
        use = raw_http.request("GET", self.url, {
            "Authorization": f"DPoP {me.token}", "DPoP": me.proof("GET", self.url)})
        control = raw_http.Connection(self.stint.control_port)
        gateway = raw_http.Connection(self.stint.gateway_port)
        with Timed() as ending:
            ended = control.send(end)
        with Timed() as t:
            answer = gateway.send(use)
        must(ended.status == 200, f"the handle was not revoked: {ended.text()}")
        must(answer.status == 401, f"after the end: {answer.status} {answer.text()}")
        problem = json.loads(answer.text())
        must(problem["type"] == "urn:stint:problem:task-closed", f"refused as {problem}")
        did("the handle revoked, the task's end acknowledged", ending.seconds)
        did(f"the same token with a fresh, valid proof: 401, {problem['title']}", t.seconds)
        say(f"from the acknowledged end to the refusal in hand: {t.seconds * 1e6:.0f} µs")
        must(len(self.git.requests()) == seen + 1, "the git server saw a request after the end")
        closed = self.stint.events(kind="task.closed", task=me.task)
        must(len(closed) == 1, f"{len(closed)} events say that the task closed")

    # (7)
    def proof(self):
        self.title("Receipt and log are verified from files alone; one changed byte is found")
        log = os.path.join(self.space.path, "exported")
        with Timed() as t:
            text = processes.wait_until("the receipt", self.receipt)
        receipt = self.space.file("receipt", text)
        did("stint task receipt: signed when all of the task was dead", t.seconds)
        with Timed() as t:
            self.stint.cli("log", "export", log)
        did("stint log export: checkpoint, tiles, entries", t.seconds)
        key = self.stint.cli("log", "key").stdout.strip()
        verify = [self.stint.verifier, "log", log, "--key", key]
        with Timed() as t:
            good = self.space.run(verify)
        quote(good.stdout)
        must(good.returncode == 0, f"the log does not verify: {good.stdout}{good.stderr}")
        did("stint-verify log: every entry, tile and signature", t.seconds)
        with Timed() as t:
            good = self.space.run([self.stint.verifier, "receipt", receipt, "--log", log,
                                   "--key", key])
        quote(good.stdout)
        must(good.returncode == 0, f"the receipt does not verify: {good.stdout}{good.stderr}")
        did("stint-verify receipt: signed, and what it says is in the log", t.seconds)

        forged = os.path.join(self.space.path, "forged")
        shutil.copytree(log, forged)
        where = self.flip(forged, b"fix the typo in README", b"fix the typo in READNE")
        with Timed() as t:
            bad = self.space.run([self.stint.verifier, "log", forged, "--key", key])
        quote(bad.stdout)
        must(bad.returncode == 1 and "entr" in bad.stdout, f"the change was not found: {bad}")
        did(f"one byte of {where} changed in a copy: found and named", t.seconds)

    def receipt(self):
        done = self.stint.cli("task", "receipt", self.me.task, check=False)
        return done.stdout if done.returncode == 0 else None

    def flip(self, directory, old, new):
        for folder, _, names in os.walk(directory):
            for name in names:
                path = os.path.join(folder, name)
                content = as_text(path)
                if old in content:
                    with open(path, "wb") as f:
                        f.write(content.replace(old, new, 1))
                    return os.path.relpath(path, directory)
        raise NotAsTold("the purpose of the task is not in the exported log")


def stay(demo):
    s = demo.stint
    print(f"\n{paint('1', 'It stays up. In another terminal:')}\n")
    print(f"  export PATH={shlex.quote(os.path.dirname(s.binary))}:$PATH")
    print(f"  export STINT_HOME={shlex.quote(s.home)}")
    print("""
  stint task list                    every task, live and closed
  stint log tail                     what happened, as people read it
  stint approvals                    what waits for an answer
  stint doctor                       how it is set up""")
    decision = s.events(kind="decision")[-1]["decision"]
    print(f"  stint why {decision}   why that was refused")
    run = demo.stint.run_command(["sh"], allow=["git:git.fetch,git.push=demo/readme.git"],
                                 purpose="look around")
    print("\n  # a shell inside a task (the ID token is good for five minutes):")
    print("  " + " ".join(shlex.quote(w) for w in ["stint", *run[1:]]))
    print(f"  git clone {demo.git.url}/demo/readme.git\n")
    print("Ctrl-C ends it and removes everything.", flush=True)
    signal.pause()


def main():
    once = os.environ.get("ONCE", "") not in ("", "0")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    print(paint("1", "Stint: one task, from open to dead, on a real git server"), flush=True)
    with processes.Workspace("stint-demo-") as space:
        try:
            with Timed() as t:
                demo = Demo(space)
                demo.play()
            print(f"\n{paint('1;32', f'Every step happened as told, in {t.seconds:.1f} s.')}")
            if not once:
                stay(demo)
        except NotAsTold as error:
            print(f"\n{paint('31', 'NOT AS TOLD:')} {error}", flush=True)
            quote(space.log("serve.log"), 40)
            return 1
        except KeyboardInterrupt:
            print("\nends", flush=True)
        except Exception as error:
            print(f"\n{paint('31', 'FAILED:')} {type(error).__name__}: {error}", flush=True)
            quote(space.log("serve.log"), 40)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
