"""Programs that are started here, and ended here, by their id; and the directory they work in."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def free_ports(count):
    """Ports of 127.0.0.1 that nobody listens on now; asked for together, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def wait_until(what, is_true, seconds=20.0, every=0.02, process=None):
    """Polls until is_true() gives something; tells what was waited for when it never does."""
    end = time.monotonic() + seconds
    while True:
        value = is_true()
        if value:
            return value
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{what}: the program ended with {process.returncode}")
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)


def accepts(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


def _dies_with_us():
    # A suite that is killed leaves nothing behind: the kernel ends its children.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Workspace:
    """A temporary directory and the processes in it. Leaving it ends and removes them all."""

    def __init__(self, prefix="stint-test-"):
        self.path = tempfile.mkdtemp(prefix=prefix)
        self._running = []
        # Whoever runs us may have a configuration of their own; nothing of it counts here.
        self.environment = {
            k: v for k, v in os.environ.items()
            if not k.startswith(("GIT_", "STINT_")) and k.lower() not in
            ("http_proxy", "https_proxy", "all_proxy", "no_proxy")}
        home = self.dir("home")
        self.environment.update(
            HOME=home, XDG_CONFIG_HOME=home, GIT_CONFIG_NOSYSTEM="1", GIT_TERMINAL_PROMPT="0",
            LC_ALL="C.UTF-8", TZ="UTC")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def file(self, name, text="", mode=0o644):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb" if isinstance(text, bytes) else "w") as f:
            f.write(text)
        return path

    def dir(self, name):
        path = os.path.join(self.path, name)
        os.makedirs(path, exist_ok=True)
        return path

    def start(self, argv, log, env=None, cwd=None):
        """A program in a process group of its own; what it says goes to `log`."""
        with open(os.path.join(self.path, log), "ab") as out:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd or self.path,
                env={**self.environment, **(env or {})}, start_new_session=True,
                preexec_fn=_dies_with_us)
        self._running.append(process)
        return process

    def run(self, argv, env=None, cwd=None, seconds=60, check=False, input=None):
        """A program to its end; the result has stdout and stderr as text."""
        done = subprocess.run(
            argv, capture_output=True, text=True, cwd=cwd or self.path, input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            env={**self.environment, **(env or {})}, timeout=seconds, preexec_fn=_dies_with_us)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(argv[:3])} … ended with {done.returncode}:\n"
                               f"{done.stdout}{done.stderr}")
        return done

    def stop(self, process, seconds=10.0):
        """SIGTERM to the program and, when that is not enough, SIGKILL to its group."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        try:  # what it started itself: the group is ours, made by start()
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        if process in self._running:
            self._running.remove(process)
        return process.returncode

    def log(self, name):
        try:
            with open(os.path.join(self.path, name), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def close(self):
        for process in reversed(list(self._running)):
            self.stop(process)
        if os.environ.get("STINT_KEEP"):
            print(f"kept: {self.path}")
        else:
            shutil.rmtree(self.path, ignore_errors=True)
