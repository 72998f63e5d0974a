"""The token endpoint over the wire, as a second language sees it: each row names the standard that
it is an assertion of, and states the exact refusal (status, error, reason, headers)."""

import base64
import contextlib
import hashlib
import hmac
import json
import time

import processes
import pytest
import wire  # finds tests/lib
from joserfc.jwk import ECKey, OKPKey, RSAKey


def b64(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def change(**form):
    return lambda ask: ask.form.update(form)


def set_header(name, value):
    return lambda ask: ask.headers.update({name: value})


def without_assertion(then):
    def spoil(ask):
        ask.form.update(client_assertion=None, client_assertion_type=None)
        then(ask)
    return spoil


def again(name, value=None):
    return lambda ask: ask.more.append((name, ask.form[name] if value is None else value))


def spoil_method(method):
    return lambda ask: setattr(ask, "method", method)


def spoil_body(body):
    return lambda ask: setattr(ask, "body", body)


FORM_ROWS = {
    "6749_3_repeated_grant_type": (again("grant_type"), 400, "invalid_request",
                                   "form parameter repeated"),
    "6749_3_repeated_assertion": (again("client_assertion"), 400, "invalid_request",
                                  "form parameter repeated"),
    "6749_3_repeated_details": (again("authorization_details", "[]"), 400, "invalid_request",
                                "form parameter repeated"),
    "6749_3_repeated_unknown": (lambda ask: ask.more.extend([("colour", "a"), ("colour", "b")]),
                                400, "invalid_request", "form parameter repeated"),
    "6749_2_basic_beside_assertion": (set_header("Authorization", "Basic Y29kZXI6eA=="), 400,
                                      "invalid_request", "two ways of client authentication"),
    "6749_2_secret_beside_assertion": (change(client_secret="x"), 400, "invalid_request",
                                       "two ways of client authentication"),
    "6749_7_basic": (without_assertion(set_header("Authorization", "Basic Y29kZXI6eA==")), 401,
                     "invalid_client", "clients do not authenticate with shared secrets here"),
    "6749_secret": (without_assertion(change(client_id="coder", client_secret="x")), 401,
                    "invalid_client", "clients do not authenticate with shared secrets here"),
    "6749_client_id_alone": (without_assertion(change(client_id="coder")), 401, "invalid_client",
                             "client authentication is missing"),
    "7521_no_assertion_type": (change(client_assertion_type=None), 400, "invalid_request",
                               "client_assertion_type is missing"),
    "7521_other_assertion_type": (
        change(client_assertion_type="urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
        401, "invalid_client", "client_assertion_type is not known here"),
    "7523_1_client_id_of_another": (change(client_id="helper"), 401, "invalid_client",
                                    "client_id is not the assertion's"),
    "2.1_4_query": (lambda ask: setattr(ask, "url", ask.url + "?grant_type=client_credentials"),
                    400, "invalid_request", "parameters belong into the body"),
    "6749_json_body": (set_header("Content-Type", "application/json"), 400, "invalid_request",
                       "the body is not application/x-www-form-urlencoded"),
    "6749_multipart": (set_header("Content-Type", "multipart/form-data; boundary=x"), 400,
                       "invalid_request", "the body is not application/x-www-form-urlencoded"),
    "6749_text": (set_header("Content-Type", "text/plain"), 400, "invalid_request",
                  "the body is not application/x-www-form-urlencoded"),
    "6749_get": (spoil_method("GET"), 405, "invalid_request", "this endpoint takes POST"),
    "6749_put": (spoil_method("PUT"), 405, "invalid_request", "this endpoint takes POST"),
    "6749_delete": (spoil_method("DELETE"), 405, "invalid_request", "this endpoint takes POST"),
    "6749_bad_escape": (spoil_body("grant_type=%zz"), 400, "invalid_request", "form escape"),
    "6749_empty_body": (spoil_body(""), 400, "invalid_request", "grant_type is missing"),
    "6749_too_large": (spoil_body("a=" + "x" * 65536), 413, "invalid_request", None),
    "6749_too_many": (spoil_body("&".join(f"p{i}=1" for i in range(65))), 413, "invalid_request",
                      "form too many parameters"),
    "6749_no_grant_type": (change(grant_type=None), 400, "invalid_request",
                           "grant_type is missing"),
    "6749_4_empty_grant_type": (change(grant_type=""), 400, "invalid_request",
                                "grant_type is missing"),
    "6749_unknown_grant": (change(grant_type="urn:example:none"), 400, "unsupported_grant_type",
                           "grant_type is not known here"),
    "2.1_3_password": (change(grant_type="password", username="alice", password="x"), 400,
                       "unsupported_grant_type", "grant_type is not known here"),
    "2.1_3_code": (change(grant_type="authorization_code", code="x"), 400,
                   "unsupported_grant_type", "grant_type is not known here"),
    "7523_6_jwt_bearer_grant": (
        change(grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer", assertion="x"), 400,
        "unsupported_grant_type", "grant_type is not known here"),
    "scope": (change(scope="everything"), 400, "invalid_scope", "scope is not known here"),
    "9396_missing": (change(authorization_details=None), 400, "invalid_request",
                     "authorization_details is missing"),
    "9396_1_object": (change(authorization_details=json.dumps(wire.TASK)), 400,
                      "invalid_authorization_details", "authorization_details is not an array"),
    "9396_2_unknown_type": (
        change(authorization_details=json.dumps([wire.TASK, wire.GIT, {"type": "payment"}])), 400,
        "invalid_authorization_details", "authorization_details type is not known here"),
    "9396_2_unknown_member": (
        change(authorization_details=json.dumps([{**wire.TASK, "colour": 1}, wire.GIT])), 400,
        "invalid_authorization_details", "json unknown member"),
    "9396_duplicate_key": (
        change(authorization_details='[{"type":"stint_task","type":"stint_task"}]'), 400,
        "invalid_authorization_details", "json duplicate key"),
    "9396_depth": (change(authorization_details="[" * 200 + "]" * 200), 400,
                   "invalid_authorization_details", None),
    "8707_1_fragment": (lambda ask: change(resource=ask.form["resource"] + "#x")(ask), 400,
                        "invalid_target", "resource is not an absolute URI without fragment"),
    "8707_1_relative": (change(resource="/u/git"), 400, "invalid_target",
                        "resource is not an absolute URI without fragment"),
    "8707_2_unknown": (change(resource="https://elsewhere.example/"), 400, "invalid_target",
                       "resource is not known here"),
    "8707_3_two": (lambda ask: ask.more.append(("resource", ask.stint.issuer)), 400,
                   "invalid_target", "a token is for one resource"),
    "refresh_without_handle": (change(grant_type="refresh_token"), 400, "invalid_request",
                               "refresh_token is missing"),
    "refresh_unknown_handle": (
        change(grant_type="refresh_token", refresh_token="stint_handle_" + "A" * 38,
               authorization_details=None), 400, "invalid_grant", None),
}


@contextlib.contextmanager
def reported(stint, signal):
    """What is done inside is recorded as this signal, a moment later."""
    before = stint.signals().count(signal)
    yield
    processes.wait_until(signal, lambda: stint.signals().count(signal) > before, seconds=5)


@pytest.mark.parametrize("row", FORM_ROWS, ids=str)
def test_form(row, ask, nothing_opens):
    spoil, status, error, reason = FORM_ROWS[row]
    spoil(ask)
    reply = ask.send().refused(status, error, reason)
    assert reply.headers["DPoP-Nonce"]
    # RFC 6749 5.2: a challenge exactly when the client used the header, of its scheme.
    challenge = reply.headers.get("WWW-Authenticate")
    if status == 401 and "Authorization" in ask.headers:
        assert challenge.startswith("Basic ")
    else:
        assert challenge is None
    assert (reply.headers.get("Allow") == "POST") == (status == 405)


ASSERTION_ROWS = {
    "7523_2_aud_token_endpoint": (lambda a: a.assertion(aud=a.url), "assertion aud"),
    "7523_2_aud_array": (lambda a: a.assertion(aud=[a.stint.issuer]), "assertion aud array"),
    "7523_2_aud_array_of_two": (lambda a: a.assertion(aud=[a.stint.issuer, a.url]),
                                "assertion aud array"),
    "7523_2_aud_trailing_slash": (lambda a: a.assertion(aud=a.stint.issuer + "/"),
                                  "assertion aud"),
    "7523_2_aud_gateway": (lambda a: a.assertion(aud=a.stint.gateway), "assertion aud"),
    "7523_2_aud_missing": (lambda a: a.assertion(aud=None), "assertion aud"),
    "7523_1_iss_differs": (lambda a: a.assertion(iss="helper"), "assertion iss"),
    "7523_1_iss_missing": (lambda a: a.assertion(iss=None), "assertion iss"),
    "7523_1_sub_missing": (lambda a: a.assertion(sub=None), "assertion sub"),
    "7523_4_exp_missing": (lambda a: a.assertion(exp=None), "jwt exp"),
    "7523_4_expired": (lambda a: a.assertion(iat=int(time.time()) - 120,
                                             exp=int(time.time()) - 60), "jwt expired"),
    "7523_4_exp_far": (lambda a: a.assertion(exp=int(time.time()) + 3600),
                       "assertion exp too far"),
    "7523_4_exp_text": (lambda a: a.assertion(exp="2099-01-01"), None),
    "7523_4_jti_missing": (lambda a: a.assertion(jti=None), "assertion jti"),
    "7523_4_jti_empty": (lambda a: a.assertion(jti=""), "jwt claim type"),
    "7523_4_jti_long": (lambda a: a.assertion(jti="x" * 129), "assertion jti"),
    "7523_nbf": (lambda a: a.assertion(nbf=int(time.time()) + 300), "jwt nbf"),
    "8725_typ_access_token": (lambda a: a.assertion({"typ": "at+jwt"}), "assertion typ"),
    "8725_typ_proof": (lambda a: a.assertion({"typ": "dpop+jwt"}), "assertion typ"),
    "7523_5_unknown_client": (lambda a: a.assertion(iss="nobody", sub="nobody"),
                              "client authentication failed"),
    "7523_5_unknown_key": (lambda a: a.assertion({"kid": "never-seen"}),
                           "client authentication failed"),
    "7523_5_other_agents_key": (
        lambda a: a.assertion({"kid": a.stint.keys["helper"].kid}, a.stint.keys["helper"]),
        "client authentication failed"),
    "7523_5_forged": (lambda a: a.assertion(key=ECKey.generate_key("P-256", private=True)),
                      "client authentication failed"),
    "7523_5_alg_none": (lambda a: none_signed(a), "jws alg"),
    "7523_5_hmac_with_public_key": (lambda a: hmac_signed(a), "jws alg"),
    "7523_5_id_token": (lambda a: a.stint.idp.id_token("alice-4711"),
                        "client authentication failed"),
    "not_a_jwt": (lambda a: "hello", "jws parts"),
    "oversize": (lambda a: a.assertion(padding="x" * 9000), "jws too large"),
}


def none_signed(ask):
    claims = ask.assertion().split(".")[1]
    return f"{b64({'alg': 'none'})}.{claims}."


def hmac_signed(ask):
    """What a confused verifier would take: HS256 keyed with the agent's public key."""
    now = int(time.time())
    header, claims = {"alg": "HS256", "kid": ask.key.kid}, {
        "iss": "coder", "sub": "coder", "aud": ask.stint.issuer, "iat": now, "exp": now + 60,
        "jti": "hmac-" + str(now)}
    signing = f"{b64(header)}.{b64(claims)}"
    mac = hmac.new(ask.key.as_pem(private=False), signing.encode(), hashlib.sha256).digest()
    return f"{signing}.{b64(mac)}"


@pytest.mark.parametrize("row", ASSERTION_ROWS, ids=str)
def test_assertion(row, ask, nothing_opens):
    make, reason = ASSERTION_ROWS[row]
    ask.form["client_assertion"] = make(ask)
    reply = ask.send().refused(401, "invalid_client", reason)
    assert "WWW-Authenticate" not in reply.headers
    assert reply.headers["DPoP-Nonce"]
    # Introspection and revocation stand behind the same door.
    for endpoint in ("introspect", "revoke"):
        reply = ask.to(endpoint, "x", client_assertion=make(ask))
        reply.refused(401, "invalid_client", reason)


def test_assertion_counts_once_anywhere(ask):
    assertion = ask.form["client_assertion"]
    ask.send().accepted()
    ask.send().refused(401, "invalid_client", "the client assertion was used before")
    for endpoint in ("introspect", "revoke"):
        ask.to(endpoint, "x", client_assertion=assertion).refused(
            401, "invalid_client", "the client assertion was used before")
    # The same jti in a new assertion is the same.
    ask.form["client_assertion"] = ask.assertion(jti="twice")
    ask.send().accepted()
    ask.form["client_assertion"] = ask.assertion(jti="twice")
    ask.send().refused(401, "invalid_client", "the client assertion was used before")
    # Another client's is another.
    other = wire.Ask(ask.stint, "helper")
    other.form["client_assertion"] = other.assertion(jti="twice")
    other.send().refused(400, "access_denied")


PROOF_ROWS = {
    "9449_none": (lambda a: [], 400, "invalid_request", "no DPoP proof and no client certificate"),
    "9449_2_typ_missing": (lambda a: [a.proof(header={"typ": None})], 400, "invalid_dpop_proof",
                           None),
    "9449_2_typ": (lambda a: [a.proof(header={"typ": "JWT"})], 400, "invalid_dpop_proof",
                   "dpop typ"),
    "9449_2_private_jwk": (lambda a: [a.proof(header={"jwk": a.dpop_key.as_dict(private=True)})],
                           400, "invalid_dpop_proof", None),
    "9449_2_jwk_missing": (lambda a: [a.proof(header={"jwk": None})], 400, "invalid_dpop_proof",
                           "dpop jwk"),
    "9449_2_other_jwk": (lambda a: [a.proof(header={"jwk": a.stint.keys["coder"].as_dict(
        private=False)})], 400, "invalid_dpop_proof", "signature"),
    "9449_2_hmac": (lambda a: [hmac_proof(a)], 400, "invalid_dpop_proof", "jws alg"),
    "9449_2_none": (lambda a: [none_proof(a)], 400, "invalid_dpop_proof", "jws alg"),
    "9449_3_htm": (lambda a: [a.proof(htm="GET")], 400, "invalid_dpop_proof", "dpop htm"),
    "9449_3_htm_missing": (lambda a: [a.proof(htm=None)], 400, "invalid_dpop_proof", None),
    "9449_3_htu_other_path": (lambda a: [a.proof(htu=a.stint.issuer + "/oauth/revoke")], 400,
                              "invalid_dpop_proof", "dpop htu"),
    "9449_3_htu_other_host": (lambda a: [a.proof(htu="https://as.example/oauth/token")], 400,
                              "invalid_dpop_proof", "dpop htu"),
    "9449_3_htu_other_scheme": (lambda a: [a.proof(htu=a.url.replace("http:", "https:"))], 400,
                                "invalid_dpop_proof", "dpop htu"),
    "9449_3_htu_missing": (lambda a: [a.proof(htu=None)], 400, "invalid_dpop_proof", None),
    "9449_5_old": (lambda a: [a.proof(iat=int(time.time()) - 70)], 400, "invalid_dpop_proof",
                   "dpop iat too old"),
    "9449_5_future": (lambda a: [a.proof(iat=int(time.time()) + 60)], 400, "invalid_dpop_proof",
                      "dpop iat in the future"),
    "9449_5_no_jti": (lambda a: [a.proof(jti=None)], 400, "invalid_dpop_proof", "dpop jti"),
    "9449_6_no_nonce": (lambda a: [a.proof(nonce=None)], 400, "use_dpop_nonce", "dpop nonce"),
    "9449_6_foreign_nonce": (lambda a: [a.proof(nonce="made-up")], 400, "use_dpop_nonce",
                             "dpop nonce"),
    "assertion_as_proof": (lambda a: [a.assertion()], 400, "invalid_dpop_proof", "dpop typ"),
    "not_a_jwt": (lambda a: ["x"], 400, "invalid_dpop_proof", "jws parts"),
}


def proof_parts(ask, alg):
    public = {k: v for k, v in ask.dpop_key.as_dict(private=False).items()
              if k in ("kty", "crv", "x", "y")}
    claims = {"jti": "made-by-hand", "htm": "POST", "htu": ask.url, "iat": int(time.time()),
              "nonce": wire.nonce(ask.stint)}
    return f"{b64({'typ': 'dpop+jwt', 'alg': alg, 'jwk': public})}.{b64(claims)}"


def hmac_proof(ask):
    signing = proof_parts(ask, "HS256")
    mac = hmac.new(ask.dpop_key.as_pem(private=False), signing.encode(), hashlib.sha256).digest()
    return f"{signing}.{b64(mac)}"


def none_proof(ask):
    return proof_parts(ask, "none") + "."


@pytest.mark.parametrize("row", PROOF_ROWS, ids=str)
def test_proof(row, ask, nothing_opens):
    make, status, error, reason = PROOF_ROWS[row]
    ask.proofs = make(ask)
    reply = ask.send().refused(status, error, reason)
    assert reply.headers["DPoP-Nonce"]
    assert "WWW-Authenticate" not in reply.headers


def test_two_proofs(ask, nothing_opens):
    """RFC 9449 4.3 1, in the words of section 5."""
    one = ask.proof()
    for ask.proofs in ([ask.proof(), ask.proof()], [one, one]):
        reply = ask.renew().send()
        reply.refused(400, "invalid_dpop_proof", "more than one DPoP proof")
        assert reply.headers["DPoP-Nonce"]


def test_proof_passes_once(ask):
    ask.proofs = [ask.proof()]
    ask.send().accepted()
    ask.renew()
    with reported(ask.stint, "proof-replayed"):
        ask.send().refused(400, "invalid_dpop_proof", "proof replayed")


def test_asking_for_a_nonce_uses_nothing_up(ask):
    ask.proofs = [ask.proof(nonce=None)]
    given = ask.send().refused(400, "use_dpop_nonce", "dpop nonce").headers["DPoP-Nonce"]
    ask.proofs = [ask.proof(nonce=given)]
    reply = ask.send()
    reply.accepted()
    assert reply.headers["DPoP-Nonce"]  # RFC 9449 8.2: on success too


@pytest.mark.parametrize("spell", [
    lambda url: url.replace("http://", "HTTP://"),
    lambda url: url + "?x=1",
    lambda url: url + "#y",
    lambda url: url.replace("/token", "/%74oken"),
    lambda url: url.replace("/oauth/", "/oauth/x/../"),
], ids=["scheme", "query", "fragment", "escaped", "dots"])
def test_htu_is_normalised(spell, ask):
    """RFC 9449 4.3, RFC 3986 6.2.2, 6.2.3."""
    ask.proofs = [ask.proof(htu=spell(ask.url))]
    ask.send().accepted()


@pytest.mark.parametrize("make,alg", [
    (lambda: RSAKey.generate_key(2048, private=True), "RS256"),
    (lambda: OKPKey.generate_key("Ed25519", private=True), "EdDSA"),
    (lambda: OKPKey.generate_key("Ed25519", private=True), "Ed25519"),
], ids=["RS256", "EdDSA", "Ed25519"])
def test_other_dpop_keys(make, alg, ask):
    ask.dpop_key = make()
    ask.proofs = [ask.proof(header={"alg": alg})]
    assert ask.send().accepted()["token_type"] == "DPoP"


def test_small_rsa_dpop_key(ask, nothing_opens):
    key = RSAKey.generate_key(1024, private=True)
    ask.proofs = [ask.proof(key=key, header={"alg": "RS256"})]
    ask.send().refused(400, "invalid_dpop_proof")


def test_what_must_be_accepted(ask):
    """RFC 6749 3.1: empty is omitted, unknown is ignored; a charset beside the type is no harm."""
    for spoil in (change(colour="blue"), change(resource=""), change(client_id="coder"),
                  set_header("Content-Type", wire.FORM + "; charset=UTF-8"),
                  again("resource")):
        one = wire.Ask(ask.stint)
        spoil(one)
        one.send().accepted()
    for typ in ({}, {"typ": "JWT"}, {"typ": "client-authentication+jwt"}):
        one = wire.Ask(ask.stint)
        one.form["client_assertion"] = one.assertion(typ)
        one.send().accepted()


def test_refusals_never_echo(ask):
    marker = "marker-7c1f"
    for form in ({"grant_type": marker}, {"client_assertion": marker}, {"resource": marker},
                 {"authorization_details": json.dumps([{"type": marker}])},
                 {"refresh_token": marker, "grant_type": "refresh_token"}):
        one = wire.Ask(ask.stint)
        one.form.update(form)
        reply = one.send()
        assert reply.status >= 400 and marker not in reply.text


def test_borrowed_session_is_a_signal(ask):
    """A human's ID token in the place of an agent's own proof: refused and reported."""
    time.sleep(1.1)  # one of a kind is recorded in a second
    with reported(ask.stint, "borrowed-session"):
        ask.form["client_assertion"] = ask.stint.idp.id_token("alice-4711")
        ask.send().refused(401, "invalid_client", "client authentication failed")
