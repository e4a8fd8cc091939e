"""Rows into a tree."""

from collections.abc import Sequence

from tillkeeper.domains.organizations.queries import Listed
from tillkeeper.domains.organizations.wire import TreeNode


def grow(rows: Sequence[Listed]) -> TreeNode:
    """Hang every row below its parent; the one whose parent is not among them is the root.

    A row whose parent was cut off hangs below the root, so that nothing is lost from sight.
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
    root_row = next((row for row in rows if row.parent_organization_id not in nodes), rows[0])
    root = nodes[root_row.id]
    for row in rows:
        if row.id != root.id:
            parent = nodes.get(row.parent_organization_id) if row.parent_organization_id else None
            (parent or root).children.append(nodes[row.id])
    return root
