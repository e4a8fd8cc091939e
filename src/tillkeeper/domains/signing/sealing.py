"""Sealing private keys: a data key for each, wrapped by a key that no database has ever seen."""

import os
import struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tillkeeper.core.secrets import Keyring

_FORMAT: Final = 1
_HEADER = struct.Struct(">BI")
_NONCE, _TAG, _KEY = 12, 16, 32
_WRAPPED = _NONCE + _KEY + _TAG


class CannotUnseal(Exception):
    """It was sealed for somebody else, under a pepper that is gone, or it was changed."""


def seal(keyring: Keyring, context: bytes, secret: bytes) -> bytes:
    """Seal a secret under the newest pepper; it opens in the same context only.

    Format and pepper version stand in front and are authenticated with the context. The data key
    stands between the two so that a new pepper can wrap it again without touching the secret.
    """
    header = _HEADER.pack(_FORMAT, keyring.active)
    data_key = os.urandom(_KEY)
    wrapped = _encrypt(_wrapping_key(keyring, keyring.active), data_key, header + context)
    return header + wrapped + _encrypt(data_key, secret, context)


def unseal(keyring: Keyring, context: bytes, sealed: bytes) -> bytes:
    """Return the secret, or raise CannotUnseal."""
    header, rest = sealed[: _HEADER.size], sealed[_HEADER.size :]
    try:
        format_, version = _HEADER.unpack(header)
        if format_ != _FORMAT or version not in keyring.peppers:
            raise CannotUnseal(f"format {format_} under pepper {version} is not known")
        data_key = _decrypt(_wrapping_key(keyring, version), rest[:_WRAPPED], header + context)
        return _decrypt(data_key, rest[_WRAPPED:], context)
    except (InvalidTag, ValueError, struct.error) as error:
        raise CannotUnseal("it was changed, or sealed for somebody else") from error


def pepper_of(sealed: bytes) -> int:
    """Return the version of the pepper that it takes to unseal."""
    version: int = _HEADER.unpack(sealed[: _HEADER.size])[1]
    return version


def _wrapping_key(keyring: Keyring, version: int) -> bytes:
    return keyring.derive("signing keys", version)


def _encrypt(key: bytes, plain: bytes, context: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, context)


def _decrypt(key: bytes, sealed: bytes, context: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], context)
