"""Verifiers elsewhere: one that follows the feed refuses what the gateway would, in time."""

import base64
import json
import threading
import time

import agent as agents
import edge_verifier
import pytest
import requests
import wire

READ = agents.grant("git", ["git.fetch"], wire.GIT["resources"])


@pytest.fixture
def edge(stint):
    """A verifier for the git gateway's audience, with a task and a token of its own."""
    own = stint.agent("edge")
    own._take(own.post("token_endpoint", {
        "grant_type": "client_credentials", "resource": stint.issuer,
        "authorization_details": json.dumps(
            [{"type": "stint_task", "purpose": "verify at the edge", "ttl": 600}, READ])}))
    return edge_verifier.EdgeVerifier(own, stint.issuer, stint.gateway + "/u/git")


def opened(stint, name="coder"):
    one = stint.agent(name)
    one.open_task("fix the typo in README", [wire.GIT], stint.idp.id_token(stint.alice),
                  resource=stint.gateway + "/u/git")
    return one


def current(verifier):
    return verifier.current


class Following:
    """The verifier's stream, in a thread of its own."""

    def __init__(self, verifier):
        self.stop = False
        self.thread = threading.Thread(
            target=lambda: verifier.follow(until=lambda _: self.stop), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def cut(self):
        self.stop = True  # at the next message, a second later at most
        self.thread.join(10)
        assert not self.thread.is_alive()

    def __exit__(self, *_):
        self.cut()


def wait(holds, seconds=10):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.01)


def denied(verifier, token, why):
    with pytest.raises(edge_verifier.Denied, match=why):
        verifier.check(token)


def test_refuses_before_it_knows_anything(stint, edge):
    denied(edge, opened(stint).token, "nothing is known yet")


def test_refuses_what_was_closed_before_it_came(stint, edge):
    over, fine = opened(stint), opened(stint)
    over.end()
    edge.follow(until=current)
    denied(edge, over.token, "the task is closed")
    assert edge.check(fine.token)["task"]["id"] == fine.task


def test_refuses_from_the_acknowledged_close_on(stint, edge):
    one, child = opened(stint, "helper"), stint.agent("coder")
    one.refresh(resource=stint.issuer, authorization_details=json.dumps([READ]))
    one.delegate(child, "read it first", [READ])
    child.refresh(resource=stint.gateway + "/u/git")
    with Following(edge):
        wait(lambda: edge.current)
        assert edge.check(child.token)
        one.end()  # acknowledged
        end = time.monotonic() + 2
        while time.monotonic() < end:
            try:
                edge.check(child.token)
                time.sleep(0.005)
            except edge_verifier.Denied as why:
                assert str(why) == "the task is closed"
                break
        denied(edge, child.token, "the task is closed")


def test_a_pause_holds_up_the_child_and_lets_go_again(stint, edge):
    one, child = opened(stint, "helper"), stint.agent("coder")
    one.refresh(resource=stint.issuer, authorization_details=json.dumps([READ]))
    one.delegate(child, "read it first", [READ])
    child.refresh(resource=stint.gateway + "/u/git")
    with Following(edge):
        wait(lambda: edge.current)
        assert edge.check(child.token)
        stint.cli("task", "pause", one.task)
        wait(lambda: one.task in edge.paused)
        denied(edge, child.token, "the task is paused")
        stint.cli("task", "resume", one.task)
        wait(lambda: one.task not in edge.paused)
        assert edge.check(child.token)


def test_refuses_when_its_view_is_too_old(stint, edge):
    one = opened(stint)
    edge.bound = 1.5
    with Following(edge) as stream:
        wait(lambda: edge.current)
        assert edge.check(one.token)
        stream.cut()
    wait(lambda: time.monotonic() - edge.known_at > edge.bound)
    denied(edge, one.token, "the view is too old")
    edge.follow(until=lambda v: time.monotonic() - v.known_at < 1)
    assert edge.check(one.token)


def test_misses_nothing_when_it_comes_back(stint, edge):
    edge.follow(until=current)
    before = edge.last_id
    ended = [opened(stint) for _ in range(5)]
    for one in ended:
        one.end()
    wanted = {one.task for one in ended}
    while not wanted <= edge.closed:  # cut after every message that has an id
        heard = len(edge.heard)
        assert edge.follow(until=lambda v: v.heard[-1][0] is not None and len(v.heard) > heard) == 200
    ids = [int(i) for i, event in edge.heard if event == "task.closed" and i]
    assert ids == sorted(set(ids)) and ids[0] > int(before), "each once, in order"
    closed = {e["task"] for e in stint.events(kind="task.closed")}
    assert wanted <= closed
    assert "snapshot" not in [event for i, event in edge.heard[1:]], "it went on, and did not begin anew"


def test_refusals(stint, edge):
    edge.last_id = "999999999"
    assert edge.follow() == 412
    stranger = edge_verifier.EdgeVerifier(opened(stint), stint.issuer, stint.gateway + "/u/git")
    assert stranger.follow() == 401  # its token is for the gateway
    one = stint.agent("coder")
    one._take(one.post("token_endpoint", {
        "grant_type": agents.EXCHANGE, "subject_token": stint.idp.id_token(stint.alice),
        "subject_token_type": agents.ID_TOKEN, "resource": stint.issuer,
        "authorization_details": json.dumps(
            [{"type": "stint_task", "purpose": "look around", "ttl": 60}, READ])}))
    assert edge_verifier.EdgeVerifier(one, stint.issuer, "x").follow() == 403
    reply = requests.get(stint.issuer + "/v1/feed", headers={"Accept": "text/event-stream"},
                         timeout=10)
    assert reply.status_code == 401


def renew(stint, edge):
    """A token of the key that signs now, for the verifier itself."""
    edge.agent.refresh(resource=stint.issuer)


def test_refuses_a_retired_key_before_it_reads_the_keys_again(stint, edge):
    before = opened(stint)
    stint.cli("keys", "rotate", "--now", "--yes")
    after = opened(stint)
    old, new = (edge_verifier.kid_of(one.token) for one in (before, after))
    assert old != new
    renew(stint, edge)
    with Following(edge):
        wait(lambda: edge.current and not edge.keys_due)
        edge.keys_asked = None  # as if it were a while ago
        assert edge.check(before.token) and edge.check(after.token), "both keys count"
        edge.read_keys = lambda: None  # the copy stays as it is, with the old key
        stint.cli("keys", "revoke", old, "--yes")  # acknowledged
        wait(lambda: old in edge.retired)
        assert old in edge.kids()
        denied(edge, before.token, "the key of the token is retired")
        assert edge.check(after.token)["task"]["id"] == after.task


def test_the_snapshot_tells_of_retired_keys(stint, edge):
    before = opened(stint)
    old = edge_verifier.kid_of(before.token)
    stint.cli("keys", "revoke", old, "--yes")  # a fresh key signs at once
    after = opened(stint)
    renew(stint, edge)
    edge.keys_asked, edge.read_keys = None, lambda: None
    edge.follow(until=current)
    assert old in edge.retired and old in edge.kids()
    denied(edge, before.token, "the key of the token is retired")
    denied(edge, after.token, "the key of the token is unknown")
    del edge.read_keys
    assert edge.check(after.token)["task"]["id"] == after.task


def test_strangers_do_not_make_it_ask_for_the_keys(stint, edge):
    edge.follow(until=current)
    _, body, signature = opened(stint).token.split(".")
    asked = []
    get = edge.agent.http.get
    edge.agent.http.get = lambda url, **how: asked.append(url) or get(url, **how)
    edge.keys_asked = None
    for i in range(50):
        header = json.dumps({"typ": "at+jwt", "alg": "ES256", "kid": f"stranger-{i}"})
        head = base64.urlsafe_b64encode(header.encode()).rstrip(b"=").decode()
        denied(edge, f"{head}.{body}.{signature}", "the key of the token is unknown")
    assert len(asked) == 1


def test_ends_with_its_own_task(stint, edge):
    with Following(edge):
        wait(lambda: edge.current)
        edge.agent.end()
        wait(lambda: edge.ended is not None)
    assert edge.ended == "not-allowed"
