"""Status lists read without any code of ours: joserfc for the JWT, zlib for the list."""

import base64
import time
import zlib

import agent as agents
import pytest
import requests
import wire
from joserfc import jwk, jwt

MOST = 32 * 1024  # bytes of a list, unpacked


@pytest.fixture(scope="module")
def keys(stint):
    return jwk.KeySet.import_key_set(requests.get(stint.issuer + "/oauth/jwks", timeout=10).json())


def opened(stint):
    one = stint.agent("coder")
    one.open_task("fix the typo in README", [wire.GIT], stint.idp.id_token(stint.alice),
                  resource=stint.gateway + "/u/git")
    return one


def claim(token, keys):
    return jwt.decode(token, keys, algorithms=["ES256"]).claims["status"]["status_list"]


def unpack(lst):
    assert "=" not in lst
    engine = zlib.decompressobj()
    out = engine.decompress(base64.urlsafe_b64decode(lst + "=" * (-len(lst) % 4)), MOST + 1)
    assert engine.eof and not engine.unused_data and len(out) <= MOST
    return out


def standing(reference, keys):
    reply = requests.get(reference["uri"], timeout=10,
                         headers={"Accept": "application/statuslist+jwt"})
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "application/statuslist+jwt"
    token = jwt.decode(reply.text, keys, algorithms=["ES256"])
    assert token.header["typ"] == "statuslist+jwt"
    claims = token.claims
    assert claims["sub"] == reference["uri"] == reply.url
    assert claims["iat"] <= time.time() + 1 < claims["exp"] <= claims["iat"] + 30
    assert claims["ttl"] == 10
    bits = claims["status_list"]["bits"]
    data = unpack(claims["status_list"]["lst"])
    assert bits == 2 and reference["idx"] < len(data) * 8 // bits
    byte, place = divmod(reference["idx"], 8 // bits)
    return data[byte] >> place * bits & (1 << bits) - 1


def test_each_token_has_its_own_index(stint, keys):
    one = opened(stint)
    seen = [claim(one.token, keys)]
    for _ in range(20):
        one.refresh()
        seen.append(claim(one.token, keys))
    places = {(reference["uri"], reference["idx"]) for reference in seen}
    assert len(places) == len(seen)
    indexes = [reference["idx"] for reference in seen]
    assert indexes != sorted(indexes), "no order tells when a token was minted"
    assert all(r["uri"].startswith(stint.issuer + "/oauth/status/") for r in seen)


def test_says_what_became_of_a_token(stint, keys):
    fine, over, held, revoked = (opened(stint) for _ in range(4))
    references = [claim(one.token, keys) for one in (fine, over, held, revoked)]
    assert [standing(r, keys) for r in references] == [0, 0, 0, 0]
    over.end()
    stint.cli("task", "pause", held.task)
    revoked.post("revocation_endpoint", {"token": revoked.token}, proof=False)
    assert [standing(r, keys) for r in references] == [0, 1, 2, 1]
    stint.cli("task", "resume", held.task)
    assert standing(references[2], keys) == 0


def test_is_cheap_to_poll(stint, keys):
    uri = claim(opened(stint).token, keys)["uri"]
    first = requests.get(uri, timeout=10)
    assert len(first.content) < 4096
    age = int(first.headers["Cache-Control"].removeprefix("max-age="))
    assert 0 <= age <= 5
    again = requests.get(uri, timeout=10, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304 or again.headers["ETag"] != first.headers["ETag"]


def test_is_found_by_the_metadata(stint, keys):
    one = opened(stint)
    endpoint = one.metadata["status_list_aggregation_endpoint"]
    lists = requests.get(endpoint, timeout=10).json()["status_lists"]
    assert claim(one.token, keys)["uri"] in lists


def test_refusals(stint):
    base = stint.issuer + "/oauth/status/"
    assert requests.get(base + "17", timeout=10).status_code == 404
    assert requests.post(base + "17", timeout=10).status_code == 405
    assert requests.get(base + "17?time=1790000000", timeout=10).status_code == 501
