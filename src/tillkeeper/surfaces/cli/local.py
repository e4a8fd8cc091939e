"""What the person at the machine may see without a key: the installation's own trees."""

from tillkeeper.access.operation import House
from tillkeeper.access.operator import list_roots, operate
from tillkeeper.access.policy import require
from tillkeeper.access.rights import Right
from tillkeeper.core.env import Env
from tillkeeper.domains.organizations import queries
from tillkeeper.domains.organizations.tree import grow
from tillkeeper.domains.organizations.wire import TreeNode

_ROOTS_AT_MOST = 100


async def read_trees(house: House) -> list[TreeNode]:
    """Return the trees of the first hundred main organizations that nobody administers."""
    trees = []
    for root_id in await list_roots(house, most=_ROOTS_AT_MOST):
        async with operate(house, root_id, Env.TEST, (Env.TEST,), root_id) as op:
            grant = await require(op, Right.ORGANIZATION_READ, root_id)
            rows, _ = await queries.list_tree(grant)
        trees.append(grow(rows, root_id))
    return trees
