"""Our tokens in the hands of joserfc, and every grant by an agent written with stock libraries."""

import json
import time

import agent as agents
import pytest
import requests
import wire
from joserfc import jwk, jwt
from joserfc.errors import BadSignatureError


@pytest.fixture(scope="module")
def keys(stint):
    url = requests.get(stint.issuer + "/.well-known/openid-configuration", timeout=10).json()["jwks_uri"]
    return jwk.KeySet.import_key_set(requests.get(url, timeout=10).json())


def verify(token, keys):
    return jwt.decode(token, keys, algorithms=["ES256"])


def open_for_alice(stint, name="coder", **more):
    one = stint.agent(name)
    one.open_task("fix the typo in README", [wire.GIT], stint.idp.id_token(stint.alice),
                  resource=stint.gateway + "/u/git", **more)
    return one


def test_key_set(stint, keys):
    published = requests.get(stint.issuer + "/oauth/jwks", timeout=10).json()["keys"]
    # One that signs for each, and those that a rotation left until their last token is dead.
    assert sorted({key["alg"] for key in published}) == ["ES256", "EdDSA", "RS256"]
    for key in published:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(key)
        assert key["kid"] == jwk.import_key(key).thumbprint()
    assert len({key["kid"] for key in published}) == len(published) == len(keys.keys)


@pytest.mark.parametrize("path", ["/.well-known/oauth-authorization-server",
                                  "/.well-known/openid-configuration", "/oauth/jwks"])
def test_documents(stint, path):
    reply = requests.get(stint.issuer + path, timeout=10)
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "application/json")
    assert requests.head(stint.issuer + path, timeout=10).status_code == 200
    refused = requests.post(stint.issuer + path, data="x", timeout=10)
    assert refused.status_code == 405 and "GET" in refused.headers["Allow"]


def test_claims(stint, keys):
    one = open_for_alice(stint, reference="T-7")
    token = verify(one.token, keys)
    assert token.header["typ"] == "at+jwt"
    claims = token.claims
    assert claims["iss"] == stint.issuer
    assert claims["aud"] == stint.gateway + "/u/git"
    assert claims["sub"] == "alice"
    assert claims["act"] == {"sub": "agent:coder"}
    assert claims["client_id"] == "coder"
    assert claims["acr"] == "urn:demo:passkey"
    assert claims["cnf"] == {"jkt": one.dpop_key.thumbprint()}
    assert claims["task"]["id"] == one.task
    assert claims["task"]["reference"] == "T-7"
    assert claims["authorization_details"] == [wire.GIT]
    assert claims["iat"] <= time.time() + 1 and 0 < claims["exp"] - claims["iat"] <= 300


def test_altered_tokens_do_not_verify(stint, keys):
    one = open_for_alice(stint)
    head, _, signature = one.token.split(".")
    other = open_for_alice(stint)
    with pytest.raises(BadSignatureError):
        verify(f"{head}.{other.token.split('.')[1]}.{signature}", keys)
    # Nor for us.
    assert one.introspect(f"{head}.{other.token.split('.')[1]}.{signature}") == {"active": False}


def test_the_life_of_a_task(stint, keys):
    one = open_for_alice(stint)
    first = one.token
    assert one.introspect(first)["active"] is True
    one.refresh()
    assert verify(one.token, keys).claims["task"]["id"] == one.task
    assert one.token != first
    one.end()
    for token in (first, one.token):
        assert one.introspect(token) == {"active": False}
    with pytest.raises(agents.Refused, match="400 invalid_grant"):
        one.refresh()
    # Who ended it, and how, is in the log.
    closed = stint.events(kind="task.closed", task=one.task)
    assert len(closed) == 1


def test_delegation(stint, keys):
    parent, child = open_for_alice(stint, "helper"), stint.agent("coder")
    read = agents.grant("git", ["git.fetch"], wire.GIT["resources"])
    reply = parent.delegate(child, "read it first", [read], ttl=60)
    assert reply["issued_token_type"] == agents.ACCESS_TOKEN
    claims = verify(reply["access_token"], keys).claims
    assert claims["sub"] == "alice"
    assert claims["act"] == {"sub": "agent:coder", "act": {"sub": "agent:helper"}}
    assert claims["task"]["parent"] == parent.task
    assert claims["cnf"] == {"jkt": child.dpop_key.thumbprint()}
    parent.end()
    assert child.introspect(reply["access_token"]) == {"active": False}
    with pytest.raises(agents.Refused, match="400 invalid_request"):
        parent.delegate(child, "read it first", [read], ttl=60)


def exchange(ask, **changes):
    ask.form.update({
        "grant_type": agents.EXCHANGE, "subject_token": ask.stint.idp.id_token(ask.stint.alice),
        "subject_token_type": agents.ID_TOKEN, **changes})
    return ask.send()


def id_token(**changes):
    return lambda stint: {"subject_token": stint.idp.id_token(stint.alice, **changes)}


EXCHANGE_ROWS = {
    "8693_2_actor_without_type": (lambda s: {"actor_token": "x"},
                                  "actor_token and actor_token_type go together"),
    "8693_2_actor_type_alone": (lambda s: {"actor_token_type": agents.JWT_TYPE},
                                "actor_token and actor_token_type go together"),
    "8693_2_actor_type_unknown": (lambda s: {"actor_token": "x", "actor_token_type": "urn:x"},
                                  "actor_token_type is not known here"),
    "8693_no_subject": (lambda s: {"subject_token": None}, "subject_token is missing"),
    "8693_no_subject_type": (lambda s: {"subject_token_type": None},
                             "subject_token_type is missing"),
    "8693_subject_type_unknown": (lambda s: {"subject_token_type": "urn:x"},
                                  "subject_token_type is not known here"),
    "8693_requested_type": (
        lambda s: {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        "requested_token_type is not known here"),
    "8693_7_unknown_issuer": (id_token(iss="https://other.example"),
                              "id token issuer is not trusted"),
    "8693_7_other_audience": (id_token(aud="somebody-else"), "id token aud"),
    "8693_7_several_audiences": (id_token(aud=["stint", "other"]), "id token azp"),
    "8693_expired": (id_token(iat=int(time.time()) - 400, exp=int(time.time()) - 100),
                     "jwt expired"),
    "8693_too_old": (id_token(iat=int(time.time()) - 900), "id token is too old"),
    "8693_unknown_human": (lambda s: {"subject_token": s.idp.id_token("nobody-1")},
                           "the human is not known here"),
    "8693_2_no_actor": (lambda s: {"subject_token_type": agents.ACCESS_TOKEN},
                        "actor_token is missing"),
    "8693_7_id_token_as_access_token": (
        lambda s: {"subject_token_type": agents.ACCESS_TOKEN, "actor_token": "x",
                   "actor_token_type": agents.JWT_TYPE}, "token typ"),
}


@pytest.mark.parametrize("row", EXCHANGE_ROWS, ids=str)
def test_exchange(row, ask, nothing_opens):
    changes, reason = EXCHANGE_ROWS[row]
    exchange(ask, **changes(ask.stint)).refused(400, "invalid_request", reason)


def test_who_may_act(ask):
    """RFC 8693 4.4: the human's own claim is checked."""
    token = ask.stint.idp.id_token
    exchange(ask, subject_token=token(ask.stint.alice, may_act={"sub": "helper"})).refused(
        400, "access_denied", "the human lets another client act")
    one = wire.Ask(ask.stint)
    exchange(one, subject_token=token(one.stint.alice, may_act={"sub": "coder"})).accepted()


def test_access_token_as_id_token(ask, stint):
    token = open_for_alice(stint).token
    exchange(ask, subject_token=token).refused(400, "invalid_request")


def test_introspection_and_revocation_take_post_alone(stint):
    for path in ("introspect", "revoke"):
        url = f"{stint.issuer}/oauth/{path}"
        reply = wire.send(url, "", method="GET").refused(405, "invalid_request")
        assert reply.headers["Allow"] == "POST"
        wire.send(url, {"token": "x"}).refused(401, "invalid_client",
                                               "client authentication is missing")
        wire.send(url + "?token=x", {"token": "x"}).refused(400, "invalid_request")


def test_revocation_tells_nothing(ask, stint):
    """RFC 7009 2.2: unknown, foreign and dead tokens are answered alike."""
    one = open_for_alice(stint, "helper")
    for token in ("unknown", one.token, one.handle, "stint_handle_" + "A" * 38):
        reply = ask.to("revoke", token)
        assert (reply.status, reply.text) == (200, "")
        assert reply.headers["Cache-Control"] == "no-store"
    assert one.introspect(one.token)["active"] is True
    ask.to("revoke", None).refused(400, "invalid_request", "token is missing")
    ask.to("introspect", None).refused(400, "invalid_request", "token is missing")


def test_introspection_is_for_the_client_alone(ask, stint):
    """RFC 7662 4: by whom it was asked decides what is told."""
    one = open_for_alice(stint, "helper")
    for token in (one.token, one.handle):
        assert ask.to("introspect", token).accepted() == {"active": False}
