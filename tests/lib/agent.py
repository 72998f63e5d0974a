"""An agent written with stock libraries: joserfc for JWTs and DPoP proofs, requests for HTTP.

Knows OAuth and Stint's two authorization_details types, and nothing else of Stint.
"""

import base64
import hashlib
import json
import secrets
import time

import requests
from joserfc import jwt
from joserfc.jwk import ECKey

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"


class Refused(Exception):
    """A refusal of the token endpoint, as OAuth words it."""

    def __init__(self, response):
        self.status = response.status_code
        self.body = response.json() if response.content else {}
        super().__init__(f"{self.status} {self.body.get('error')}: "
                         f"{self.body.get('error_description')}")


def make_proof(key, method, url, token=None, nonce=None, **claims):
    """A DPoP proof (RFC 9449 section 4.2)."""
    body = {"jti": secrets.token_urlsafe(16), "htm": method, "htu": url.split("?")[0],
            "iat": int(time.time())}
    if token:
        digest = hashlib.sha256(token.encode()).digest()
        body["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if nonce:
        body["nonce"] = nonce
    public = {k: v for k, v in key.as_dict(private=False).items() if k in ("kty", "crv", "x", "y")}
    return jwt.encode({"typ": "dpop+jwt", "alg": "ES256", "jwk": public}, {**body, **claims}, key)


def grant(upstream, actions, resources=()):
    g = {"type": "stint_grant", "upstream": upstream, "actions": list(actions)}
    if resources:
        g["resources"] = list(resources)
    return g


class Agent:
    """One instance: the agent's registered key, and a DPoP key of its own."""

    def __init__(self, name, key, issuer):
        self.name, self.key = name, key
        self.dpop_key = ECKey.generate_key("P-256", private=True)
        self.http = requests.Session()
        self.http.trust_env = False
        self.metadata = self.http.get(
            issuer + "/.well-known/oauth-authorization-server", timeout=10).json()
        self.token = self.handle = self.task = self.nonce = None

    def assertion(self, **claims):
        now = int(time.time())
        body = {"iss": self.name, "sub": self.name, "aud": self.metadata["issuer"], "iat": now,
                "exp": now + 60, "jti": secrets.token_urlsafe(16), **claims}
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, body, self.key)

    def post(self, endpoint, form, proof=True):
        """A form to an OAuth endpoint, with client authentication; repeated when told a nonce."""
        url = self.metadata[endpoint]
        for _ in range(2):
            headers = {}
            if proof:
                headers["DPoP"] = make_proof(self.dpop_key, "POST", url, nonce=self.nonce)
            response = self.http.post(url, headers=headers, timeout=30, data={
                "client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion(),
                **form})
            self.nonce = response.headers.get("DPoP-Nonce", self.nonce)
            if response.status_code != 400 or response.json().get("error") != "use_dpop_nonce":
                break
        if response.status_code != 200:
            raise Refused(response)
        return response.json() if response.content else {}

    def open_task(self, purpose, grants, id_token, resource=None, **task):
        form = {"grant_type": EXCHANGE, "subject_token": id_token, "subject_token_type": ID_TOKEN,
                "authorization_details": json.dumps(
                    [{"type": "stint_task", "purpose": purpose, "ttl": 600, **task}, *grants])}
        if resource:
            form["resource"] = resource
        return self._take(self.post("token_endpoint", form))

    def actor_token(self):
        """For a parent that delegates to this instance: who it is, and which key it holds."""
        return self.assertion(cnf={"jkt": self.dpop_key.thumbprint()})

    def delegate(self, child, purpose, grants, **task):
        """RFC 8693: the parent asks, the child acts; what comes back is bound to the child's key."""
        return child._take(self.post("token_endpoint", {
            "grant_type": EXCHANGE, "subject_token": self.token,
            "subject_token_type": ACCESS_TOKEN, "actor_token": child.actor_token(),
            "actor_token_type": JWT_TYPE, "authorization_details": json.dumps(
                [{"type": "stint_task", "purpose": purpose, **task}, *grants])}))

    def refresh(self, **form):
        return self._take(self.post("token_endpoint", {
            "grant_type": "refresh_token", "refresh_token": self.handle, **form}))

    def end(self):
        """Revoking the handle ends the task (RFC 7009)."""
        self.post("revocation_endpoint", {"token": self.handle, "token_type_hint": "refresh_token"},
                  proof=False)

    def introspect(self, token):
        return self.post("introspection_endpoint", {"token": token}, proof=False)

    def _take(self, reply):
        self.token = reply["access_token"]
        self.handle = reply.get("refresh_token", self.handle)
        for detail in reply["authorization_details"]:
            if detail["type"] == "stint_task":
                self.task = detail["id"]
        return reply

    def learn_nonce(self, url):
        """The gateway's nonce, from the challenge to a request with nothing in it."""
        response = self.http.get(url, timeout=10)
        self.nonce = response.headers["DPoP-Nonce"]

    def proof(self, method, url, key=None, nonce=None, **claims):
        return make_proof(key or self.dpop_key, method, url, self.token, nonce or self.nonce,
                          **claims)

    def call(self, method, url, proof=None, **options):
        """A request with token and proof; repeated once when the gateway wants a newer nonce."""
        headers = options.pop("headers", {})
        for _ in range(2):
            response = self.http.request(method, url, timeout=60, allow_redirects=False, headers={
                **headers, "Authorization": f"DPoP {self.token}",
                "DPoP": proof or self.proof(method, url)}, **options)
            self.nonce = response.headers.get("DPoP-Nonce", self.nonce)
            challenge = response.headers.get("WWW-Authenticate", "")
            if proof or response.status_code != 401 or "use_dpop_nonce" not in challenge:
                break
        return response
