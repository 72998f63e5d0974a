"""Keys of agents, and a tiny OpenID provider: a key, its public JWK Set, and ID tokens."""

import json
import secrets
import time

from joserfc import jwt
from joserfc.jwk import ECKey


def new_key(kid):
    return ECKey.generate_key("P-256", {"kid": kid, "alg": "ES256", "use": "sig"}, private=True)


def jwks(*keys):
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}, indent=2)


def pem(key):
    return key.as_pem(private=True).decode()


class Idp:
    """What a company's login would be; here it signs whatever it is told."""

    def __init__(self, url="https://login.demo.example", audience="stint"):
        self.url, self.audience = url, audience
        self.key = new_key("test-idp-1")

    def jwks(self):
        return jwks(self.key)

    def id_token(self, subject, **claims):
        now = int(time.time())
        body = {"iss": self.url, "sub": subject, "aud": self.audience, "iat": now,
                "exp": now + 300, "auth_time": now, "acr": "urn:demo:passkey",
                "jti": secrets.token_hex(8), **claims}
        header = {"alg": "ES256", "kid": self.key.kid, "typ": "JWT"}
        return jwt.encode(header, {k: v for k, v in body.items() if v is not None}, self.key)
