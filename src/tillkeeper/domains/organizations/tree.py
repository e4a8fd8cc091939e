"""Rows into a tree."""

from collections.abc import Sequence
from uuid import UUID

from tillkeeper.domains.organizations.queries import Listed
from tillkeeper.domains.organizations.wire import TreeNode


def grow(rows: Sequence[Listed], root_id: UUID) -> TreeNode:
    """Hang every row below its parent.

    A row whose parent was cut off, or is out of the reader's reach, hangs below the root, so that
    nothing is lost from sight.
    """
    nodes = {
        row.id: TreeNode(
            id=row.id,
            type=row.type,
            envs=row.envs,
            name=row.name,
            external_id=row.external_id,
            children=[],
        )
        for row in rows
    }
    root = nodes[root_id]
    for row in rows:
        if row.id != root_id:
            parent = nodes.get(row.parent_organization_id) if row.parent_organization_id else None
            (parent or root).children.append(nodes[row.id])
    return root
