"""A systemd of one's own: process 1 of new namespaces, where stint.service is what it says."""

import os
import shutil
import subprocess

from suite import Skip, expect

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
NAMESPACES = ["--mount", "--pid", "--fork", "--kill-child", "--cgroup", "--uts", "--ipc", "--net"]

TARGET = """\
[Unit]
Description=What is tested
DefaultDependencies=no
Wants=stint-test.service
"""

# The test ends the machine, whatever became of it.
SERVICE = """\
[Unit]
Description=tests/deploy/inside.py
DefaultDependencies=no
[Service]
Type=oneshot
TimeoutStartSec={seconds}s
StandardOutput=append:/run/stint-out/said
StandardError=inherit
Environment=PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8 HOME=/tmp {environment}
ExecStart={python} -B /run/stint-repo/tests/deploy/inside.py {words}
ExecStopPost=/usr/bin/systemctl --quiet --force --force poweroff
"""


def unified_hierarchy():
    """Where control groups of version 2 are mounted."""
    with open("/proc/self/mounts") as f:
        for line in f:
            _, where, kind, options = line.split()[:4]
            if kind == "cgroup2" and "rw" in options.split(","):
                return where
    raise Skip("no control groups of version 2 that can be written to")


def may_unshare():
    if os.geteuid() != 0:
        raise Skip("a systemd of one's own needs root")
    tried = subprocess.run(["unshare", *NAMESPACES, "true"], capture_output=True, text=True)
    if tried.returncode != 0:
        raise Skip(f"no namespaces of one's own: {tried.stderr.strip()}")


class Group:
    """A control group that is gone, with all that systemd made below it, at the end."""

    def __init__(self, hierarchy):
        self.path = os.path.join(hierarchy, f"stint-test-{os.getpid()}")

    def __enter__(self):
        try:
            os.mkdir(self.path)
        except OSError as error:
            raise Skip(f"no control group of one's own: {error}") from error
        return self

    def __exit__(self, *_):
        for folder, _, _ in os.walk(self.path, topdown=False):
            os.rmdir(folder)


def run_inside(space, binary, words, environment="", seconds=240):
    """Boots, runs inside.py with these words, and gives what it said."""
    may_unshare()
    work = space.dir("boot")
    for name in ("mnt", "out", "units", "etc/stint"):
        os.makedirs(os.path.join(work, name), exist_ok=True)
    deploy = os.path.join(ROOT, "deploy", "systemd")
    shutil.copy(os.path.join(deploy, "stint.service"), os.path.join(work, "units"))
    shutil.copy(os.path.join(deploy, "stint.yaml"), os.path.join(work, "etc", "stint"))
    shutil.copy(binary, os.path.join(work, "stint"))
    space.file("boot/units/stint-test.target", TARGET)
    space.file("boot/units/stint-test.service", SERVICE.format(
        seconds=seconds, words=" ".join(words), environment=environment,
        python="/run/stint-repo/build/venv/bin/python"))
    with Group(unified_hierarchy()) as group:
        command = ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', group.path,
                   "unshare", *NAMESPACES, os.path.join(HERE, "boot.sh"), work, ROOT]
        with open(os.path.join(work, "console"), "wb") as console:
            started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console,
                                       stderr=console)
            try:
                started.wait(seconds + 30)
            finally:
                started.kill()  # and with it, by --kill-child, everything inside
                started.wait()
    said = os.path.join(work, "out", "said")
    expect(os.path.exists(said), "it did not boot:\n" + space.log("boot/console"))
    with open(said, errors="replace") as f:
        return f.read()
