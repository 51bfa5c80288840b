"""Identity tokens (OIDC): minted for whoever asks, and verified by the certificate authority.

The sandbox has no accounts. What is real is that the authority believes nothing but a token that
it has verified, as Fulcio does, and that clients get theirs over HTTP.
"""

import datetime as dt
import json
import urllib.request
from typing import Any

import jwt

from interlock_sandbox.sigstore.keys import Key, b64

AUDIENCE = "sigstore"  # what the sigstore client insists on
LIFETIME = dt.timedelta(minutes=10)
_ALGORITHM = "ES256"
_REQUIRED = ("aud", "exp", "iat", "iss", "sub")
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def identity_token(url: str, subject: str, **claims: object) -> str:
    """Asks the service at `url` for a token; `claims` override, `extensions` go into certificates.

    `extensions` maps names of certificates.FULCIO_EXTENSIONS to texts.
    """
    asked = json.dumps({"subject": subject, "claims": claims}).encode()
    request = urllib.request.Request(  # noqa: S310 - the caller names the sandbox's own service
        f"{url}/token", data=asked, headers={"Content-Type": "application/json"}
    )
    with _OPENER.open(request, timeout=10) as response:
        return str(json.load(response)["access_token"])


def mint(key: Key, issuer: str, subject: str, claims: dict[str, Any], now: dt.datetime) -> str:
    """A signed token that says what `claims` say, and the usual where they are silent."""
    content = {"iss": issuer, "sub": subject, "aud": AUDIENCE, "iat": now, "exp": now + LIFETIME}
    return jwt.encode(content | claims, key.private, _ALGORITHM, {"kid": key.id.hex()})


def verify(key: Key, token: str) -> dict[str, Any]:
    """The token's claims. Raises jwt.InvalidTokenError unless `key` signed it and it is in time."""
    claims: dict[str, Any] = jwt.decode(
        token,
        key.private.public_key(),
        algorithms=[_ALGORITHM],
        audience=AUDIENCE,
        options={"require": list(_REQUIRED)},
    )
    return claims


def discovery(issuer: str) -> dict[str, Any]:
    """The OpenID Connect discovery document."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/auth",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/keys",
        "id_token_signing_alg_values_supported": [_ALGORITHM],
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
    }


def key_set(key: Key) -> dict[str, Any]:
    """The public key as a JSON Web Key Set."""
    numbers = key.private.public_key().public_numbers()
    point = {
        name: b64(value.to_bytes(32, "big")).rstrip("=").translate(_URL_SAFE)
        for name, value in (("x", numbers.x), ("y", numbers.y))
    }
    usage = {"alg": _ALGORITHM, "use": "sig", "kid": key.id.hex()}
    return {"keys": [{"kty": "EC", "crv": "P-256", **usage, **point}]}


_URL_SAFE = str.maketrans("+/", "-_")
