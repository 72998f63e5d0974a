#!/usr/bin/env python3
"""P3 and P5: CPU time per request of Stint's server beside nginx's, in one run, interleaved.

One server at a time is loaded, on core 0; the load and the upstream have the other core. CPU time is
that of the whole server (all its threads), by its CPU clock. Counted work: every answer's status and
length, and for Stint the events in the log. A failed check prints no figure.
"""
import argparse
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BODY = '{"id":"T-1000","title":"The export of last week is empty","state":"open","priority":2,' \
       '"assignee":"alice@example.com","labels":["export","customer"],"updated":"2026-01-01T10:00:00Z"}'
BODY = BODY[:-1] + " " * (181 - len(BODY)) + "}"

PEER = """
worker_processes 1;
worker_cpu_affinity {mask};
daemon off;
pid {dir}/{name}.pid;
error_log {dir}/{name}.error crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  upstream vendor {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    {listen}
    {locations}
  }}
}}
"""
TLS = """listen 127.0.0.1:{port} ssl;
    ssl_certificate {dir}/server-test.pem; ssl_certificate_key {dir}/server-test.key;
    ssl_protocols TLSv1.3; ssl_verify_client optional_no_ca; ssl_session_tickets off;"""
LOCATIONS = """location /u/plain/ { return 204; }
    location /u/vendor/ { proxy_pass http://vendor/; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_set_header X-Vendor-Key test-vendor-key-0123456789;
      proxy_set_header Authorization ""; }"""


def die(why):
    print(f"no figure: {why}", file=sys.stderr)
    sys.exit(1)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


LIBC = ctypes.CDLL(None)


def cpu_seconds(pid):
    clock = ctypes.c_int()
    if LIBC.clock_getcpuclockid(pid, ctypes.byref(clock)) != 0:
        die("no CPU clock of the server")
    return time.clock_gettime(clock.value)


def certificates(directory):
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=directory)
    for name in ("server-test", "client-test"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                "7", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                f"{name}.key", "-out", f"{name}.pem")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "dpop-test.key")


def nginx(directory, name, mask, listen, locations, upstream):
    conf = pathlib.Path(directory) / f"{name}.conf"
    conf.write_text(PEER.format(dir=directory, name=name, mask=mask, listen=listen, locations=locations,
                                upstream=upstream))
    master = subprocess.Popen(["nginx", "-c", str(conf)], stderr=subprocess.DEVNULL)
    for _ in range(100):
        time.sleep(0.05)
        out = pathlib.Path(f"/proc/{master.pid}/task/{master.pid}/children")
        workers = out.read_text().split() if out.exists() else []
        if workers:
            return master, int(workers[0])
    die(f"nginx {name} did not start")


class Stint:
    def __init__(self, binary, directory, upstream, tables=False):
        self.process = subprocess.Popen(
            ["taskset", "-c", "0", binary, "--certificates", directory, "--dir", directory, "--upstream",
             str(upstream), "--tables", "yes" if tables else "no"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        for line in self.process.stdout:
            words = line.split()
            if words[0] == "port":
                self.port = int(words[1])
            elif words[0] == "token":
                pathlib.Path(directory, words[1] + ".token").write_text(words[2])
            elif words[0] == "ready":
                return
        die("the server did not start")

    def counts(self):
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        words = self.process.stdout.readline().split()
        return dict(zip(words[::2], map(int, words[1::2])))

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


def load(args, directory, port, pid, extra, after=lambda: None):
    """(requests, CPU seconds of pid, wall seconds); the clocks are read while all is quiet."""
    p = subprocess.Popen(["taskset", "-c", "1", args.load, "--certificates", directory, "--port", str(port),
                          "--connections", str(args.connections), "--seconds", str(args.seconds), *extra],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if p.stdout.readline().strip() != "connected":
        die("the load could not connect")
    before = cpu_seconds(pid)
    p.stdin.write("\n")
    p.stdin.flush()
    words = p.stdout.readline().split()
    after()  # everything recorded: it belongs to the cost
    used = cpu_seconds(pid) - before
    p.stdin.close()
    if p.wait(timeout=30) != 0 or len(words) != 6:
        die("the load failed")
    if int(words[5]) != 0:
        die(f"{words[5]} answers were not as expected")
    return int(words[1]), used, float(words[3])


def row(promise, what, ratios, goal, note):
    low, mid, high = min(ratios), statistics.median(ratios), max(ratios)
    verdict = "-" if not goal else "met" if mid >= goal else "missed"
    print("\t".join(["ROW", promise, what, str(len(ratios)), f"{low:.3f}", f"{mid:.3f}", f"{high:.3f}",
                     f">= {goal}" if goal else "-", verdict, note]), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--load", required=True)
    parser.add_argument("--dir", default="build/bench")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--tables", action="store_true", help="build tables for hot DPoP keys, as `stint serve` does")
    args = parser.parse_args()
    os.makedirs(args.dir, exist_ok=True)
    directory = tempfile.mkdtemp(prefix="http-", dir=os.path.abspath(args.dir))
    started, servers = [], []
    try:
        certificates(directory)
        upstream = free_port()
        plain = f"listen 127.0.0.1:{upstream};"
        answer = f"default_type application/json; location / {{ return 200 '{BODY}'; }}"
        started.append(nginx(directory, "upstream", "10", plain, answer, upstream)[0])
        port = free_port()
        master, worker = nginx(directory, "peer", "01", TLS.format(port=port, dir=directory), LOCATIONS,
                               upstream)
        started.append(master)
        stint = Stint(args.server, directory, upstream, args.tables)
        servers.append(stint)
        measure(args, directory, port, worker, stint)
    finally:
        for s in servers:
            s.stop()
        for process in started:
            process.send_signal(signal.SIGQUIT)
            process.wait(timeout=10)
        shutil.rmtree(directory, ignore_errors=True)


def measure(args, directory, port, worker, stint):
    def against(path, token="", scheme="Bearer"):
        words = ["--path", path, "--scheme", scheme, "--htu", "https://127.0.0.1:7444" + path]
        words += ["--status", "200", "--bytes", "181"] if "vendor" in path else ["--status", "204", "--bytes", "0"]
        return words + (["--token", f"{directory}/{token}.token"] if token else [])

    def ours(server, path, token, scheme, events_each):
        before = server.counts()
        requests, used, wall = load(args, directory, server.port, server.pid, against(path, token, scheme),
                                    after=server.counts)
        after = server.counts()
        kind = "forwarded" if "vendor" in path else "permitted"
        # The nonce's 401 makes no event; the first request after it is counted by neither.
        done = after[kind] - before[kind]
        if not requests <= done <= requests + 1 or after["events"] - before["events"] != done * events_each:
            die(f"{requests} answers, {done} permits, {after['events'] - before['events']} events")
        return used / requests * 1e6, requests / wall

    def peer(path):
        requests, used, wall = load(args, directory, port, worker, against(path))
        return used / requests * 1e6, requests / wall

    cases = {
        "P3": ("authorize, certificate-bound / nginx TLS return 204, CPU", "/u/plain/tickets/", 1, 0.35,
               [("certificate-plain", "Bearer", stint, ""), ("dpop-plain", "DPoP", stint, ", DPoP-bound")]),
        "P5": ("gateway forward, certificate-bound / nginx TLS proxy_pass, CPU", "/u/vendor/tickets/", 3, 0.8,
               [("certificate-vendor", "Bearer", stint, ""), ("dpop-vendor", "DPoP", stint, ", DPoP-bound")]),
    }
    figures = {}
    for i in range(args.rounds + 1):  # the first one warms up
        for promise, (_, path, events_each, _, rows) in cases.items():
            theirs, rate = peer(path)
            for token, scheme, server, suffix in rows:
                mine, my_rate = ours(server, path, token, scheme, events_each)
                if i:
                    figures.setdefault(promise + suffix, []).append((theirs / mine, theirs, mine, rate, my_rate))
    for promise, (what, _, _, goal, rows) in cases.items():
        for _, _, _, suffix in rows:
            got = figures[promise + suffix]
            mid = [statistics.median(column) for column in zip(*got)]
            row(promise, what.replace(", certificate-bound", suffix or ", certificate-bound"),
                [g[0] for g in got], 0 if suffix else goal,
                f"{mid[2]:.1f} us of CPU against {mid[1]:.1f} us; {mid[4]:.0f}/s against {mid[3]:.0f}/s")


if __name__ == "__main__":
    main()
