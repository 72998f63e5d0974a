"""deploy/systemd: systemd's own checks, each shown able to fail, and a run under a real systemd."""

import os
import re
import shutil
import subprocess

import boot
from suite import Check, contains, equal, expect

UNIT = os.path.join(boot.ROOT, "deploy", "systemd", "stint.service")
EXPOSURE = 11  # of 100, as systemd-analyze counts; what is left is the network that it serves


def unit():
    with open(UNIT) as f:
        return f.read()


def verify(w, text):
    """`systemd-analyze verify` on a machine that has the program where the unit expects it."""
    root = os.path.join(w.space.path, "verify")
    if not os.path.exists(root):
        shutil.copytree("/usr/lib/systemd/system", w.space.dir("verify/usr/lib/systemd") + "/system",
                        symlinks=True)
        shutil.copy(w.binary, w.space.dir("verify/usr/bin"))
    w.space.file("verify/etc/systemd/system/stint.service", text)
    return w.space.run(["systemd-analyze", "verify", "--man=no", f"--root={root}", "stint.service"])


def exposure(w, text):
    path = w.space.file("exposure/stint.service", text)
    return w.space.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                        f"--threshold={EXPOSURE}", path])


def test_unit_verifies(w):
    done = verify(w, unit())
    equal((done.returncode, done.stdout, done.stderr), (0, "", ""), "systemd-analyze verify")


def test_verify_finds_what_is_planted(w):
    for good, bad, said in (
            ("ProtectSystem=", "ProtectSytem=", "Unknown key 'ProtectSytem' in section [Service]"),
            ("Restart=on-failure", "Restart=sometimes", "Failed to parse service restart specifier"),
            ("/usr/bin/stint serve", "/usr/bin/stnit serve", "/usr/bin/stnit is not executable"),
            ("@system-service", "@no-such-group", "Unknown system call group")):
        expect(good in unit(), good)
        contains(verify(w, unit().replace(good, bad)).stderr, said)


def test_little_is_exposed(w):
    done = exposure(w, unit())
    equal(done.returncode, 0, done.stdout[-200:])
    print("     " + done.stdout.strip().splitlines()[-1].lstrip("→ "))


def test_exposure_finds_what_is_planted(w):
    for name in ("PrivateUsers", "CapabilityBoundingSet", "SystemCallFilter", "ProtectSystem",
                 "ProtectHome", "PrivateTmp", "PrivateDevices", "RestrictNamespaces",
                 "RestrictAddressFamilies", "User"):
        without = re.sub(rf"(?m)^{name}=.*\n", "", unit())
        expect(without != unit(), f"{name}= is there")
        expect(exposure(w, without).returncode != 0, f"without {name}= it exposes more, unnoticed")


def test_requirements_stand_in_the_unit(_):
    """What security says nothing about: memory, and time to end in."""
    for line in ("LimitMEMLOCK=infinity", "LimitCORE=0", "MemoryDenyWriteExecute=yes",
                 "PrivateTmp=yes", "NoNewPrivileges=yes", "Type=notify"):
        expect(re.search(rf"(?m)^{line}$", unit()), line)
    with open(os.path.join(boot.ROOT, "src/resource/include/stint/resource/config.h")) as f:
        drain = int(re.search(r"drain_timeout\{(\d+)\}", f.read())[1])
    with open(os.path.join(boot.ROOT, "apps/stint/serve.cc")) as f:
        after = int(re.search(r"kAfterTheDrain\{(\d+)\}", f.read())[1])
    stop = int(re.search(r"(?m)^TimeoutStopSec=(\d+)s$", unit())[1])
    equal(stop, drain + after, "TimeoutStopSec, and what the program asks for")


def filter_of(text):
    """The system calls that the unit's filter lets pass, as systemd expands them."""
    groups = {}
    listed = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True,
                            check=True).stdout
    for line in listed.splitlines():
        if re.match(r"[@#]", line.strip()) and not line.startswith(" "):
            current = groups.setdefault(line.strip(), set())
        elif line.startswith(" ") and not line.strip().startswith("#"):
            current.add(line.strip())

    def calls(names):
        for name in names:
            yield from calls(groups[name]) if name.startswith("@") else [name]
    allowed = set()
    for line in re.findall(r"(?m)^SystemCallFilter=(.*)$", text):
        if line.startswith("~"):
            allowed -= set(calls(line[1:].split()))
        else:
            allowed |= set(calls(line.split()))
    # systemd lets these pass whatever else is said.
    return allowed | set(calls(["@default"]))


def test_nothing_privileged_passes_the_filter(_):
    passing = filter_of(unit())
    for call in ("read", "sendmsg", "fdatasync", "epoll_wait", "mlockall"):
        expect(call in passing, f"{call} passes")
    for call in ("ptrace", "mount", "bpf", "setuid", "chown", "init_module", "reboot", "keyctl",
                 "process_vm_readv", "userfaultfd", "perf_event_open", "io_uring_setup", "fork", "unshare",
                 "setns", "memfd_create"):
        expect(call not in passing, f"{call} does not pass")


def test_pages_name_files_that_are_there(_):
    for page in ("docs/running.md", "deploy/helm/README.md", "deploy/container/README.md"):
        with open(os.path.join(boot.ROOT, page)) as f:
            named = set(re.findall(r"\b(?:deploy|tests|schema|docs)/[\w./-]*\w", f.read()))
        expect(named, page)
        for path in named:
            expect(os.path.exists(os.path.join(boot.ROOT, path)), f"{page}: {path}")


def inside(w, *words):
    """Boots, and takes over what the tests inside it said."""
    said = boot.run_inside(w.space, w.binary, words)
    print(re.sub(r"(?m)^\d+ passed, .*\n", "", said), end="")
    counts = re.search(r"(?m)^(\d+) passed, (\d+) failed", said)
    if not counts:
        raise Check("it did not come to its end:\n" + w.space.log("boot/console")[-2000:])
    w.tests.passed += int(counts[1])
    equal(int(counts[2]), 0, "failed under the unit")


def test_runs_under_systemd(w):
    inside(w, *(["--all"] if w.every else []))
