"""Real git through `stint run`."""

import os
import time

import processes
from suite import contains, equal, expect
from world import DELETE, FETCH, PUSH

IDENTITY = "git config user.name coder; git config user.email coder@agents.example.com"


def allow(*actions, repository="demo/readme.git"):
    return [f"git:{','.join(actions)}={repository}"]


def test_clone_commit_push_fetch(w):
    before = w.git.git("demo/readme.git", "rev-parse", "main")
    done = w.sh(f"""
git clone -q "$STINT_URL_GIT/demo/readme.git" a
git clone -q "$STINT_URL_GIT/demo/readme.git" b
cd a; {IDENTITY}
sed -i s/teh/the/ README.md
git commit -q -a -m 'Fix a typo'
git push -q origin main
cd ../b
git fetch -q
git merge -q --ff-only origin/main
grep -q 'This is the readme' README.md
git branch topic; git push -q origin topic; git tag v1; git push -q origin v1
""", allow(FETCH, PUSH))
    equal(done.returncode, 0, done.stderr)
    expect(w.git.git("demo/readme.git", "rev-parse", "main") != before, "main has moved")
    contains(w.git.git("demo/readme.git", "show", "main:README.md"), "the readme")
    expect({"main", "topic"} <= set(w.git.branches("demo/readme.git")), "topic is there")
    task = w.stint.events(kind="task.opened")[-1]["task"]
    decided = w.stint.events(kind="decision", task=task)
    equal({d["verdict"] for d in decided}, {"permit"})
    equal({(d["agent"], d["human"]) for d in decided}, {("coder", "alice")})
    expect({FETCH, PUSH} <= {d["action"] for d in decided}, "fetch and push are in the log")
    equal(len(w.stint.events(kind="task.closed", task=task, how="completed")), 1)


def test_the_servers_own_address_works(w):
    """git in the child is led to the relay by its configuration: nothing has to be rewritten."""
    done = w.sh(f"""
git clone -q {w.git.url}/demo/readme.git a; cd a
git remote get-url origin; git config --get remote.origin.url
""", allow(FETCH))
    equal(done.returncode, 0, done.stderr)
    equal(done.stdout.split()[-1], f"{w.git.url}/demo/readme.git", "what is kept in .git/config")


def test_large_push_streams_through(w):
    done = w.sh(f"""
git clone -q "$STINT_URL_GIT/demo/readme.git" a; cd a; {IDENTITY}
head -c 3000000 /dev/urandom > noise; git add noise; git commit -q -m noise
git push -q origin HEAD:refs/heads/large
""", allow(FETCH, PUSH))
    equal(done.returncode, 0, done.stderr)
    equal(w.git.git("demo/readme.git", "cat-file", "-s", "large:noise"), "3000000")


def test_other_repository_is_refused_with_the_reason(w):
    with w.upstream_sees(0):
        done = w.sh('git clone "$STINT_URL_GIT/demo/other.git" x', allow(FETCH))
    equal(done.returncode, 128)
    contains(done.stderr, "fatal: remote error: Denied: no policy permits it")


def test_push_without_its_grant_is_refused(w):
    main = w.git.git("demo/readme.git", "rev-parse", "main")
    done = w.sh(f"""
git clone -q "$STINT_URL_GIT/demo/readme.git" a; cd a; {IDENTITY}
git commit -q --allow-empty -m Nothing
git push origin main
""", allow(FETCH))
    equal(done.returncode, 128)
    contains(done.stderr, "fatal: remote error: Denied: no policy permits it")
    equal(w.git.git("demo/readme.git", "rev-parse", "main"), main)


def test_deletion_without_its_grant_is_refused_in_gits_words(w):
    done = w.sh("""
git clone -q "$STINT_URL_GIT/demo/readme.git" a; cd a
git push origin :refs/heads/old-idea
""", allow(FETCH, PUSH))
    equal(done.returncode, 1)
    contains(done.stderr, "[remote rejected] old-idea (Denied: a policy forbids it)")
    expect("old-idea" in w.git.branches("demo/readme.git"), "the branch is still there")


def test_mixed_push_stands_or_falls_together(w):
    """A push that creates one branch and deletes another is held as a whole."""
    done = w.sh("""
git clone -q "$STINT_URL_GIT/demo/readme.git" a; cd a
git push origin HEAD:refs/heads/new-idea :refs/heads/old-idea
""", allow(FETCH, PUSH, DELETE))
    equal(done.returncode, 1)
    contains(done.stderr, "approval required: apr_")
    branches = w.git.branches("demo/readme.git")
    expect("old-idea" in branches and "new-idea" not in branches, f"{branches}")


class Held:
    """A task that deletes old-idea again and again, when told."""

    def __init__(self, w, name):
        self.w, self.dir = w, w.scratch(name)
        script = f"""
git clone -q "$STINT_URL_GIT/demo/readme.git" {self.dir}/repo; cd {self.dir}/repo
n=1
while :; do
  until [ -e {self.dir}/go-$n ]; do [ -e {self.dir}/stop ] && exit 0; sleep 0.02; done
  git push origin +refs/remotes/origin/main:refs/heads/old-idea > /dev/null 2>&1 || true
  status=0; git push --delete origin old-idea > {self.dir}/out-$n 2>&1 || status=$?
  echo $status > {self.dir}/tmp; mv {self.dir}/tmp {self.dir}/status-$n
  n=$((n+1))
done
"""
        known = len(w.stint.events(kind="task.opened"))
        self.process = w.space.start(
            w.stint.run_command(["sh", "-u", "-c", script], allow=allow(FETCH, PUSH, DELETE),
                                purpose="remove what nobody needs"),
            os.path.relpath(self.dir, w.space.path) + "/log", w.stint.env)
        self.task = processes.wait_until(
            "the task", lambda: [e["task"] for e in w.stint.events(kind="task.opened")[known:]],
            process=self.process)[0]
        self.n = 0

    def attempt(self):
        self.n += 1
        open(f"{self.dir}/go-{self.n}", "w").close()
        processes.wait_until("git's answer", lambda: os.path.exists(f"{self.dir}/status-{self.n}"),
                             30, process=self.process)
        with open(f"{self.dir}/status-{self.n}") as s, open(f"{self.dir}/out-{self.n}") as o:
            return int(s.read()), o.read()

    def stop(self):
        open(f"{self.dir}/stop", "w").close()
        equal(self.process.wait(30), 0, "stint run")


def test_deletion_is_held_passes_once_and_is_held_again(w):
    held = Held(w, "held")
    status, words = held.attempt()
    equal(status, 1, words)
    [first] = w.asked(held.task)
    contains(words, f"approval required: {first}")
    contains(words, f"stint approve {first}")
    expect("old-idea" in w.git.branches("demo/readme.git"), "held: the branch is there")

    # As a person reads it: who, for whom, why, what.
    listed = w.stint.cli("approvals", *w.bob()).stdout
    for part in ("coder", "alice", "remove what nobody needs", "delete the branch old-idea",
                 "demo/readme.git"):
        contains(listed, part)

    # Asked again while it waits: the same question, not another.
    held.attempt()
    equal(w.asked(held.task), [first])

    w.stint.cli("approve", first, "--yes", *w.bob())
    status, words = held.attempt()
    equal(status, 0, words)
    expect("old-idea" not in w.git.branches("demo/readme.git"), "the branch is gone")

    status, words = held.attempt()  # which makes the branch again first
    equal(status, 1, words)
    equal(len(w.asked(held.task)), 2, "the approval was good once")
    expect("old-idea" in w.git.branches("demo/readme.git"), "held again")
    held.stop()


def test_denied_stays_denied(w):
    held = Held(w, "denied")
    held.attempt()
    [first] = w.asked(held.task)
    w.stint.cli("deny", first, "--yes", *w.bob())
    status, words = held.attempt()
    equal(status, 1, words)
    expect("old-idea" in w.git.branches("demo/readme.git"), "the branch is there")
    held.stop()


def test_only_approvers_answer(w):
    held = Held(w, "who")
    held.attempt()
    [first] = w.asked(held.task)
    refused = w.stint.cli("approve", first, "--yes", *w.alice(), check=False)  # not in the group
    equal(refused.returncode, 1, refused.stdout + refused.stderr)
    refused = w.stint.cli("approve", first, "--yes", check=False)  # the operator's socket
    equal(refused.returncode, 1, refused.stdout + refused.stderr)
    status, _ = held.attempt()
    equal(status, 1, "still held")
    held.stop()


def test_end_of_the_task_cuts_a_running_clone(w):
    directory = w.scratch("cut")
    known = len(w.stint.events(kind="task.opened"))
    process = w.space.start(
        w.stint.run_command(["sh", "-c", f'git clone "$STINT_URL_GIT/slow/big.git" {directory}/x '
                             f"2> {directory}/err; exit 41"],
                            allow=allow(FETCH, repository="slow/big.git")),
        os.path.relpath(directory, w.space.path) + "/log", w.stint.env)
    task = processes.wait_until(
        "the task", lambda: [e["task"] for e in w.stint.events(kind="task.opened")[known:]],
        process=process)[0]
    pack = f"{directory}/x/.git/objects/pack"
    processes.wait_until("bytes of the clone", lambda: os.path.isdir(pack) and any(
        os.path.getsize(os.path.join(pack, f)) > 100_000 for f in os.listdir(pack)), 30,
        process=process)
    w.stint.cli("task", "end", task, "--yes")
    start = time.monotonic()
    process.wait(15)
    took = time.monotonic() - start
    expect(took < 3, f"the clone ended {took:.1f} s after its task")
    expect(not os.path.exists(f"{directory}/x/noise.bin"), "the clone was not completed")
    sent = processes.wait_until("nginx's entry", lambda: [
        r for r in w.git.requests() if r.startswith("POST /slow/big.git/git-upload-pack")
        and int(r.split()[-1]) > 100_000])
    expect(int(sent[-1].split()[-1]) < 8 << 20, f"the server was cut off too: {sent[-1]}")


def test_git_after_the_end_is_refused(w):
    directory = w.scratch("after")
    known = len(w.stint.events(kind="task.opened"))
    process = w.space.start(
        w.stint.run_command(
            ["sh", "-c", f"touch {directory}/ready; until [ -e {directory}/go ]; do sleep 0.02; "
             f'done; git ls-remote "$STINT_URL_GIT/demo/readme.git" > {directory}/out 2>&1; '
             f"echo $? > {directory}/status"], allow=allow(FETCH)),
        os.path.relpath(directory, w.space.path) + "/log", w.stint.env)
    task = processes.wait_until(
        "the task", lambda: [e["task"] for e in w.stint.events(kind="task.opened")[known:]])[0]
    processes.wait_until("the child", lambda: os.path.exists(f"{directory}/ready"))
    w.stint.cli("task", "end", task, "--yes")
    with w.upstream_sees(0):
        open(f"{directory}/go", "w").close()
        process.wait(20)
    if os.path.exists(f"{directory}/status"):  # else `stint run` ended its child with the task
        with open(f"{directory}/status") as f:
            equal(f.read().strip(), "128")
