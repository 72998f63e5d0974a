"""What `stint run` promises about processes."""

import json
import os
import re
import signal
import time
import urllib.error
import urllib.request

import processes
from suite import contains, equal, expect
from world import FETCH

ALLOW = ["git:git.fetch=demo/readme.git"]
PROBE = 'git ls-remote "$STINT_URL_GIT/demo/readme.git" main'


class Running:
    """A `stint run` whose child says its URL and waits."""

    def __init__(self, w, *options, script="until [ -e stop ]; do sleep 0.02; done", idle="30s"):
        self.w, self.dir = w, w.scratch("running")
        known = len(w.stint.events(kind="task.opened"))
        self.process = w.space.start(
            w.stint.run_command(
                ["sh", "-uc", f'cd {self.dir}; echo $$ > pid; echo "$STINT_URL_GIT" > url.tmp; '
                 f"mv url.tmp url; {script}"], allow=ALLOW, options=["--idle", idle, *options]),
            os.path.relpath(self.dir, w.space.path) + "/log", w.stint.env)
        self.task = processes.wait_until("the task", lambda: [
            e["task"] for e in w.stint.events(kind="task.opened")[known:]],
            process=self.process)[0]
        processes.wait_until("the child", lambda: os.path.exists(f"{self.dir}/url"))
        with open(f"{self.dir}/url") as u, open(f"{self.dir}/pid") as p:
            self.url, self.child = u.read().strip(), int(p.read())

    def log(self):
        return self.w.space.log(os.path.relpath(self.dir, self.w.space.path) + "/log")

    def end(self):
        open(f"{self.dir}/stop", "w").close()
        return self.process.wait(20)

    def closed(self):
        return [e["how"] for e in self.w.stint.events(kind="task.closed", task=self.task)]


def fetch(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as answer:
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")


def nobody_listens(url):
    try:
        fetch(url)
        expect(False, "the relay still answers")
    except urllib.error.URLError as error:
        expect(isinstance(error.reason, ConnectionRefusedError), f"refused at once: {error}")


def test_exit_status_passes_through(w):
    for script, status in (("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137),
                           ("kill -15 $$", 143)):
        done = w.sh(script, ALLOW)
        equal(done.returncode, status, script)
        task = w.stint.events(kind="task.opened")[-1]["task"]
        equal(len(w.stint.events(kind="task.closed", task=task)), 1, f"closed after {script}")


def test_command_that_is_not_there(w):
    done = w.stint.run(["/no/such/command"], allow=ALLOW)
    equal(done.returncode, 127, done.stderr)
    task = w.stint.events(kind="task.opened")[-1]["task"]
    equal(len(w.stint.events(kind="task.closed", task=task)), 1)


def test_child_holds_no_secret(w):
    done = w.sh(f"{PROBE} > /dev/null; env; tr '\\0' '\\n' < /proc/self/environ; "
                "ls -l /proc/self/fd", ALLOW)
    equal(done.returncode, 0, done.stderr)
    for what, secret in (("the password", w.git.password), ("a JWT", "eyJ"),
                         ("a handle", "stint_"), ("a key", "PRIVATE KEY"),
                         ("where the key is", w.stint.key_file("coder")),
                         ("where the ID token is", "id-tokens")):
        expect(secret not in done.stdout, f"{what} is in the child's environment")
    contains(done.stdout, "STINT_TASK=task_")
    expect("socket:" not in done.stdout, "the child inherited a socket")


def test_inherited_secrets_are_reported_and_removed(w):
    env = {"GITHUB_TOKEN": "test-0123456789abcdef", "DEMO_API_KEY": "sk-test0123456789abcdefghij",
           "DATABASE_URL": "postgres://me:test-secret@db/x", "PLAIN": "stays"}
    done = w.sh("env", ALLOW, env=env)
    for name in ("GITHUB_TOKEN", "DEMO_API_KEY", "DATABASE_URL"):
        contains(done.stderr, name, "reported")
        contains(done.stdout, name + "=", "kept without --clean-env")
    for value in env.values():
        expect(value not in done.stderr, "a report names no value")
    done = w.sh("env", ALLOW, env=env, options=["--clean-env"])
    for name in ("GITHUB_TOKEN", "DEMO_API_KEY", "DATABASE_URL"):
        contains(done.stderr, name)
        expect(name + "=" not in done.stdout, f"{name} was not removed")
    contains(done.stdout, "PLAIN=stays")
    contains(done.stdout, "STINT_URL_GIT=")


def test_relay_is_for_its_own_tree(w):
    running = Running(w)
    with w.upstream_sees(0):
        status, words = fetch(running.url + "/demo/readme.git/info/refs?service=git-upload-pack")
        equal(status, 403, words)
        contains(words, "this relay is for the processes of its own task")
    equal(running.end(), 0)
    contains(running.log(), "1 requests from other processes were refused")


def test_relay_needs_its_path(w):
    running = Running(w, script="""
base=${STINT_URL_GIT%/git}
for url in "${base%/*}/wrong/git/demo/readme.git" "${base%/*}/git/demo/readme.git" \\
           "$base/nope/demo/readme.git" "${base%/*}/"
do curl -s -o /dev/null -w '%{http_code}\\n' --noproxy '*' "$url/info/refs?service=git-upload-pack"
done > codes
""")
    with w.upstream_sees(0):
        equal(running.process.wait(20), 0, running.log())
    with open(f"{running.dir}/codes") as f:
        equal(f.read().split(), ["404", "404", "403", "404"])


def test_relay_serves_descendants_also_orphans(w):
    done = w.sh(f"""
( ( sleep 0.3; {PROBE} > out 2>&1; echo $? > status ) & )
until [ -s status ]; do sleep 0.05; done
cat status
""", ALLOW)
    equal(done.stdout.strip(), "0", done.stderr)


def test_credentials_of_the_child_do_not_travel(w):
    """What a child sends as its own Authorization takes nobody's place."""
    with w.upstream_sees(1):
        done = w.sh("curl -s -o /dev/null -w '%{http_code}' --noproxy '*' -u me:test "
                    "-H 'DPoP: x' -H 'Cookie: a=b' "
                    '"$STINT_URL_GIT/demo/readme.git/info/refs?service=git-upload-pack"', ALLOW)
    equal(done.stdout, "200", done.stderr)


def test_relay_dies_with_the_command(w):
    """Also when something that it started lives on."""
    running = Running(w, script="(trap '' TERM HUP; sleep 3) & "
                                "until [ -e stop ]; do sleep 0.02; done")
    equal(running.end(), 0)
    equal(running.closed(), ["completed"])
    nobody_listens(running.url)


def test_sigterm_reaches_the_child_and_ends_the_task(w):
    running = Running(w, script="trap 'echo asked > asked; exit 3' TERM; touch ready; "
                                "until [ -e stop ]; do sleep 0.02; done")
    processes.wait_until("the trap", lambda: os.path.exists(f"{running.dir}/ready"))
    os.kill(running.process.pid, signal.SIGTERM)
    equal(running.process.wait(20), 3, running.log())
    expect(os.path.exists(f"{running.dir}/asked"), "the child heard SIGTERM")
    equal(len(running.closed()), 1)


def test_killed_run_ends_within_the_stated_seconds(w):
    running = Running(w, idle="2s")
    stated = re.search(r"killed, it ends within (\d+) s", running.log())
    expect(stated, f"says when it ends: {running.log()}")
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait(10)
    start = time.monotonic()
    processes.wait_until("the end", running.closed, int(stated.group(1)) + 1)
    took = time.monotonic() - start
    equal(running.closed(), ["idle"])
    expect(took <= int(stated.group(1)), f"{took:.1f} s, stated {stated.group(1)}")
    processes.wait_until("the child's end", lambda: not os.path.exists(f"/proc/{running.child}")
                         or "Z" in open(f"/proc/{running.child}/stat").read().split(")")[1][:3])
    nobody_listens(running.url)


def test_heartbeat_keeps_a_quiet_child_alive(w):
    running = Running(w, idle="2s", script=f"sleep 5; {PROBE} > out 2>&1; echo $? > status")
    equal(running.process.wait(30), 0, running.log())
    with open(f"{running.dir}/status") as f:
        equal(f.read().strip(), "0", "after five quiet seconds with an idle limit of two")


def test_deadline_ends_the_task_under_the_child(w):
    running = Running(w, "--ttl", "2s", script=f"""
sleep 3; {PROBE} > out 2>&1; echo $? > status""")
    with w.upstream_sees(0):
        running.process.wait(30)
    equal(running.closed(), ["expired"])
    with open(f"{running.dir}/status") as f:
        expect(f.read().strip() != "0", "git worked after the deadline")


def test_wait_holds_the_request_for_the_answer(w):
    main = w.git.git("demo/readme.git", "rev-parse", "main")
    w.git.git("demo/readme.git", "branch", "-f", "held", main)
    directory = w.scratch("wait")
    known = len(w.stint.events(kind="task.opened"))
    process = w.space.start(w.stint.run_command(
        ["sh", "-euc", f'git clone -q "$STINT_URL_GIT/demo/readme.git" {directory}/x; '
         f"cd {directory}/x; git push -q origin :refs/heads/held"],
        allow=["git:git.fetch,git.ref.delete=demo/readme.git"], options=["--wait", "30"]),
        os.path.relpath(directory, w.space.path) + "/log", w.stint.env)
    task = processes.wait_until("the task", lambda: [
        e["task"] for e in w.stint.events(kind="task.opened")[known:]], process=process)[0]
    [approval] = processes.wait_until("the question", lambda: w.asked(task), process=process)
    w.stint.cli("approve", approval, "--yes", *w.bob())
    equal(process.wait(30), 0, w.space.log(os.path.relpath(directory, w.space.path) + "/log"))
    expect("held" not in w.git.branches("demo/readme.git"), "the branch is gone")


def test_wrong_usage(w):
    for arguments in (["run", "--task", "x", "--", "true"],
                      ["run", "--task", "x", "--allow", "git:git.fetch", "--", "true"],
                      ["run", "--task", "x", "--allow", "nonsense", "--agent", "coder",
                       "--agent-key", w.stint.key_file("coder"), "--autonomous", "--", "true"],
                      ["frobnicate"]):
        equal(w.stint.cli(*arguments, check=False).returncode, 2, " ".join(arguments))


def test_refused_opening(w):
    """Another agent's key, an unknown human, an unknown upstream: 1, and no task."""
    known = len(w.stint.events(kind="task.opened"))
    helper = w.stint.run_command(["true"], allow=ALLOW)
    helper[helper.index("--agent-key") + 1] = w.stint.key_file("helper")
    nobody = w.stint.run_command(["true"], allow=ALLOW, human="nobody-1")
    nowhere = w.stint.run_command(["true"], allow=["gti:git.fetch"])
    nothing = w.stint.run_command(["true"], allow=ALLOW, human=None)  # autonomous: no policy
    for command in (helper, nobody, nowhere, nothing):
        done = w.space.run(command, env=w.stint.env)
        equal(done.returncode, 1, done.stderr)
        expect(done.stderr.strip(), "says why")
    equal(len(w.stint.events(kind="task.opened")), known)


def test_key_file_must_be_private(w):
    path = w.space.file("keys/open.pem", open(w.stint.key_file("coder")).read(), 0o644)
    command = w.stint.run_command(["true"], allow=ALLOW)
    command[command.index("--agent-key") + 1] = path
    expect(w.space.run(command, env=w.stint.env).returncode in (1, 2), "a key that all may read")


def test_json_of_the_lists(w):
    for arguments in (("task", "list"), ("approvals",), ("agent", "list"), ("upstream", "list")):
        done = w.stint.cli(*arguments, "--json")
        for line in done.stdout.strip().splitlines():
            json.loads(line)
