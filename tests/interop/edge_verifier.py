"""A verifier at the edge that follows the feed: what docs/edge-verifiers.md says, in Python.

Its JWTs and DPoP proofs are joserfc's, its HTTP is requests'; of Stint it knows that page alone.
"""

import base64
import json
import threading
import time

import requests
from joserfc import jwk, jwt
from joserfc.jwt import JWTClaimsRegistry


class Denied(Exception):
    """Why a token is not honoured."""


def kid_of(token):
    """As the token's header has it, which anybody may have written."""
    try:
        head = token.split(".")[0]
        return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]
    except (ValueError, KeyError, TypeError) as why:
        raise Denied("not a token of the service") from why


class EdgeVerifier:
    KEYS_LAST = 300  # seconds, as the JWKS's Cache-Control says
    KEYS_EACH = 1    # seconds: whatever strangers send, the JWKS is asked for no more often

    def __init__(self, agent, issuer, audience, bound=3.0):
        """`agent` holds the verifier's own token for the issuer; `bound`: seconds that it may be behind."""
        self.agent, self.issuer, self.bound = agent, issuer, bound
        self.url = issuer + "/v1/feed"
        self.claims = JWTClaimsRegistry(iss={"essential": True, "value": issuer},
                                        aud={"essential": True, "value": audience},
                                        exp={"essential": True})
        self.lock = threading.Lock()
        self.closed, self.paused, self.revoked, self.retired = set(), {}, set(), set()
        self.keys, self.keys_at, self.keys_asked, self.keys_due = None, None, None, True
        self.read_keys()
        self.last_id = None
        self.known_at = None  # up to when the view is complete, on our own clock
        self.current = False  # since a snapshot began: has it ended
        self.heard = []       # (id, event) of everything told, for the tests
        self.ended = None

    # --- what a request's token is worth ---

    def check(self, token):
        kid = kid_of(token)
        if kid not in self.kids() or time.monotonic() - self.keys_at > self.KEYS_LAST:
            self.read_keys()
        if time.monotonic() - self.keys_at > self.KEYS_LAST:
            raise Denied("the keys are too old")
        with self.lock:  # whatever the copy of the JWKS says
            if kid in self.retired:
                raise Denied("the key of the token is retired")
        if kid not in self.kids():
            raise Denied("the key of the token is unknown")
        decoded = jwt.decode(token, self.keys, algorithms=["ES256"])
        if decoded.header.get("typ") != "at+jwt":
            raise Denied("not an access token")
        self.claims.validate(decoded.claims)
        with self.lock:
            if not self.current or self.known_at is None:
                raise Denied("nothing is known yet")
            if time.monotonic() - self.known_at > self.bound:
                raise Denied("the view is too old")
            if kid in self.retired:
                raise Denied("the key of the token is retired")
            task = decoded.claims["task"]["id"]
            if task in self.closed:
                raise Denied("the task is closed")
            if any(task in held for held in self.paused.values()):
                raise Denied("the task is paused")
            if decoded.claims["jti"] in self.revoked:
                raise Denied("the token is revoked")
        return decoded.claims

    # --- the keys ---

    def kids(self):
        return {key.kid for key in self.keys.keys}

    def read_keys(self):
        """Reads the JWKS, unless that was tried a moment ago. What cannot be read leaves the old copy."""
        now = time.monotonic()
        if self.keys_asked is not None and now - self.keys_asked < self.KEYS_EACH:
            return
        self.keys_asked = now
        try:
            reply = self.agent.http.get(self.agent.metadata["jwks_uri"], timeout=10)
            reply.raise_for_status()
            self.keys = jwk.KeySet.import_key_set(reply.json())
        except (requests.RequestException, ValueError):
            if self.keys is None:
                raise
            return
        self.keys_at, self.keys_due = now, False

    # --- the feed ---

    def follow(self, until=lambda verifier: False, seconds=20):
        """Reads one stream until `until` holds, or the server or the network ends it. Gives the status."""
        headers = {"Accept": "text/event-stream", "Authorization": f"DPoP {self.agent.token}",
                   "DPoP": self.agent.proof("GET", self.url)}
        if self.last_id is not None:
            headers["Last-Event-ID"] = self.last_id
        end = time.monotonic() + seconds
        with self.agent.http.get(self.url, headers=headers, stream=True, timeout=5) as reply:
            if reply.status_code != 200:
                return reply.status_code
            message = {}
            for line in reply.iter_lines(chunk_size=1):
                if line:
                    field, _, value = line.decode().partition(": ")
                    message[field] = value
                    continue
                self._take(message)
                message = {}
                if self.keys_due:
                    self.read_keys()
                if until(self) or time.monotonic() > end:
                    break
        return 200

    def _take(self, message):
        data, event = json.loads(message["data"]), message["event"]
        with self.lock:
            if event == "snapshot":
                self.closed, self.paused, self.revoked, self.retired = set(), {}, set(), set()
                self.current, self.keys_due = False, True
            elif event == "task.closed":
                self.closed.add(data["task"])
                self.paused.pop(data["task"], None)
            elif event == "task.paused":
                self.paused.setdefault(data["task"], {data["task"]}).update(data["tasks"])
            elif event == "task.resumed":
                self.paused.pop(data["task"], None)
            elif event == "token.revoked":
                self.revoked.add(data["token"])
            elif event == "key.retired":
                self.retired.add(data["kid"])
                self.keys_due = True
            elif event == "heartbeat":
                self.known_at = time.monotonic() - data["age_ms"] / 1000
                self.current = True
            elif event == "end":
                self.ended = data["reason"]
            self.heard.append((message.get("id"), event))
            self.last_id = message.get("id", self.last_id)
