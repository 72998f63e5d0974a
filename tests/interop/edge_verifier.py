"""A verifier at the edge that follows the feed: what docs/edge-verifiers.md says, in Python.

Its JWTs and DPoP proofs are joserfc's, its HTTP is requests'; of Stint it knows that page alone.
"""

import json
import threading
import time

from joserfc import jwk, jwt
from joserfc.jwt import JWTClaimsRegistry


class Denied(Exception):
    """Why a token is not honoured."""


class EdgeVerifier:
    def __init__(self, agent, issuer, audience, bound=3.0):
        """`agent` holds the verifier's own token for the issuer; `bound`: seconds that it may be behind."""
        self.agent, self.issuer, self.bound = agent, issuer, bound
        self.url = issuer + "/v1/feed"
        keys = agent.http.get(agent.metadata["jwks_uri"], timeout=10).json()
        self.keys = jwk.KeySet.import_key_set(keys)
        self.claims = JWTClaimsRegistry(iss={"essential": True, "value": issuer},
                                        aud={"essential": True, "value": audience},
                                        exp={"essential": True})
        self.lock = threading.Lock()
        self.closed, self.paused, self.revoked = set(), {}, set()
        self.last_id = None
        self.known_at = None  # up to when the view is complete, on our own clock
        self.current = False  # since a snapshot began: has it ended
        self.heard = []       # (id, event) of everything told, for the tests
        self.ended = None

    # --- what a request's token is worth ---

    def check(self, token):
        decoded = jwt.decode(token, self.keys, algorithms=["ES256"])
        if decoded.header.get("typ") != "at+jwt":
            raise Denied("not an access token")
        self.claims.validate(decoded.claims)
        with self.lock:
            if not self.current or self.known_at is None:
                raise Denied("nothing is known yet")
            if time.monotonic() - self.known_at > self.bound:
                raise Denied("the view is too old")
            task = decoded.claims["task"]["id"]
            if task in self.closed:
                raise Denied("the task is closed")
            if any(task in held for held in self.paused.values()):
                raise Denied("the task is paused")
            if decoded.claims["jti"] in self.revoked:
                raise Denied("the token is revoked")
        return decoded.claims

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
                if until(self) or time.monotonic() > end:
                    break
        return 200

    def _take(self, message):
        data, event = json.loads(message["data"]), message["event"]
        with self.lock:
            if event == "snapshot":
                self.closed, self.paused, self.revoked = set(), {}, set()
                self.current = False
            elif event == "task.closed":
                self.closed.add(data["task"])
                self.paused.pop(data["task"], None)
            elif event == "task.paused":
                self.paused.setdefault(data["task"], {data["task"]}).update(data["tasks"])
            elif event == "task.resumed":
                self.paused.pop(data["task"], None)
            elif event == "token.revoked":
                self.revoked.add(data["token"])
            elif event == "heartbeat":
                self.known_at = time.monotonic() - data["age_ms"] / 1000
                self.current = True
            elif event == "end":
                self.ended = data["reason"]
            self.heard.append((message.get("id"), event))
            self.last_id = message.get("id", self.last_id)
