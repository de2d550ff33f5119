"""ServiceAccount tokens with other claims, signed as the API server signs: RS256 (RFC 7518, section 3.3).

No TokenRequest gives an expired token (ten minutes is the least), and no test waits for one.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

# DER of a SHA-256 DigestInfo before the digest (RFC 8017, section 9.2, note 1).
_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")


def claims(token: str) -> dict[str, Any]:
    """What the token says."""
    return json.loads(_decoded(token.split(".")[1]))


def changed(token: str, **other: Any) -> str:
    """The token with other claims under the old signature, which does not fit them."""
    head, _, signature = token.split(".")
    return f"{head}.{_encoded(json.dumps({**claims(token), **other}).encode())}.{signature}"


def signed_again(token: str, key: Path, **other: Any) -> str:
    """The token with other claims, signed with the RSA key in the PEM file `key`."""
    signing_input = changed(token, **other).rpartition(".")[0]
    modulus, private_exponent = _rsa_key(key)
    size = (modulus.bit_length() + 7) // 8
    digest = _SHA256 + hashlib.sha256(signing_input.encode()).digest()
    padded = b"\0\1" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest
    signature = pow(int.from_bytes(padded), private_exponent, modulus).to_bytes(size)
    return f"{signing_input}.{_encoded(signature)}"


def _rsa_key(key: Path) -> tuple[int, int]:
    """Modulus and private exponent of a PKCS #1 key (RFC 8017, appendix A.1.2)."""
    lines = key.read_text().splitlines()
    assert lines[0] == "-----BEGIN RSA PRIVATE KEY-----", lines[0]
    sequence, _ = _der(base64.b64decode("".join(lines[1 : lines.index("-----END RSA PRIVATE KEY-----")])))
    numbers = []
    for _ in range(4):  # version, modulus, public exponent, private exponent
        number, sequence = _der(sequence)
        numbers.append(int.from_bytes(number))
    return numbers[1], numbers[3]


def _der(data: bytes) -> tuple[bytes, bytes]:
    """The content of the first element, and what stands behind it."""
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start])
    return data[start : start + length], data[start + length :]


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
