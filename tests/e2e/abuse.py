"""Requests that no client sends: refused before the git server sees a byte.

Each row carries a good token and a good proof for the URL that is really there, so that what is
refused is the abuse and not the lack of a credential.
"""

import json
import socket
import time

import git_wire
import processes
import raw_http
from suite import contains, equal, expect
from world import FETCH

PATH = "/u/git/demo/readme.git/info/refs?service=git-upload-pack"


class Bench:
    """One agent for all rows of a test, and its two headers."""

    def __init__(self, w):
        self.w, self.agent = w, w.open_agent([FETCH])
        self.port = w.stint.gateway_port
        self.host = f"127.0.0.1:{self.port}"

    def proof(self, method="GET", path=PATH):
        return self.agent.proof(method, f"{self.w.stint.gateway}{path}")

    def credentials(self, method="GET", path=PATH):
        return (f"Authorization: DPoP {self.agent.token}\r\n"
                f"DPoP: {self.proof(method, path)}\r\n")

    def head(self, line, *more, method="GET", path=PATH):
        fields = "".join(f + "\r\n" for f in more)
        return f"{line}\r\nHost: {self.host}\r\n{self.credentials(method, path)}{fields}\r\n"

    def refused(self, request, status, reason=None, what=""):
        with self.w.upstream_sees(0):
            answer = raw_http.exchange(self.port, request)
        equal(answer.status, status, f"{what} {answer.raw[:200]!r}")
        equal(answer.answers, 1, f"{what}: answers on the connection")
        if reason:
            equal(json.loads(answer.text())["reason"], reason, what)
        return answer

    def close(self):
        # After all of it the token is as good as before.
        equal(self.agent.call("GET", self.w.stint.gateway + PATH).status_code, 200)
        self.agent.end()


def test_paths_that_could_mean_two_things(w):
    b = Bench(w)
    rows = [
        ("/u/git/demo/readme.git/../other.git/info/refs", "target dot segment"),
        ("/u/git/demo/readme.git/./info/refs", "target dot segment"),
        ("/u/git/demo/readme.git/%2e%2e/other.git/info/refs", "target dot segment"),
        ("/u/git/demo/readme.git/%2E./other.git/info/refs", "target dot segment"),
        ("/u/git/demo/readme.git/..;x/other.git/info/refs", "target dot segment"),
        ("/u/git/demo%2freadme.git/info/refs", "target encoded slash"),
        ("/u/git/demo/readme.git%2F..%2Fother.git/info/refs", "target encoded slash"),
        ("/u/git/demo/readme.git%5cother.git/info/refs", "target encoded slash"),
        ("/u/git/demo%252freadme.git/info/refs", "target encoded percent"),
        ("/u/git/demo/readme.git%00/info/refs", "target encoded control character"),
        ("/u/git//demo/readme.git/info/refs", "target empty segment"),
        ("//u/git/demo/readme.git/info/refs", "target empty segment"),
        ("/u/git/demo\\readme.git/info/refs", "target backslash"),
        ("/u/git/demo/readme.git/info/refs#x", "target fragment"),
        ("/u/git/demo/readme.git/info/%zz", "target escape"),
        ("/u/git/demo/readme.git/info/%ff", "target not utf-8"),
        ("u/git/demo/readme.git/info/refs", "target not in origin-form"),
        ("*", "target not in origin-form"),
        (b.w.stint.gateway + PATH, "target not in origin-form"),
        ("http://127.0.0.1:1" + PATH, "target not in origin-form"),
        (b.host, "target not in origin-form"),
    ]
    for path, reason in rows:
        b.refused(b.head(f"GET {path} HTTP/1.1"), 400, reason, path)
    b.refused(b.head(f"GET /u/git/{'a' * 9000} HTTP/1.1"), 413, "target too large", "long path")
    b.refused(b.head("GET /u/git/" + "a/" * 300 + " HTTP/1.1"), 413, "target too many segments")
    b.refused(b.head("GET /elsewhere HTTP/1.1"), 404, "no such path", "no upstream")
    b.refused(b.head("GET /u/GIT/x HTTP/1.1"), 404, "no such path", "not a name")
    b.close()


def test_the_proof_is_for_the_path_as_it_is_read(w):
    """A proof for one path is none for another, however alike."""
    b = Bench(w)
    for path in ("/u/git/demo/other.git/info/refs?service=git-upload-pack",
                 "/u/git/demo/readme.git/info/refs/?service=git-upload-pack",
                 "/u/git/demo/README.git/info/refs?service=git-upload-pack"):
        b.refused(b.head(f"GET {path} HTTP/1.1"), 401, "dpop htu", path)
    b.close()


def test_repeated_headers(w):
    b = Bench(w)
    token = f"Authorization: DPoP {b.agent.token}"
    rows = [(token, "two Authorization, the same"),
            ("Authorization: Basic dGVzdDp0ZXN0", "two Authorization"),
            (f"Host: {b.host}", "two Host"), ("Host: elsewhere", "two Host, another"),
            ("Content-Type: a/b\r\nContent-Type: c/d", "two Content-Type"),
            ("Cookie: a=b\r\nCookie: c=d", "two Cookie")]
    for field, what in rows:
        b.refused(b.head(f"GET {PATH} HTTP/1.1", field), 400, None, what)
    for name in ("DPoP", "dpop"):
        b.refused(b.head(f"GET {PATH} HTTP/1.1", f"{name}: {b.proof()}"), 401,
                  "more than one DPoP proof", name)
    both = f"DPoP: {b.proof()}, {b.proof()}"
    b.refused(f"GET {PATH} HTTP/1.1\r\nHost: {b.host}\r\n{token}\r\n{both}\r\n\r\n", 401, None,
              "two proofs in one DPoP header")
    b.close()


def test_smuggling(w):
    """What two servers could frame differently; behind each waits a request that must not run."""
    b = Bench(w)
    post = "/u/git/demo/readme.git/git-upload-pack"
    hidden = b.head(f"GET {PATH} HTTP/1.1")
    line = f"POST {post} HTTP/1.1"
    git = "Content-Type: application/x-git-upload-pack-request"
    rows = [
        (["Content-Length: 4", "Transfer-Encoding: chunked"], "0\r\n\r\n", 400),
        (["Transfer-Encoding: chunked", "Content-Length: 4"], "0\r\n\r\n", 400),
        (["Content-Length: 0", "Content-Length: 5"], "", 400),
        (["Content-Length: 0", "Content-Length: 0"], "", 400),
        (["Content-Length: 0, 0"], "", 400),
        (["Content-Length: +0"], "", 400),
        (["Content-Length: 0x0"], "", 400),
        (["Content-Length: -1"], "", 400),
        (["Content-Length:"], "", 400),
        (["Content-Length: 99999999999999999999"], "", 431),
        (["Transfer-Encoding: identity"], "", 501),
        (["Transfer-Encoding: xchunked"], "0\r\n\r\n", 501),
        (["Transfer-Encoding: gzip, chunked"], "0\r\n\r\n", 501),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], "0\r\n\r\n", 400),
        (["Transfer-Encoding : chunked"], "0\r\n\r\n", 400),
        (["Transfer-Encoding:\x0bchunked"], "0\r\n\r\n", 400),
        (["Transfer_Encoding: chunked"], "0\r\n\r\n", 400),
        (["X: a\r\n Content-Length: 5"], "", 400),
        (["X: a\rTransfer-Encoding: chunked"], "", 400),
        (["X: a\nTransfer-Encoding: chunked"], "", 400),
        (["X: a\0b"], "", 400),
        (["Content-Length: 0", "Connection: authorization"], "", 400),
        (["Content-Length: 0", "Connection: content-length"], "", 400),
        (["Content-Length: 0", "Upgrade: h2c", "Connection: upgrade"], "", 501),
        (["Content-Length: 0", "Expect: 200-ok"], "", 501),
        (["Trailer: X", "Transfer-Encoding: chunked"], "0\r\n\r\n", 501),
    ]
    for fields, body, status in rows:
        b.refused(b.head(line, git, *fields, method="POST", path=post) + body + hidden, status,
                  None, repr(fields))
    for line, status in ((f"GET {PATH} HTTP/1.0\r\nTransfer-Encoding: chunked", 400),
                         (f"GET {PATH} HTTP/2.0", 501), (f"GET {PATH}", 400),
                         (f"GET  {PATH} HTTP/1.1", 400), (f"GET {PATH} HTTP/1.1 ", 400),
                         (f"G ET {PATH} HTTP/1.1", 400), (f"TRACE {PATH} HTTP/1.1", 405),
                         (f"CONNECT {b.host} HTTP/1.1", 405), (f"get {PATH} HTTP/1.1", 405)):
        b.refused(b.head(line) + hidden, status, None, line)
    b.refused(f"GET {PATH} HTTP/1.1\r\n{b.credentials()}\r\n{hidden}", 400, None, "no Host")
    b.close()


def test_broken_chunks_never_reach_the_server(w):
    b = Bench(w)
    post = "/u/git/demo/readme.git/git-receive-pack"
    rows = [("5\r\n00", "Cancelled: client closed the connection"),
            ("zz\r\n", "Malformed request: chunk size missing"),
            ("5;\x00\r\n00000\r\n0\r\n\r\n", "Malformed request: chunk extension characters"),
            ("-1\r\n", "Malformed request: chunk size missing"),
            ("5\n00000\r\n", "Malformed request: chunk size not hex"),
            ("ffffffffffffffff\r\n", "Too large: chunk size over the limit"),
            ("5\r\n000aXY\r\n0\r\n\r\n",
             "Malformed request: chunk data longer than its size")]
    for chunk, reason in rows:
        head = b.head(f"POST {post} HTTP/1.1", "Transfer-Encoding: chunked",
                      "Content-Type: application/x-git-receive-pack-request", method="POST",
                      path=post)
        with w.upstream_sees(0):
            answer = raw_http.exchange(b.port, head + chunk)
        equal((answer.status, answer.body), (200, git_wire.pkt(f"ERR {reason}\n")), repr(chunk))
    b.close()


def test_oversize(w):
    b = Bench(w)
    for fields, what in ((["X: " + "a" * 20_000], "one long value"),
                         ([f"X-{i}: 1" for i in range(80)], "many fields"),
                         (["X" * 100 + ": 1"], "a long name"),
                         ([f"X-{i}: " + "a" * 4000 for i in range(6)], "much together")):
        b.refused(b.head(f"GET {PATH} HTTP/1.1", *fields), 431, None, what)
    b.refused(f"GET /{'a' * 40_000} HTTP/1.1\r\nHost: {b.host}\r\n\r\n", 431, None, "a long line")
    for token in ("a" * 8_000, "eyJ" + "." * 8_000):
        request = (f"GET {PATH} HTTP/1.1\r\nHost: {b.host}\r\nAuthorization: DPoP {token}\r\n"
                   f"DPoP: {b.proof()}\r\n\r\n")
        with w.upstream_sees(0):
            answer = raw_http.exchange(b.port, request)
        expect(answer.status in (400, 401), f"{answer.raw[:100]!r}")
    b.close()


def test_slow_head_is_not_waited_for(w):
    """A head that drips takes a connection, never the others', and not for long."""
    b = Bench(w)
    with w.upstream_sees(0):
        slow = socket.create_connection(("127.0.0.1", b.port))
        slow.sendall(f"GET {PATH} HTTP/1.1\r\nHost: ".encode())
        start = time.monotonic()
        slow.settimeout(20)
        answer = slow.recv(1000)
        expect(5 < time.monotonic() - start < 15, "ten seconds for a head")
        contains(answer, b"408")
        slow.close()
    b.close()


def test_curl_as_a_person_would_try(w):
    """The same with curl, which normalises less than one thinks."""
    b = Bench(w)
    gateway = w.stint.gateway
    for arguments, status in (
            (["--path-as-is", f"{gateway}/u/git/demo/readme.git/../other.git/info/refs"], "400"),
            (["--path-as-is", f"{gateway}/u/git/%2e%2e/git/demo/other.git/info/refs"], "400"),
            ([f"{gateway}/u/git/demo%2fother.git/info/refs"], "400"),
            (["--request-target", gateway + PATH, gateway], "400"),
            (["-H", f"DPoP: {b.proof()}", gateway + PATH], "401"),
            (["-X", "TRACE", gateway + PATH], "405"),
            (["-H", "Transfer-Encoding: chunked", "-H", "Content-Length: 3", "-d", "abc",
              gateway + PATH], "400"),
            (["-H", "X-Big: " + "a" * 20000, gateway + PATH], "431"),
            (["-H", "Host:", gateway + PATH], "400"),
            ([gateway + "/u/nothing/x"], "401")):
        with w.upstream_sees(0):
            done = w.space.run([
                "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*",
                "-H", f"Authorization: DPoP {b.agent.token}", "-H", f"DPoP: {b.proof()}",
                *arguments])
        equal(done.stdout, status, " ".join(arguments)[:150])
    b.close()


def test_what_the_child_may_send_is_not_believed(w):
    """Forwarding and Stint's own header names of a client mean nothing, and do not travel."""
    b = Bench(w)
    with w.upstream_sees(1):
        answer = raw_http.exchange(b.port, b.head(
            f"GET {PATH} HTTP/1.1", "X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1",
            "Stint-Task: task_00000000000000000000000000000000", "Proxy-Authorization: Basic eA==",
            "X-Original-URL: /u/git/demo/other.git", "X-Rewrite-URL: /demo/other.git",
            "X-HTTP-Method-Override: DELETE", "Connection: close"))
    equal(answer.status, 200, answer.raw[:200])
    decided = processes.wait_until(  # of a read: written within 50 ms
        "the decision", lambda: w.stint.events(kind="decision", task=b.agent.task))[-1]
    equal((decided["resource"], decided["source_ip"]), ("demo/readme.git", "127.0.0.1"))
    b.close()


def test_other_listeners_are_as_strict(w):
    """The control listener stands on the same server."""
    port = w.stint.control_port
    host = f"Host: 127.0.0.1:{port}\r\n"
    rows = [(f"POST /oauth/token HTTP/1.1\r\n{host}Content-Length: 1\r\nTransfer-Encoding: chunked"
             "\r\n\r\n0\r\n\r\n", 400),
            (f"GET /v1/tasks/../log HTTP/1.1\r\n{host}\r\n", 400),
            (f"GET http://127.0.0.1:{port}/v1/tasks HTTP/1.1\r\n{host}\r\n", 400),
            (f"GET /v1/tasks HTTP/1.1\r\n{host}\r\n", 401),
            (f"GET /u/git/x HTTP/1.1\r\n{host}\r\n", 404),
            (f"DELETE /oauth/token HTTP/1.1\r\n{host}\r\n", 405)]
    for request, status in rows:
        answer = raw_http.exchange(port, request)
        equal(answer.status, status, request[:60])
        equal(answer.answers, 1)
    # Broken chunks, to who reads a body before it knows the sender.
    for path, kind, member, want in (
            ("/oauth/token", "x-www-form-urlencoded", "error", "invalid_request"),
            ("/oauth/introspect", "x-www-form-urlencoded", "error", "invalid_request"),
            ("/oauth/revoke", "x-www-form-urlencoded", "error", "invalid_request"),
            ("/v1/tasks", "json", "reason", "chunk size missing")):
        answer = raw_http.exchange(port, f"POST {path} HTTP/1.1\r\n{host}Content-Type: application/"
                                   f"{kind}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        equal((answer.status, json.loads(answer.text())[member]), (400, want), path)
