"""Verify an export of the audit, or a proof of one entry, without anything else of Tillkeeper.

This file stands alone: it needs Python and the package `cryptography`, and can be copied, read and
run by whoever distrusts the rest. The format is described in docs/audit.md.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

END_OF_EPOCH = 2**63 - 1
NOTHING = "0" * 64


class Tampered(Exception):
    """The audit is not what was sealed; the sentence names the first row or seal that is wrong."""


class Verified(NamedTuple):
    """What was found to be whole."""

    seals: int
    rows: int
    not_sealed: int
    last_seal: str


def verify(
    lines: Iterable[str], keys: Mapping[str, str] | None, anchors: Mapping[int, str]
) -> Verified:
    """Check an export line by line: with the public keys one trusts, and the seals one has kept.

    Without keys those of the export are taken, which shows no more than that it fits itself.
    """
    try:
        return _verify(_records(lines), keys, dict(anchors))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Tampered("The export is damaged: a line is not what it should be") from error


def _verify(
    records: Iterator[dict[str, Any]], keys: Mapping[str, str] | None, kept: dict[int, str]
) -> Verified:
    keys = keys if keys is not None else next(records, {}).get("public_keys", {})
    seal: dict[str, Any] | None = None
    rows: list[dict[str, Any]] = []
    count, not_sealed = 0, 0
    for record in records:
        if "seal" in record:
            _check_rows(seal, rows)
            seal, rows = _check_seal(seal, record, keys, kept), []
        elif "row" in record and seal is not None and _is_under(seal, record):
            rows.append(record)
            count += 1
        elif "row" in record:
            _check_young(seal, record)
            not_sealed += 1
    _check_rows(seal, rows)
    for number in sorted(kept):
        raise Tampered(
            f"Seal {number}, which you have kept, is missing: the end of the audit was cut off, "
            "or an older copy was put back"
        )
    last = seal or {"number": 0, "hash": NOTHING}
    return Verified(last["number"], count, not_sealed, last["hash"])


def _records(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield what the lines say; the last one says that it is the last."""
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise Tampered(f"Line {number} of the export is damaged") from error
        if record.get("end"):
            return
        yield record
    raise Tampered("The export breaks off: its last line is missing")


def _check_seal(
    last: dict[str, Any] | None,
    record: dict[str, Any],
    keys: Mapping[str, str],
    kept: dict[int, str],
) -> dict[str, Any]:
    """Check that a seal is signed, follows the last one, and is the one that was kept."""
    text: str = record["seal"]
    seal: dict[str, Any] = json.loads(text)
    name = f"Seal {seal['number']}"
    _check_signature(name, text, record["signature"], keys.get(seal["key_id"]))
    before = last or {"number": 0, "hash": NOTHING, "epoch": 1, "tx_upto": 0}
    if seal["number"] != before["number"] + 1:
        raise Tampered(f"{name} follows seal {before['number']}: seals are missing or misplaced")
    if seal["previous"] != before["hash"]:
        raise Tampered(f"{name} does not follow the seal before it: one of them was replaced")
    if seal["kind"] == "restored":
        follows = seal["epoch"] == before["epoch"] + 1 and before["tx_upto"] == END_OF_EPOCH
        follows = follows and seal["tx_from"] == seal["tx_upto"] == 0
    else:
        same = last is None or all(seal[each] == last[each] for each in ("cluster", "timeline"))
        follows = same and (seal["epoch"], seal["tx_from"]) == (before["epoch"], before["tx_upto"])
    if not follows:
        raise Tampered(f"{name} does not begin where the seal before it ends")
    seal["leaves"] = [record["leaves"][n : n + 64] for n in range(0, len(record["leaves"]), 64)]
    if len(seal["leaves"]) != seal["count"] or _root(seal["leaves"]) != seal["root"]:
        raise Tampered(f"{name} was changed: its list of rows is not the one that was signed")
    seal["hash"] = hashlib.sha256(text.encode()).hexdigest()
    if kept.pop(seal["number"], seal["hash"]) != seal["hash"]:
        raise Tampered(f"{name} is not the one you have kept: the audit was written anew")
    return seal


def _check_signature(name: str, text: str, signature: str, key: str | None) -> None:
    if key is None:
        raise Tampered(f"{name} is signed with a key that you do not trust")
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        public.verify(bytes.fromhex(signature), b"tillkeeper audit seal\n" + text.encode())
    except (InvalidSignature, ValueError) as error:
        raise Tampered(f"{name} was changed or forged: its signature is wrong") from error


def _is_under(seal: dict[str, Any], record: dict[str, Any]) -> bool:
    origin = json.loads(record["origin"])
    is_in_range: bool = seal["tx_from"] <= origin["tx"] < seal["tx_upto"]
    return is_in_range and origin["epoch"] == seal["epoch"]


def _check_young(seal: dict[str, Any] | None, record: dict[str, Any]) -> None:
    """Check that a row outside all seals is younger than the last one."""
    origin = json.loads(record["origin"])
    last = seal or {"epoch": 1, "tx_upto": 0}
    if origin["epoch"] != last["epoch"] or origin["tx"] < last["tx_upto"]:
        raise Tampered(f"{_name(record)} was slipped in: no seal has a place for it")


def _check_rows(seal: dict[str, Any] | None, rows: list[dict[str, Any]]) -> None:
    """Check the rows of a seal against the hashes that it was made of."""
    if seal is None:
        return
    leaves, sealed = seal["leaves"], set(seal["leaves"])
    for index, row in enumerate(rows):
        found = _leaf_hash(row)
        if index < len(leaves) and found == leaves[index]:
            continue
        raise Tampered(_what_is_wrong(seal, row, found in sealed, len(rows) - len(leaves)))
    if len(rows) < len(leaves):
        after = f"after {_name(rows[-1])}" if rows else "all of them"
        raise Tampered(
            f"Seal {seal['number']} is over {len(leaves)} rows and {len(rows)} are there: "
            f"the rows {after} are missing"
        )


def _what_is_wrong(seal: dict[str, Any], row: dict[str, Any], is_sealed: bool, more: int) -> str:  # noqa: FBT001 - told apart by the caller
    where = f"under seal {seal['number']}"
    if is_sealed:
        return f"{_name(row)} stands in another's place {where}: a row before it is missing"
    if more > 0:
        return f"{_name(row)} was slipped in {where}"
    return f"{_name(row)} was changed after it was sealed {where}"


def _leaf_hash(row: Mapping[str, Any]) -> str:
    """Return the hash of a row whose documents are the ones that its leaf names."""
    leaf = json.loads(row["row"])
    for name in ("origin", "content"):
        text = row.get(name)
        if text is not None and hashlib.sha256(text.encode()).hexdigest() != leaf[name]:
            raise Tampered(f"{_name(row)} was changed after it was sealed: its {name} is another")
    return hashlib.sha256(b"\x00" + row["row"].encode()).hexdigest()


def _name(record: Mapping[str, Any]) -> str:
    leaf = json.loads(record["row"])
    return f"Row {leaf['id']} ({leaf['event']}, organization {leaf['organization_id']})"


def _root(leaves: list[str]) -> str:
    """Return the root of RFC 6962 over hashes in hex, by pairing neighbours from below."""
    level = [bytes.fromhex(leaf) for leaf in leaves]
    if not level:
        return hashlib.sha256(b"").hexdigest()
    while len(level) > 1:
        pairs = [level[n : n + 2] for n in range(0, len(level), 2)]
        level = [hashlib.sha256(b"\x01" + b"".join(p)).digest() if p[1:] else p[0] for p in pairs]
    return level[0].hex()


def verify_proof(proof: Mapping[str, Any], keys: Mapping[str, str] | None) -> str:
    """Check the answer of `…/audit-log/{id}/proof`; return what it proves."""
    try:
        return _verify_proof(proof, keys)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Tampered("The proof is damaged: something is missing in it") from error


def _verify_proof(proof: Mapping[str, Any], keys: Mapping[str, str] | None) -> str:
    told = {each["key_id"]: each["public_key"] for each in proof["public_keys"]}
    text: str = proof["seal"]["body"]
    seal = json.loads(text)
    key = (told if keys is None else keys).get(seal["key_id"])
    _check_signature(f"Seal {seal['number']}", text, proof["seal"]["signature"], key)
    row = {"row": proof["leaf"], **{k: proof[k] for k in ("origin", "content") if k in proof}}
    leaf = bytes.fromhex(_leaf_hash(row))
    if _climb(leaf, proof["index"], seal["count"], proof["path"]) != seal["root"]:
        raise Tampered(f"{_name(row)} is not under seal {seal['number']}")
    return f"{_name(row)} is under seal {seal['number']} of {seal['at']}"


def _climb(leaf: bytes, index: int, count: int, path: list[str]) -> str | None:
    """Return the root that a leaf and its path lead to; None where their lengths do not fit."""
    steps = list(path)
    place, last, node = index, count - 1, leaf
    while last > 0:
        is_right = place % 2 == 1
        if is_right or place < last:
            if not steps:
                return None
            other = bytes.fromhex(steps.pop(0))
            pair = other + node if is_right else node + other
            node = hashlib.sha256(b"\x01" + pair).digest()
        place, last = place // 2, last // 2
    return node.hex() if not steps and place == 0 else None
