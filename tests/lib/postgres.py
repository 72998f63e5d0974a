"""A PostgreSQL server of one's own, in the workspace; run by root, it runs as `postgres`."""

import glob
import os
import pwd
import shutil
import signal
import subprocess

import processes


def _program(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    if not found:
        raise RuntimeError("PostgreSQL's server is not installed (package postgresql)")
    return found[-1]


def _as_server():
    """What comes before a command so that it is not root's."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("postgres")
    return [shutil.which("setpriv"), f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}",
            "--clear-groups"]


class Postgres:
    """Reached by its socket, and by TCP on `address` when that is given."""

    def __init__(self, space, name="postgres", settings=(), port=None, address=""):
        self.space, self.name, self.port, self.address = space, name, port, address
        self.directory = space.dir(name)
        self.data = os.path.join(self.directory, "data")
        self.settings = list(settings)
        os.chmod(space.path, 0o755)
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        self.process = None

    def init(self, *options):
        self.space.run([*_as_server(), _program("initdb"), "-D", self.data, "-U", "stint",
                        "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync",
                        "--no-instructions", *options], cwd=self.directory, check=True)
        return self

    def copy_of(self, primary, *options):
        """A standby that streams from another server, as pg_basebackup makes it."""
        self.space.run([*_as_server(), _program("pg_basebackup"), "-D", self.data, "-h",
                        primary.directory, *primary.port_option(), "-U", "stint", "-R", "-X",
                        "stream", "-c", "fast", "--no-sync", *options], cwd=self.directory,
                       check=True)
        os.chmod(self.data, 0o700)
        return self

    def promote(self):
        self.sql("SELECT pg_promote(true, 30)", "postgres")

    def port_option(self):
        return ["-p", str(self.port)] if self.port else []

    def start(self):
        listen = ["-h", self.address]
        port = self.port_option()
        self.process = self.space.start(
            [*_as_server(), _program("postgres"), "-D", self.data, "-k",
             self.directory, *listen, *port, "-c", "max_connections=100",
             *[w for s in self.settings for w in ("-c", s)]],
            f"{self.name}.log", cwd=self.directory)
        processes.wait_until("PostgreSQL accepts", self.accepts, process=self.process, seconds=60)
        return self

    def accepts(self):
        return subprocess.run([_program("pg_isready"), "-q", "-h", self.directory,
                               *self.port_option()], check=False).returncode == 0

    def url(self, database="stint"):
        return f"postgres://stint@{self.directory.replace('/', '%2F')}/{database}"

    def sql(self, text, database="stint"):
        done = self.space.run([_program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                               "-h", self.directory, *self.port_option(), "-U", "stint", "-d", database, "-c", text], check=True)
        return done.stdout.strip()

    def processes(self):
        """The postmaster and its children, by their ids."""
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
                                  capture_output=True, text=True, check=False).stdout.split()
        return [self.process.pid, *map(int, children)]

    def signal(self, number):
        for pid in self.processes():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill(self):
        """As power loss to the server: every process at once."""
        self.signal(signal.SIGKILL)
        self.space.stop(self.process)

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)
