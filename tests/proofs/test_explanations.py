"""What `explain` says of random principals is what they are answered, and what the oracle says."""

from random import Random
from typing import Any, NamedTuple

import pytest

from amounts import AMOUNTS, record_figure
from asgi import call
from explained import Curious, Question, grant, most
from facts import Actor, Verdict
from operations import Call, Route, routes_of
from oracle import may_at_all
from random_worlds import Drawn, draw
from room import Room
from tillkeeper.access.rights import Right
from tillkeeper.app import make_apps
from world import ADDRESS, Json

QUESTIONS_A_WORLD = 1_000
ROUTES = {route.name: route for route in routes_of(make_apps())}
# What is asked of the service for each right. The key or person that it names is absent: past
# policy there is nothing more to be refused.
ASKED = {
    Right.ORGANIZATION_READ: "retrieveOrganization",
    Right.ORGANIZATION_CREATE: "createOrganization",
    Right.ORGANIZATION_UPDATE: "updateOrganization",
    Right.ORGANIZATION_DELETE: "deleteOrganization",
    Right.ORGANIZATION_ENABLE_ENV: "enableEnvironment",
    Right.ORGANIZATION_HAND_OVER: "handOverOrganization",
    Right.ORGANIZATION_SUSPEND: "setOrganizationStatus",
    Right.USER_READ: "listUsers",
    Right.USER_INVITE: "inviteUser",
    Right.USER_DELETE: "deleteUser",
    Right.API_KEY_READ: "listApiKeys",
    Right.API_KEY_CREATE: "createApiKey",
    Right.API_KEY_UPDATE: "updateApiKey",
    Right.API_KEY_DELETE: "deleteApiKey",
    Right.API_KEY_ROTATE: "rotateApiKey",
    Right.ACCESS_READ: "listAccess",
    Right.AUDIT_READ: "listAuditLog",
    Right.FLEET_READ: "retrieveOverview",
    Right.AGREEMENT_READ: "listAgreements",
    Right.AGREEMENT_PROPOSE: "proposeAgreement",
    Right.AGREEMENT_DECIDE: "declineAgreement",
}
ASKED_OF_ONESELF = {
    Right.ORGANIZATION_ADMINISTER: "createOrganization",
    Right.BILLING_ADDRESS_READ: "listBillingAddresses",
    Right.BILLING_ADDRESS_CREATE: "createBillingAddress",
    Right.TEST_DATA_DELETE: "deleteTestData",
    Right.TSS_READ: "listTss",
    Right.TSS_CREATE: "createTss",
    Right.TSS_UPDATE: "updateTss",
    Right.CLIENT_READ: "listClients",
    Right.CLIENT_CREATE: "createClient",
    Right.CLIENT_UPDATE: "updateClient",
    Right.TRANSACTION_READ: "listTransactions",
    Right.TRANSACTION_SIGN: "upsertTransaction",
    Right.TRANSACTION_UPDATE: "updateTransactionMetadata",
    Right.EXPORT_READ: "listExports",
    Right.EXPORT_CREATE: "createExport",
    Right.EXPORT_UPDATE: "updateExportMetadata",
    Right.EXPORT_CANCEL: "cancelExport",
}
ASKED_OF_ADDRESSES = {
    Right.BILLING_ADDRESS_UPDATE: "updateBillingAddress",
    Right.BILLING_ADDRESS_DELETE: "deleteBillingAddress",
}
SAID = {
    (401, None): "unknown_credential",
    (403, "E_ORGANIZATION_SUSPENDED"): "suspended",
    (403, "E_ACCESS_DENIED"): "denied",
    (404, "E_ORGANIZATION_NOT_FOUND"): "invisible",
    (404, "E_BILLING_ADDRESS_NOT_FOUND"): "invisible",
    (404, None): "invisible",
    (409, "E_ORGANIZATION_ARCHIVED"): "wrong_state",
}


class Wrong(NamedTuple):
    """A question that was not answered as it should have been."""

    asked: Question
    wanted: object
    found: object


def test_every_right_has_an_operation_that_is_asked_for_it() -> None:
    asked = [*ASKED, *ASKED_OF_ONESELF, *ASKED_OF_ADDRESSES]
    assert sorted(asked) == sorted(Right)


def call_of(world: Drawn, asked: Question) -> Call | None:
    """Return the call that enforcement decides as it was explained, if there is such a one."""
    principal, of, right = asked.principal, asked.organization, asked.right
    route: Route | None = None
    about: Any = world.uuid()
    if asked.env != principal.env:
        return None
    if right in ASKED:
        route = ROUTES[ASKED[right]]
    elif right in ASKED_OF_ONESELF and of == principal.organization:
        route = ROUTES[ASKED_OF_ONESELF[right]]
    elif right in ASKED_OF_ADDRESSES and reads_addresses(world, principal):
        # Whose address it is is read first, with the right to read one's own.
        owned = [each for each, owner in world.state.addresses.items() if owner == of]
        route, about = (ROUTES[ASKED_OF_ADDRESSES[right]], owned[0]) if owned else (None, about)
    if route is None:
        return None
    # What a key hands on to a new one may be refused for itself, so the new one reaches nothing.
    limits = (("reach", "self"),) if right is Right.API_KEY_CREATE else ()
    unique = f"{world.rng.getrandbits(48):012x}"
    return Call(route, principal, of, about, env="TEST", unique=unique, limits=limits)


def reads_addresses(world: Drawn, principal: Actor) -> bool:
    state, now = world.state, world.now
    read, own = "billing_address:read", principal.organization
    return may_at_all(principal, read, own, principal.env, state, now) is Verdict.ALLOW


async def enforced(room: Room, world: Drawn, asked: Question) -> str | None:
    """Return what the principal is answered, in the words of `explain`."""
    drawn = call_of(world, asked)
    if drawn is None:
        return None
    body = drawn.body
    if asked.right is Right.ORGANIZATION_ADMINISTER:
        body = ADDRESS | {"name": "Till"}
    principal = asked.principal
    token = room.token(principal)
    answer = await call(
        room.app, drawn.route.method, drawn.path, token=token, body=body, ip=principal.ip
    )
    assert answer.status not in (400, 500), (asked, answer.body)
    return SAID.get(answer.said, "allowed")


async def check(room: Room, world: Drawn, asked: Question) -> Wrong | None:
    """Ask, and compare with the oracle and with enforcement; give what is said to be lacking."""
    state, now = world.state, world.now
    answer = await call(
        room.app,
        "GET",
        "/api/v0/access/explain",
        token=room.token(asked.asker),
        query=asked.query,
        ip=asked.asker.ip,
    )
    if not asked.is_answered(state, now):
        wanted: object = (404, "E_ORGANIZATION_NOT_FOUND")
        return None if answer.said == wanted else Wrong(asked, wanted, answer)
    wanted, body = asked.verdict(state, now), answer.body
    if answer.status != 200 or body["verdict"] != wanted:
        return Wrong(asked, wanted, body)
    heard = await enforced(room, world, asked)
    if heard not in (None, wanted):
        return Wrong(asked, f"{wanted}, but enforced {heard}", body)
    if wanted != "allowed" and not is_smallest(world, asked, body["smallest_grant"]):
        return Wrong(asked, "the smallest grant", body)
    return None


def is_smallest(world: Drawn, asked: Question, said: Json) -> bool:
    """Tell whether all of it together allows it and less does not; or whether nothing would."""
    needed = said["needed"]
    if not said["is_possible"]:
        given, state = most(asked, world.state)
        return given.verdict(state, world.now) != "allowed" and not needed
    given, state = grant(asked, world.state, needed)
    if given.verdict(state, world.now) != "allowed":
        return False
    for left_out in range(len(needed)):
        less = [each for number, each in enumerate(needed) if number != left_out]
        given, state = grant(asked, world.state, less)
        if given.verdict(state, world.now) == "allowed":
            return False
    return True


@pytest.mark.timeout(3600)
async def test_what_is_explained_is_what_is_enforced_and_what_the_oracle_says(room: Room) -> None:
    wrong: list[Wrong] = []
    said: dict[str, int] = {}
    for seed in range(0, AMOUNTS.explained_cases, QUESTIONS_A_WORLD):
        world = draw(Random(seed), roots=4, trouble=0.2)  # noqa: S311 - the same worlds every time
        await room.settle(world)
        curious = Curious(world)
        for _ in range(QUESTIONS_A_WORLD):
            asked = curious.draw()
            if found := await check(room, world, asked):
                wrong.append(found)
            verdict = asked.verdict(world.state, world.now)
            said[verdict] = said.get(verdict, 0) + 1
    figure = f"{AMOUNTS.explained_cases} questions, {dict(sorted(said.items()))}"
    record_figure("Explained as enforced, with the smallest grant", figure, len(wrong))
    assert not wrong, "\n\n".join(map(str, wrong[:5])) + f"\n{len(wrong)}"
    assert min(said.values()) > AMOUNTS.explained_cases // 1000
    assert len(said) == 6
