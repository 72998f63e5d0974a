"""A person's session and an upstream's own secret, offered by an agent: refused, and reported."""

import base64
import json

import agent as agents
import identities
import processes
import raw_http
from suite import equal, expect
from world import FETCH

DISCOVERY = "/info/refs?service=git-upload-pack"
REASON = "a human's or an upstream's own credential is not accepted here"


def offered(w, headers, port=None, url=None):
    known = w.stint.quiet_signals()
    with w.upstream_sees(0):
        answer = raw_http.Connection(port or w.stint.gateway_port).send(
            raw_http.request("GET", url or w.url + DISCOVERY, headers))
    equal(answer.status, 401, answer.text())
    equal(json.loads(answer.text())["reason"], REASON)
    processes.wait_until("the signal", lambda: w.stint.signals(known))
    equal(w.stint.signals(known), ["borrowed-session"])
    event = w.stint.events(kind="signal")[-1]
    equal(event["strength"], "hard")
    return answer


def test_id_token_as_bearer(w):
    token = w.stint.idp.id_token(w.stint.alice)
    offered(w, {"Authorization": f"Bearer {token}"})


def test_id_token_with_a_proof(w):
    a = w.stint.agent()
    a.learn_nonce(w.url + DISCOVERY)
    token = w.stint.idp.id_token(w.stint.alice)
    url = w.url + DISCOVERY
    offered(w, {"Authorization": f"DPoP {token}",
                "DPoP": agents.make_proof(a.dpop_key, "GET", url, token, a.nonce)})


def test_expired_id_token_is_borrowed_all_the_same(w):
    token = w.stint.idp.id_token(w.stint.alice, iat=1700000000, exp=1700000300)
    offered(w, {"Authorization": f"Bearer {token}"})


def test_git_password_as_basic(w):
    pair = base64.b64encode(f"{w.git.user}:{w.git.password}".encode()).decode()
    offered(w, {"Authorization": f"Basic {pair}"})


def test_git_password_as_bearer(w):
    offered(w, {"Authorization": f"Bearer {w.git.password}"})


def test_strangers_password_is_only_refused(w):
    known = w.stint.quiet_signals()
    pair = base64.b64encode(b"stint:not-it").decode()
    with w.upstream_sees(0):
        answer = raw_http.Connection(w.stint.gateway_port).send(
            raw_http.request("GET", w.url + DISCOVERY, {"Authorization": f"Basic {pair}"}))
    equal((answer.status, json.loads(answer.text())["reason"]),
          (401, "authorization is neither DPoP nor Bearer"))
    equal(w.stint.signals(known), [])


def test_strangers_id_token_is_only_refused(w):
    known = w.stint.quiet_signals()
    forged = identities.Idp().id_token(w.stint.alice)  # another key, the same names
    with w.upstream_sees(0):
        answer = raw_http.Connection(w.stint.gateway_port).send(
            raw_http.request("GET", w.url + DISCOVERY, {"Authorization": f"Bearer {forged}"}))
    equal((answer.status, json.loads(answer.text())["reason"]), (401, "token typ"))
    equal(w.stint.signals(known), [])


def test_id_token_as_client_assertion(w):
    a = w.stint.agent()
    known = w.stint.quiet_signals()
    a.assertion = lambda: w.stint.idp.id_token(w.stint.alice)
    try:
        a.open_task("x", [agents.grant("git", [FETCH])], w.stint.idp.id_token(w.stint.alice))
        expect(False, "an ID token passed as an agent's assertion")
    except agents.Refused as refused:
        equal((refused.status, refused.body["error"]), (401, "invalid_client"))
    processes.wait_until("the signal", lambda: w.stint.signals(known))
    equal(w.stint.signals(known), ["borrowed-session"])


def test_id_token_as_access_token(w):
    a = w.stint.agent()
    known = w.stint.quiet_signals()
    try:
        a.post("token_endpoint", {
            "grant_type": agents.EXCHANGE, "subject_token": w.stint.idp.id_token(w.stint.alice),
            "subject_token_type": agents.ACCESS_TOKEN, "actor_token": a.actor_token(),
            "actor_token_type": agents.JWT_TYPE, "authorization_details": json.dumps(
                [{"type": "stint_task", "purpose": "x"}, agents.grant("git", [FETCH])])})
        expect(False, "an ID token passed as a parent's token")
    except agents.Refused as refused:
        equal((refused.status, refused.body["error"]), (400, "invalid_request"))
    processes.wait_until("the signal", lambda: w.stint.signals(known))
    equal(w.stint.signals(known), ["borrowed-session"])


def test_id_token_as_handle(w):
    a = w.stint.agent()
    known = w.stint.quiet_signals()
    try:
        a.post("token_endpoint", {"grant_type": "refresh_token",
                                  "refresh_token": w.stint.idp.id_token(w.stint.alice)})
        expect(False, "an ID token passed as a handle")
    except agents.Refused as refused:
        equal((refused.status, refused.body["error"]), (400, "invalid_grant"))
    processes.wait_until("the signal", lambda: w.stint.signals(known))
    equal(w.stint.signals(known), ["borrowed-session"])


def test_id_token_beside_a_proof_at_the_api(w):
    """An ID token alone is a person; with an agent's proof it is a borrowed session."""
    a = w.open_agent()
    known = w.stint.quiet_signals()
    url = w.stint.issuer + "/v1/tasks"
    token = w.stint.idp.id_token(w.stint.alice)
    equal(a.http.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code,
          200, "the person herself")
    answer = a.http.get(url, timeout=10, headers={
        "Authorization": f"Bearer {token}", "DPoP": a.proof("GET", url)})
    expect(answer.status_code in (401, 403), f"{answer.status_code} {answer.text}")
    processes.wait_until("the signal", lambda: w.stint.signals(known))
    equal(w.stint.signals(known), ["borrowed-session"])
    a.end()
