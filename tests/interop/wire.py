"""Requests to OAuth endpoints as they go over the wire, good ones that can be spoilt in one place."""

import json
import pathlib
import secrets
import sys
import time
from urllib.parse import urlencode

import urllib3
from joserfc import jwt
from joserfc.jwk import ECKey

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

import agent as agents  # noqa: E402  (of tests/lib)

TASK = {"type": "stint_task", "purpose": "fix the typo in README", "reference": "T-1", "ttl": 600}
GIT = agents.grant("git", ["git.fetch", "git.push"], ["demo/readme.git"])
ALGORITHMS = ["ES256", "RS256", "EdDSA", "Ed25519"]
FORM = "application/x-www-form-urlencoded"


class Reply:
    def __init__(self, raw):
        self.status, self.headers, self.text = raw.status, raw.headers, raw.data.decode()
        self.body = json.loads(self.text) if self.text.startswith("{") else {}
        self.reason = self.body.get("error_description", "").split(":")[0]

    def accepted(self):
        assert self.status == 200, self.body
        assert self.headers["Cache-Control"] == "no-store"
        return self.body

    def refused(self, status, error, reason=None):
        """In OAuth's own form, never stored, and telling what to do next (RFC 6749 5.2)."""
        assert (self.status, self.body.get("error")) == (status, error), self.body
        if reason is not None:
            assert self.reason == reason
        assert self.headers["Cache-Control"] == "no-store"
        assert self.headers["Content-Type"] == "application/json"
        assert set(self.body) == {"error", "error_description", "error_uri"}
        assert self.body["error_uri"].startswith("urn:stint:problem:")
        assert len(self.body["error_description"]) > len(self.reason) + 2
        return self


def send(url, pairs, proofs=(), headers=None, method="POST"):
    """A form, or a body as it is, with any number of DPoP headers. None takes a header away."""
    fields = urllib3.HTTPHeaderDict({"Content-Type": FORM})
    for name, value in (headers or {}).items():
        fields.discard(name)
        if value is not None:
            fields[name] = value
    for proof in proofs:
        fields.add("DPoP", proof)
    body = pairs if isinstance(pairs, (bytes, str)) else urlencode(pairs)
    with urllib3.PoolManager() as pool:
        return Reply(pool.request(method, url, body=body, headers=fields, retries=False,
                                  redirect=False, timeout=20))


def nonce(stint):
    """The present one, from the answer to a request with nothing in it."""
    return send(stint.issuer + "/oauth/token", b"x=1").headers["DPoP-Nonce"]


def present(claims):
    return {k: v for k, v in claims.items() if v is not None}


class Ask:
    """A token request of an agent of its own, made with joserfc. Change a part, then send()."""

    def __init__(self, stint, name="coder"):
        self.stint, self.name, self.key = stint, name, stint.keys[name]
        self.url = stint.issuer + "/oauth/token"
        self.dpop_key = ECKey.generate_key("P-256", private=True)
        self.method, self.headers, self.more = "POST", {}, []
        self.proofs = None  # texts; None: one good proof
        self.body = None  # bytes; None: `form` and `more`
        self.form = {
            "grant_type": "client_credentials",
            "client_assertion_type": agents.ASSERTION_TYPE,
            "client_assertion": self.assertion(),
            "authorization_details": json.dumps([TASK, GIT]),
            "resource": stint.gateway + "/u/git",
        }

    def assertion(self, header=None, key=None, **claims):
        now = int(time.time())
        body = {"iss": self.name, "sub": self.name, "aud": self.stint.issuer, "iat": now,
                "exp": now + 60, "jti": secrets.token_urlsafe(16), **claims}
        head = {"alg": "ES256", "kid": self.key.kid, **(header or {})}
        return jwt.encode(head, present(body), key or self.key)

    def renew(self):
        """The same request with an assertion of now."""
        self.form["client_assertion"] = self.assertion()
        return self

    def proof(self, key=None, header=None, **claims):
        key = key or self.dpop_key
        public = {k: v for k, v in key.as_dict(private=False).items()
                  if k in ("kty", "crv", "x", "y", "n", "e")}
        body = {"jti": secrets.token_urlsafe(16), "htm": "POST", "htu": self.url,
                "iat": int(time.time()), "nonce": nonce(self.stint), **claims}
        head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": public, **(header or {})}
        return jwt.encode(present(head), present(body), key, algorithms=ALGORITHMS)

    def send(self):
        pairs = [*present(self.form).items(), *self.more]
        proofs = [self.proof()] if self.proofs is None else self.proofs
        return send(self.url, pairs if self.body is None else self.body, proofs, self.headers,
                    self.method)

    def to(self, endpoint, token, **form):
        """The same client at the introspection or revocation endpoint."""
        return send(f"{self.stint.issuer}/oauth/{endpoint}", present({
            "client_assertion_type": agents.ASSERTION_TYPE, "client_assertion": self.assertion(),
            "token": token, **form}))
