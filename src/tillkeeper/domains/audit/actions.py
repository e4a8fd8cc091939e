"""What is shown of the seals, and proofs of single entries."""

from uuid import UUID

from tillkeeper.access.policy import Grant
from tillkeeper.core.errors import AuditRowChanged, AuditRowNotFound, AuditRowNotSealed
from tillkeeper.domains.audit import seal_queries, seals
from tillkeeper.domains.audit.wire import AuditProof, AuditPublicKey, AuditSeal, AuditSealList


async def list_seals(grant: Grant, *, before: int | None, limit: int) -> AuditSealList:
    """Return a page of seals, newest first."""
    found = await seal_queries.list_seals(grant, before=before, most=limit + 1)
    return AuditSealList(
        data=[_seal(each.number, each.body, each.signature) for each in found[:limit]],
        type="AUDIT_SEAL_LIST",
        public_keys=_public_keys(grant),
        has_more=len(found) > limit,
    )


async def prove(grant: Grant, row_id: UUID) -> AuditProof:
    """Return the way from a row to the root of its seal."""
    row = await seal_queries.find_proven(grant, row_id)
    if row is None:
        raise AuditRowNotFound(row_id)
    seal = await seal_queries.find_seal(grant, row)
    if seal is None:
        raise AuditRowNotSealed
    leaves = seals.split_leaves(seal.leaves)
    if row.leaf_hash not in leaves:
        raise AuditRowChanged
    index = leaves.index(row.leaf_hash)
    return AuditProof(
        type="AUDIT_PROOF",
        leaf=row.leaf,
        origin=row.origin,
        content=row.content,
        index=index,
        path=[each.hex() for each in seals.path_of(leaves, index)],
        seal=_seal(seal.number, seal.body, seal.signature),
        public_keys=_public_keys(grant),
    )


def _seal(number: int, body: str, signature: bytes) -> AuditSeal:
    return AuditSeal(number=number, body=body, hash=seals.hash_of(body), signature=signature.hex())


def _public_keys(grant: Grant) -> list[AuditPublicKey]:
    return [
        AuditPublicKey(key_id=key_id, public_key=public)
        for key_id, public in seals.public_keys(grant.op.keyring)
    ]
