"""The issuer's signing keys, in one private file, and their rotation without an outage.

There always is a *next* key, published but not used yet: whoever verifies tokens has it before the
first token signed with it.  The keys before stay published until what they signed is over.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from casita.errors import StateError
from casita.files import write_json
from casita.serving import Refused

KNOWN_SECONDS = 3600
"""After so long everybody has fetched a new list of keys; libSciTokens looks every 10 minutes."""


@dataclass(frozen=True)
class Key:
    """One ES256 key."""

    kid: str
    pem: str
    """The private key, PKCS 8."""
    state: Literal["next", "current", "old"]
    since: float
    """Unix time at which it got this state."""


class KeyRing:
    """The keys.

    Parameters
    ----------
    path
        The file; made with the first keys if it is absent.
    lifetime
        Longest life of a token, seconds.

    Raises
    ------
    StateError
        The file is broken.
    """

    def __init__(self, path: Path, lifetime: int) -> None:
        self._path = path
        self._lifetime = lifetime
        self._lock = threading.Lock()
        if not path.exists():
            now = time.time()
            # Nobody has older ones.
            self._write([_new("current", 0.0), _new("next", now - KNOWN_SECONDS)])
        self._keys = _read(path)

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a signed token."""
        key = self._of("current")
        return jwt.encode(claims, key.pem, algorithm="ES256", headers={"kid": key.kid})

    def public(self) -> dict[str, Any]:
        """Return the published keys (JWKS, RFC 7517)."""
        return {"keys": [_public(one) for one in self._live(time.time())]}

    def rotate(self, *, at_once: bool = False) -> str:
        """Let the next key sign, and publish the one after; returns the ``kid`` that signs now.

        Parameters
        ----------
        at_once
            The keys are in wrong hands: make new ones and forget the old. Every token ends now,
            and services that keep keys refuse new tokens until they fetch them again.

        Raises
        ------
        Refused
            409: the next key is not known everywhere yet.
        """
        with self._lock:
            now = time.time()
            if at_once:
                keys = [_new("current", now), _new("next", now)]
            else:
                current, following = self._of("current"), self._of("next")
                if (left := following.since + KNOWN_SECONDS - now) > 0:
                    raise Refused(
                        409,
                        "too_early",
                        f"services may not have fetched the next key yet; wait {left:.0f} s",
                        hint="--now replaces keys that are in wrong hands, and ends every token",
                    )
                old = [one for one in self._live(now) if one.state == "old"]
                keys = [
                    Key(following.kid, following.pem, "current", now),
                    _new("next", now),
                    Key(current.kid, current.pem, "old", now),
                    *old,
                ]
            self._write(keys)
            self._keys = keys
            return keys[0].kid

    def _live(self, now: float) -> list[Key]:
        gone = now - self._lifetime - KNOWN_SECONDS
        return [one for one in self._keys if one.state != "old" or one.since > gone]

    def _of(self, state: str) -> Key:
        return next(one for one in self._keys if one.state == state)

    def _write(self, keys: list[Key]) -> None:
        write_json(self._path, {"keys": [asdict(one) for one in keys]})


def _new(state: Literal["next", "current"], since: float) -> Key:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Key(secrets.token_hex(8), pem.decode(), state, since)


def _read(path: Path) -> list[Key]:
    try:
        keys = [Key(**one) for one in json.loads(path.read_text())["keys"]]
        if {"current", "next"} <= {one.state for one in keys}:
            return keys
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise StateError(
        f"{path}: the keys of the token issuer can't be read",
        hint="delete it: new ones are made at the next start, and running tokens end",
    )


def _public(key: Key) -> dict[str, Any]:
    private = serialization.load_pem_private_key(key.pem.encode(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    public: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return {**public, "kid": key.kid, "alg": "ES256", "use": "sig"}
