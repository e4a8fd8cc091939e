"""/test-data."""

from typing import Annotated

from litestar import Router, delete
from litestar.params import QueryParameter

from tillkeeper.access.guard import Op
from tillkeeper.access.policy import require
from tillkeeper.access.refusals import change_refusals
from tillkeeper.access.rights import Right
from tillkeeper.core.env import Env
from tillkeeper.domains.test_data import actions
from tillkeeper.domains.test_data.wire import TestDataDeletion

Label = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=500,
        description="Only what carries this value as `metadata.label`.",
    ),
]


@delete(
    operation_id="deleteTestData",
    summary="Delete the TEST data of the own organization and of all it reaches",
    description="Managed organizations that are in TEST alone and not protected, TEST keys but "
    "the one that asks, and kept answers; never anything of LIVE. A call deletes a portion: ask "
    "again while `has_more`. The audit stays.",
    status_code=200,
    responses=change_refusals(),
)
async def delete_test_data(op: Op, label: Label = None) -> TestDataDeletion:
    grant = await require(op, Right.TEST_DATA_DELETE, op.actor.organization_id, Env.TEST)
    return await actions.delete_test_data(grant, label)


router = Router("/test-data", route_handlers=[delete_test_data], tags=["TEST data"])
