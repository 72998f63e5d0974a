"""Runs inside the systemd that boot.py starts: stint.service as an administrator would use it.

inside.py [--all]: --all runs every end-to-end test against the service, else those that touch most.
"""

import errno
import json
import os
import re
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), n) for n in ("lib", "e2e")]

import abuse  # noqa: E402
import borrowed  # noqa: E402
import oauth_git  # noqa: E402
import processes  # noqa: E402
import run_git  # noqa: E402
import run_process  # noqa: E402
import stint_server  # noqa: E402
import suite  # noqa: E402
import world  # noqa: E402
from suite import contains, equal, expect  # noqa: E402

HOME, CONFIG = "/var/lib/stint", "/etc/stint/stint.yaml"
LOG = "/tmp/serve.log"
DROP_IN = "/etc/systemd/system/stint.service.d/{}.conf"


def systemctl(*words, check=True):
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"systemctl {' '.join(words)}: {done.stderr}{serve_log()[-400:]}")
    return done


def show(name):
    return systemctl("show", "-P", name, "stint.service").stdout.strip()


def drop_in(name, text):
    os.makedirs(os.path.dirname(DROP_IN), exist_ok=True)
    with open(DROP_IN.format(name), "w") as f:
        f.write(text)
    systemctl("daemon-reload")


def without(name):
    os.remove(DROP_IN.format(name))
    systemctl("daemon-reload")


def serve_log():
    try:
        with open(LOG, errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def ready():
    try:
        with urllib.request.urlopen("http://127.0.0.1:7446/readyz", timeout=5) as answer:
            return answer.status
    except (urllib.error.URLError, OSError):
        return None


def in_progress():
    """Requests that the control listener is at."""
    with urllib.request.urlopen("http://127.0.0.1:7446/metrics", timeout=5) as answer:
        found = re.search(r'(?m)^stint_requests_in_progress\{listener="control"\} (\d+)',
                          answer.read().decode())
    return int(found[1])


def start():
    systemctl("reset-failed", "stint.service", check=False)
    systemctl("start", "stint.service")
    return int(show("MainPID"))


def stop():
    systemctl("stop", "stint.service")


def of_process(pid):
    with open(f"/proc/{pid}/status") as f:
        return {k: v.strip() for k, _, v in (line.partition(":") for line in f)}


def as_seen_by(pid, path):
    """The same path in the service's own view of the files, for root."""
    return f"/proc/{pid}/root{path}"


def test_started_means_ready(_):
    start()
    equal(ready(), 200, "/readyz as soon as systemctl comes back")
    equal(show("NotifyAccess"), "main")
    stop()


def test_rights_are_gone(_):
    status = of_process(start())
    equal(status["NoNewPrivs"], "1")
    equal(status["Seccomp"], "2", "a filter")
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        equal(int(status[name], 16), 0, name)
    user = subprocess.run(["id", "-u", "stint"], capture_output=True, text=True).stdout.strip()
    equal(set(status["Uid"].split()), {user}, "it runs as stint")
    expect(user != "0", "and stint is not root")
    stop()


def test_memory_stays_here(_):
    pid = start()
    with open(f"/proc/{pid}/limits") as f:
        limits = {line[:26].strip(): line[26:].split() for line in f}
    equal(limits["Max core file size"][:2], ["0", "0"])
    # Process 1 of a container may lack the right to lift limits: then the service says so.
    if limits["Max locked memory"][0] == "unlimited":
        expect(int(of_process(pid)["VmLck"].split()[0]) > 0, "its memory is locked")
    else:
        contains(serve_log(), '"memory may be swapped out","reason":"RLIMIT_MEMLOCK is finite"')
    stop()


def test_files_are_out_of_reach(_):
    with open("/tmp/somebody-elses", "w"):
        pass
    pid = start()
    for folder in ("/usr", "/etc", "/etc/stint", "/var", "/boot"):
        try:
            os.mkdir(as_seen_by(pid, folder + "/x"))
            raise suite.Check(f"{folder} can be written to")
        except OSError as error:
            equal(error.errno, errno.EROFS, folder)
    os.mkdir(as_seen_by(pid, HOME + "/x"))
    os.rmdir(HOME + "/x")  # its own state, and the same for all
    for path in ("/tmp", "/home", "/root"):
        equal(os.listdir(as_seen_by(pid, path)), [], path)
    devices = [os.lstat(as_seen_by(pid, "/dev/" + n)) for n in os.listdir(as_seen_by(pid, "/dev"))]
    expect(not any(stat.S_ISBLK(d.st_mode) for d in devices), "no block device")
    stop()


def test_nothing_else_can_be_run(_):
    pid = start()
    equal(subprocess.run([as_seen_by(pid, "/usr/bin/stint"), "version"],
                         capture_output=True).returncode, 0)
    for program in ("/usr/bin/env", "/bin/sh", "/usr/sbin/nginx"):
        expect(os.path.exists(program), program)
        try:
            subprocess.run([as_seen_by(pid, program)], check=False, capture_output=True, input=b"")
            raise suite.Check(f"{program} can be run")
        except PermissionError:
            pass
    stop()


def test_key_comes_from_systemd(_):
    pid = start()
    expect(not os.path.exists(HOME + "/root.key"), "no key file beside the database")
    key = os.stat(as_seen_by(pid, "/run/credentials/stint.service/stint-root-key"))
    equal((key.st_size, key.st_mode & 0o337), (32, 0), "read by its user, written by nobody")
    stop()
    sealed = "/etc/credstore.encrypted/stint-root-key"
    os.rename(sealed, sealed + ".away")
    expect(systemctl("start", "stint.service", check=False).returncode != 0,
           "without the key it does not start")
    os.rename(sealed + ".away", sealed)


def test_certificate_comes_from_systemd(_):
    """The drop-in as it is shipped, and the lines of stint.yaml that it tells to write."""
    with open("/run/stint-repo/deploy/systemd/tls.conf") as f:
        shipped = f.read()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "/etc/stint/tls.key",
                    "-out", "/etc/stint/tls.crt"], check=True, capture_output=True)
    os.chmod("/etc/stint/tls.key", 0o400)
    drop_in("tls", shipped)
    with open(CONFIG) as f:
        before = f.read()
    tls = "".join(line.removeprefix("#   ") for line in re.findall(r"(?m)^#   .*\n", shipped))
    with open(CONFIG, "w") as f:
        f.write(before + tls + 'listen: {control: "0.0.0.0:7443"}\n')
    start()
    got = subprocess.run(["curl", "-sS", "--cacert", "/etc/stint/tls.crt",
                          "https://127.0.0.1:7443/.well-known/oauth-authorization-server"],
                         capture_output=True, text=True)
    contains(got.stdout, '"token_endpoint"', got.stderr)
    stop()
    without("tls")
    with open(CONFIG, "w") as f:
        f.write(before)


def test_state_is_for_its_owner_alone(_):
    start()
    stop()
    for folder, _, names in os.walk(HOME):
        equal(os.stat(folder).st_mode & 0o077, 0, folder)
        for name in names:
            equal(os.stat(os.path.join(folder, name)).st_mode & 0o077, 0, name)


def test_root_is_an_operator_at_the_socket(_):
    start()
    said = subprocess.run(["stint", "whoami", "--json"], capture_output=True, text=True,
                          env={**os.environ, "STINT_HOME": HOME})
    equal(json.loads(said.stdout)["kind"], "operator", said.stderr)
    stop()


def test_stop_drains(_):
    start()
    before = serve_log().count('"stopped","clean":true')
    stop()
    equal(show("Result"), "success")
    equal(show("ExecMainStatus"), "0")
    equal(serve_log().count('"stopped","clean":true'), before + 1, serve_log()[-500:])
    expect(not os.path.exists(HOME + "/operator.sock"), "nothing left to talk to")


def test_stop_gives_way_to_a_longer_drain(_):
    """The unit's limit is shorter than the drain of stint.yaml: the program asks for more."""
    drop_in("hasty", "[Service]\nTimeoutStopSec=1s\n"
                     "Environment=STINT_LIMITS__DRAIN_TIMEOUT=3s STINT_LIMITS__HEADER_TIMEOUT=60s\n")
    start()
    with socket.create_connection(("127.0.0.1", 7443)) as slow:  # a call under way that never ends
        slow.sendall(b"POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1:7443\r\n"
                     b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 99\r\n\r\n")
        processes.wait_until("the call", lambda: in_progress() >= 1)
        begun = time.monotonic()
        stop()
        took = time.monotonic() - begun
    equal(show("Result"), "success", "it was not killed")
    expect(2.5 < took < 10, f"it drained for {took:.1f} s")
    without("hasty")


def test_refused_configuration_is_not_tried_again(_):
    with open(CONFIG) as f:
        sound = f.read()
    with open(CONFIG, "w") as f:
        f.write("nonsense: 1\n")
    try:
        expect(systemctl("start", "stint.service", check=False).returncode != 0, "it does not start")
        equal(show("ExecMainStatus"), "2")
        equal(show("ActiveState"), "failed", "no restart is coming")
        equal(show("NRestarts"), "0")
    finally:
        with open(CONFIG, "w") as f:
            f.write(sound)


def restarted(pid):
    now = int(show("MainPID"))
    return now if now not in (0, pid) and ready() == 200 else None


def test_crash_is_restarted(_):
    pid = start()
    os.kill(pid, 9)
    processes.wait_until("a new process", lambda: restarted(pid))
    stop()


def test_hang_is_restarted(_):
    drop_in("impatient", "[Service]\nWatchdogSec=600ms\n")
    pid = start()
    end = time.monotonic() + 2
    while time.monotonic() < end:  # three times its patience: it beats
        equal(int(show("MainPID")), pid, "a healthy one is left alone")
        time.sleep(0.2)
    os.kill(pid, 19)  # SIGSTOP: every loop stands still
    processes.wait_until("a new process", lambda: restarted(pid))
    stop()
    without("impatient")


def test_call_outside_the_filter_would_show(_):
    """What the next world relies on: a call that the filter lacks ends the service."""
    drop_in("narrow", "[Service]\nSystemCallErrorNumber=kill\nSystemCallFilter=~@sync\n")
    expect(systemctl("start", "stint.service", check=False).returncode != 0, "it cannot write")
    expect(show("Result") in ("signal", "core-dump"), show("Result"))
    equal(show("ExecMainStatus"), "31", "SIGSYS")
    without("narrow")


# --- the end-to-end tests, at a service that a call outside its filter ends ---

class Unit:
    """Stands where a test looks at the server's process."""

    def poll(self):
        return None if show("ActiveState") == "active" else int(show("ExecMainStatus") or 1)


class UnitServer(stint_server.StintServer):
    """The server of the end-to-end suite, but run by stint.service and its shipped configuration."""

    def start(self):
        with open(self.config) as f, open(CONFIG) as shipped:
            settings = f.read() + shipped.read()
        with open(CONFIG, "w") as out:
            out.write(settings)
        self.home = HOME
        start()
        self.process = Unit()
        with open(os.path.join(HOME, "ports.json")) as f:
            self.addresses = json.load(f)
        self.issuer, self.gateway = self.addresses["issuer"], self.addresses["gateway"]
        self.gateway_port = self.addresses["gateway_port"]
        self.control_port = self.addresses["control_port"]

    def stop(self):
        stop()


# A peer that says nothing for ten seconds, and a token that is let to expire: for --all.
SLOW = {"test_slow_head_is_not_waited_for", "test_stolen_token", "test_broken_tokens"}


def end_to_end(tests, every):
    drop_in("strict", "[Service]\nSystemCallErrorNumber=kill\n")
    stint_server.StintServer = UnitServer
    with processes.Workspace("stint-unit-") as space:
        shared = world.World(space)
        modules = [run_git, oauth_git, abuse] + ([run_process, borrowed] if every else [])
        for module in modules:
            for name, test in sorted(vars(module).items()):
                if name.startswith("test_") and (every or name not in SLOW):
                    tests.run(test, shared)
        tests.run(test_nothing_was_killed, shared)
    stop()


def test_nothing_was_killed(w):
    equal(w.stint.process.poll(), None, "the service is up")
    equal(show("NRestarts"), "0", "restarts")


def main():
    drop_in("log", f"[Service]\nStandardError=append:{LOG}\nStandardOutput=null\n")
    tests = suite.Suite()
    for name, test in list(globals().items()):
        if name.startswith("test_") and name != "test_nothing_was_killed":
            tests.run(test, None)
            systemctl("stop", "stint.service", check=False)
    end_to_end(tests, "--all" in sys.argv)
    return tests.finish()


if __name__ == "__main__":
    sys.exit(main())
