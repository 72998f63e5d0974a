"""Git's protocol from an OAuth client of stock libraries, without `stint run` and its relay; and
what happens to tokens that are stolen, foreign, too old, or dead."""

import base64
import json
import socket
import threading
import time

import agent as agents
import git_wire
import processes
import raw_http
from joserfc.jwk import ECKey
from suite import contains, equal, expect
from world import DELETE, FETCH, PUSH, reason

DISCOVERY = "/info/refs?service=git-upload-pack"
PUSHES = "/info/refs?service=git-receive-pack"


def receive(agent, w, *changes, headers=()):
    return agent.call("POST", w.url + "/git-receive-pack", data=git_wire.commands(*changes),
                      headers={**git_wire.RECEIVE, **dict(headers)})


def test_fetch(w):
    a = w.open_agent()
    refs = git_wire.refs(a.call("GET", w.url + DISCOVERY).content)
    main = w.git.git("demo/readme.git", "rev-parse", "main")
    equal(refs["refs/heads/main"], main)
    answer = a.call("POST", w.url + "/git-upload-pack", data=git_wire.want(main),
                    headers=git_wire.UPLOAD)
    equal(answer.status_code, 200)
    contains(answer.content, b"PACK")
    expect("Stint-Decision" in answer.headers and "Stint-Task-Expires" in answer.headers,
           f"{dict(answer.headers)}")
    a.end()


def test_token_of_the_algorithm_that_the_upstream_names(w):
    a = w.stint.agent()
    a.open_task("read it", [agents.grant("git-rs256", [FETCH], ["demo/readme.git"])],
                w.stint.idp.id_token(w.stint.alice))
    header = json.loads(base64.urlsafe_b64decode(a.token.split(".")[0] + "=="))
    equal((header["typ"], header["alg"]), ("at+jwt", "RS256"))
    url = w.stint.gateway + "/u/git-rs256/demo/readme.git" + DISCOVERY
    a.learn_nonce(url)
    with w.upstream_sees(1):
        equal(a.call("GET", url).status_code, 200)
    a.end()


def test_push_creates_a_branch(w):
    a = w.open_agent([PUSH])
    main = git_wire.refs(a.call("GET", w.url + PUSHES).content)["refs/heads/main"]
    answer = receive(a, w, (git_wire.ZERO, main, "refs/heads/by-oauth"))
    equal(answer.status_code, 200)
    contains(answer.content, b"ok refs/heads/by-oauth")
    equal(w.git.git("demo/readme.git", "rev-parse", "by-oauth"), main)
    a.end()


def test_deletion_waits_for_the_answer_when_it_prefers_to(w):
    main = w.git.git("demo/readme.git", "rev-parse", "main")
    w.git.git("demo/readme.git", "branch", "waits", main)
    a = w.open_agent([DELETE])
    got = []
    waiting = threading.Thread(target=lambda: got.append(receive(
        a, w, (main, git_wire.ZERO, "refs/heads/waits"), headers={"Prefer": "wait=30"})))
    waiting.start()
    [approval] = processes.wait_until("the question", lambda: w.asked(a.task))
    w.stint.cli("approve", approval, "--yes", *w.bob())
    waiting.join(30)
    equal(got[0].status_code, 200)
    contains(got[0].content, b"ok refs/heads/waits")
    expect("waits" not in w.git.branches("demo/readme.git"), "the branch is gone")
    a.end()


def test_approval_is_for_that_very_call(w):
    main = w.git.git("demo/readme.git", "rev-parse", "main")
    for branch in ("one", "two"):
        w.git.git("demo/readme.git", "branch", branch, main)
    a = w.open_agent([DELETE])
    with w.upstream_sees(0):
        contains(receive(a, w, (main, git_wire.ZERO, "refs/heads/one")).content,
                 b"ng refs/heads/one approval required: apr_")
    w.stint.cli("approve", w.asked(a.task)[0], "--yes", *w.bob())
    with w.upstream_sees(0):
        contains(receive(a, w, (main, git_wire.ZERO, "refs/heads/two")).content,
                 b"ng refs/heads/two approval required: apr_")
    contains(receive(a, w, (main, git_wire.ZERO, "refs/heads/one")).content, b"ok refs/heads/one")
    expect("two" in w.git.branches("demo/readme.git"), "the other branch is there")
    a.end()


def test_approval_of_one_task_is_nothing_to_another(w):
    main = w.git.git("demo/readme.git", "rev-parse", "main")
    w.git.git("demo/readme.git", "branch", "mine", main)
    a, b = w.open_agent([DELETE]), w.open_agent([DELETE])
    receive(a, w, (main, git_wire.ZERO, "refs/heads/mine"))
    w.stint.cli("approve", w.asked(a.task)[0], "--yes", *w.bob())
    with w.upstream_sees(0):
        contains(receive(b, w, (main, git_wire.ZERO, "refs/heads/mine")).content,
                 b"approval required")
    a.end()
    b.end()
    with w.upstream_sees(0):  # an approval dies with its task
        equal(receive(a, w, (main, git_wire.ZERO, "refs/heads/mine")).status_code, 401)


def test_agent_cannot_answer_itself(w):
    main = w.git.git("demo/readme.git", "rev-parse", "main")
    a = w.open_agent([DELETE])
    receive(a, w, (main, git_wire.ZERO, "refs/heads/old-idea"))
    [approval] = w.asked(a.task)
    handle = a.token
    a.refresh(resource=a.metadata["issuer"])
    url = f"{w.stint.issuer}/v1/approvals/{approval}"
    equal(a.call("GET", url).status_code, 200)
    for path in ("/approve", "/answer", ""):
        for method in ("POST", "PUT", "PATCH"):
            answer = a.call(method, url + path, json={"answer": "once"})
            expect(answer.status_code in (403, 404, 405), f"{method} {path}: {answer.status_code}")
    a.token = handle
    with w.upstream_sees(0):
        contains(receive(a, w, (main, git_wire.ZERO, "refs/heads/old-idea")).content,
                 b"approval required")
    a.end()


def test_delegation_is_within_and_dies_with_the_parent(w):
    a = w.open_agent([FETCH, PUSH])
    b = w.stint.agent("helper")

    def delegated(parent, grants):
        try:
            parent.delegate(b, "help", grants, ttl=60)
        except agents.Refused as refused:
            return refused.body["error"], refused.body["error_description"].split(":")[0]
        return None
    equal(delegated(a, [agents.grant("git", [FETCH], ["demo/other.git"])]),
          ("invalid_authorization_details", "grants exceed the parent's"))
    # The token alone gives nothing away: not with another's key, nor as another client.
    mine = [agents.grant("git", [FETCH], ["demo/readme.git"])]
    thief = w.stint.agent("helper")
    thief.token = a.token
    equal(delegated(thief, mine),
          ("invalid_request", "the subject token is bound to another key"))
    thief.dpop_key = a.dpop_key
    equal(delegated(thief, mine),
          ("invalid_request", "the subject token belongs to another client"))
    expect(b.task is None, "a stolen token was delegated")
    equal(delegated(a, mine), None)
    b.learn_nonce(w.url + DISCOVERY)
    equal(b.call("GET", w.url + DISCOVERY).status_code, 200)
    a.end()
    with w.upstream_sees(0):
        refused = b.call("GET", w.url + DISCOVERY)
        equal((refused.status_code, refused.json()["type"]),
              (401, "urn:stint:problem:task-closed"))
    equal([e["how"] for e in w.stint.events(kind="task.closed", task=b.task)], ["parent-closed"])


# --- stolen, foreign, too old, dead: status, reason, signal; the server sees nothing ---

def refused(w, headers, want, signal=None, url=None, status=401, method="GET"):
    known = w.stint.quiet_signals()
    with w.upstream_sees(0):
        answer = raw_http.Connection(w.stint.gateway_port).send(
            raw_http.request(method, url or w.url + DISCOVERY, headers))
    equal(answer.status, status, answer.text())
    equal(json.loads(answer.text())["reason"], want)
    if signal:
        processes.wait_until(f"signal {signal}", lambda: w.stint.signals(known))
    equal(w.stint.signals(known), [signal] if signal else [], "signals")
    return answer


def test_stolen_token(w):
    a = w.open_agent()
    url = w.url + DISCOVERY
    used = a.proof("GET", url)
    equal(a.call("GET", url, proof=used).status_code, 200)
    dpop = {"Authorization": f"DPoP {a.token}"}
    other = ECKey.generate_key("P-256", private=True)
    refused(w, {"Authorization": f"Bearer {a.token}"},
            "the token is bound to a key: send it as DPoP with a proof", "proof-missing")
    refused(w, dpop, "no DPoP proof", "proof-missing")
    refused(w, {**dpop, "DPoP": a.proof("GET", url, key=other)}, "dpop key", "key-mismatch")
    refused(w, {**dpop, "DPoP": used}, "proof replayed", "proof-replayed")
    # A proof made for something else.
    refused(w, {**dpop, "DPoP": a.proof("POST", url)}, "dpop htm", "proof-mismatch")
    refused(w, {**dpop, "DPoP": a.proof("GET", w.url + "/git-upload-pack")}, "dpop htu",
            "proof-mismatch")
    refused(w, {**dpop, "DPoP": agents.make_proof(a.dpop_key, "GET", url, "another.token",
                                                  a.nonce)}, "dpop ath", "proof-mismatch")
    refused(w, {**dpop, "DPoP": agents.make_proof(a.dpop_key, "GET", url, None, a.nonce)},
            "dpop ath")
    now = int(time.time())
    refused(w, {**dpop, "DPoP": a.proof("GET", url, iat=now - 600)}, "dpop iat too old",
            "proof-stale")
    refused(w, {**dpop, "DPoP": a.proof("GET", url, iat=now + 600)}, "dpop iat in the future")
    answer = refused(w, {**dpop, "DPoP": a.proof("GET", url, nonce="made-up")}, "dpop nonce")
    contains(answer.headers["www-authenticate"], 'error="use_dpop_nonce"')
    equal(a.call("GET", url).status_code, 200, "its owner goes on")
    a.end()


def test_token_for_another_service(w):
    a = w.open_agent()
    a.refresh(resource=a.metadata["issuer"])  # good at the API, not at the gateway
    url = w.url + DISCOVERY
    refused(w, {"Authorization": f"DPoP {a.token}", "DPoP": a.proof("GET", url)},
            "token aud", "wrong-audience")
    a.end()


def test_narrowed_token(w):
    """A token that was minted with less may do less than its task."""
    a = w.open_agent([FETCH, PUSH])
    a.refresh(authorization_details=json.dumps([agents.grant("git", [FETCH], ["demo/readme.git"])]))
    equal(a.call("GET", w.url + DISCOVERY).status_code, 200)
    main = w.git.git("demo/readme.git", "rev-parse", "main")
    with w.upstream_sees(0):
        contains(receive(a, w, (git_wire.ZERO, main, "refs/heads/narrow")).content,
                 b"ng refs/heads/narrow Denied: no policy permits")
    a.end()


def test_broken_tokens(w):
    a = w.open_agent()
    url = w.url + DISCOVERY
    head, body, signature = a.token.split(".")
    none = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJub25lIn0"
    known = w.stint.quiet_signals()
    for token, why in ((f"{head}.{body}.{signature[:-4]}AAAA", "signature"),
                       (f"{none}.{body}.", "jws alg"), (f"{head}.{body}", "jws parts"),
                       ("stint_access_" + "0" * 38, "jws parts"), ("x", "jws parts"),
                       (a.token + "A", "signature"), ("." * 100, "jws parts")):
        with w.upstream_sees(0):
            answer = raw_http.Connection(w.stint.gateway_port).send(raw_http.request("GET", url, {
                "Authorization": f"DPoP {token}",
                "DPoP": agents.make_proof(a.dpop_key, "GET", url, token, a.nonce)}))
        equal((answer.status, json.loads(answer.text())["reason"]), (401, why), token[:20])
        contains(answer.headers["www-authenticate"], 'error="invalid_token"')
        equal(w.stint.signals(known), [], token[:20])
    a.end()


def test_end_by_the_handle(w):
    a = w.open_agent()
    a.end()
    url = w.url + DISCOVERY
    refused(w, {"Authorization": f"DPoP {a.token}", "DPoP": a.proof("GET", url)},
            "the task is closed", "used-after-end")
    try:
        a.refresh()
        expect(False, "the handle still mints")
    except agents.Refused as gone:
        equal((gone.status, gone.body["error"]), (400, "invalid_grant"))
    equal(a.introspect(a.token), {"active": False})


def test_pause_and_resume(w):
    a = w.open_agent()
    url = w.url + DISCOVERY
    w.stint.cli("task", "pause", a.task)
    with w.upstream_sees(0):
        answer = a.call("GET", url)
    contains(answer.text, "paused")
    w.stint.cli("task", "resume", a.task)
    equal(a.call("GET", url).status_code, 200)
    a.end()


def test_end_cuts_a_slow_reader(w):
    """A client that has stopped reading holds nothing open after the end."""
    a = w.open_agent(repository="slow/big.git")
    base = w.stint.gateway + "/u/git/slow/big.git"
    main = w.git.git("slow/big.git", "rev-parse", "main")
    connection = raw_http.Connection(w.stint.gateway_port)
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    url = base + "/git-upload-pack"
    connection.socket.sendall(raw_http.request("POST", url, {
        **git_wire.UPLOAD, "Authorization": f"DPoP {a.token}", "DPoP": a.proof("POST", url)},
        git_wire.want(main)))
    got = b""
    while len(got) < 50_000:
        got += connection._more()
    contains(got.split(b"\r\n")[0], b"200")
    a.end()
    start, total = time.monotonic(), len(got)
    try:
        while chunk := connection.socket.recv(65536):
            total += len(chunk)
    except OSError:
        pass
    expect(time.monotonic() - start < 3, "the stream went on after the end")
    expect(total < 8 << 20, f"{total} bytes: all of it was sent")
    [outcome] = processes.wait_until("the outcome", lambda: w.stint.events(
        kind="outcome", task=a.task))
    equal(outcome["ending"], "cut")


def test_malformed_pushes(w):
    a = w.open_agent([PUSH, DELETE])
    main = w.git.git("demo/readme.git", "rev-parse", "main")
    good = f"{main} {git_wire.ZERO} refs/heads/old-idea".encode()
    rows = {
        "cut short": (git_wire.pkt(good)[:40], "Malformed request: git command list truncated"),
        "no flush": (git_wire.pkt(good), "Malformed request: git command list truncated"),
        "length below four": (b"0003", "Malformed request: pkt-line length"),
        "length that is none": (b"zzzz" + good, "Malformed request: pkt-line length"),
        "length beyond the limit": (b"ffff" + b"x" * 65531, "Too large: pkt-line too large"),
        "upper-case id": (git_wire.pkt(good.upper()) + git_wire.FLUSH,
                          "Malformed request: git object id"),
        "a ref that git refuses": (
            git_wire.pkt(good.replace(b"old-idea", b"old..idea")) + git_wire.FLUSH,
            "Malformed request: git ref name"),
        "the same ref twice": (git_wire.pkt(good) * 2 + git_wire.FLUSH,
                               "Malformed request: git ref named twice"),
        "a push certificate": (git_wire.pkt(b"push-cert\0 report-status\n") + git_wire.FLUSH,
                               "Not supported: git push certificates are not supported"),
        "not pkt-lines": (b"PACK" * 100, "Malformed request: pkt-line length"),
    }
    for name, (body, want) in rows.items():
        with w.upstream_sees(0):
            answer = a.call("POST", w.url + "/git-receive-pack", data=body,
                            headers=git_wire.RECEIVE)
        equal((answer.status_code, answer.content), (200, git_wire.pkt(f"ERR {want}\n")), name)
    expect("old-idea" in w.git.branches("demo/readme.git"), "nothing was deleted")
    a.end()


def test_encoded_and_dumb_git_requests(w):
    a = w.open_agent([FETCH, PUSH])
    main = w.git.git("demo/readme.git", "rev-parse", "main")
    rows = [("POST", "/git-receive-pack", {**git_wire.RECEIVE, "Content-Encoding": "gzip"}, 400,
             "git push with content-encoding"),
            ("POST", "/git-upload-pack", {**git_wire.UPLOAD, "Content-Encoding": "br"}, 400,
             "git content-encoding"),
            ("POST", "/git-upload-pack", {"Content-Type": "text/plain"}, 400, "git content-type"),
            ("GET", "/HEAD", {}, 400, "not a smart git request"),
            ("GET", "/objects/info/packs", {}, 400, "not a smart git request"),
            ("GET", "/info/refs", {}, 400, "git dumb protocol"),
            ("GET", "/info/refs?service=git-other", {}, 400, "git service"),
            ("GET", "/info/refs?service=git-upload-pack&service=git-receive-pack", {}, 400,
             "git discovery query"),
            ("PUT", "/git-upload-pack", git_wire.UPLOAD, 405, "git service is not a POST"),
            ("GET", "/git-upload-pack", {}, 405, "git service is not a POST")]
    for method, path, headers, status, want in rows:
        with w.upstream_sees(0):
            answer = a.call(method, w.url + path, headers=headers,
                            data=git_wire.want(main) if method != "GET" else None)
        equal((answer.status_code, reason(answer)), (status, want), f"{method} {path}")
    a.end()
