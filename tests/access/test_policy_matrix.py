"""Every right, by every actor, on every relation, in every env: the table says who may.

`policy_matrix.txt` is read and reviewed by people. It is written anew, for review, by
`TILLKEEPER_WRITE_MATRIX=1 pytest tests/access/test_policy_matrix.py`; otherwise each line of it is
compared with what the product decides, over a real database.
"""

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple
from uuid import UUID, uuid4

import httpx
import pytest
from msgspec import structs

from tillkeeper.access import queries
from tillkeeper.access.entrance import actor_of
from tillkeeper.access.identity import Credential, Signer, issue
from tillkeeper.access.operation import Operation, Target
from tillkeeper.access.policy import require
from tillkeeper.access.rights import PROFILE_WRITES, Right
from tillkeeper.core.env import Env
from tillkeeper.core.errors import AccessDenied, OrganizationNotFound
from tillkeeper.db.pool import Tx
from world import ADDRESS, KEY, World, said

TABLE = Path(__file__).with_name("policy_matrix.txt")
HEADER = """\
# Who may do what. Read down: a right. Read across: how the organization that it is asked about is
# related to the actor's. Compared line by line with the product by test_policy_matrix.py.
#
#   yes  the actor may            403  may see it, may not do it
#   404  does not exist for it    401  the credential itself is dead: its organization is TEST only
#   -    nobody is related to this actor in this way
#
# "TEST on LIVE": a TEST credential asks about an organization that is in TEST and LIVE.
# ORGANIZATION_CREATE asks about the manager of the new organization; ORGANIZATION_ADMINISTER,
# BILLING_ADDRESS_CREATE and TEST_DATA_DELETE have no organization in their path and are asked about
# the own one alone.
"""
Kind = Literal["key", "user"]


class Related(NamedTuple):
    """The characters of the world that an actor stands to in each relation."""

    own: str
    child: str | None
    administered: str | None
    child_of_administered: str | None
    parent: str | None
    sibling: str | None
    stranger: str


VENDOR = Related("vendor", "shop", "enterprise", "branch", None, None, "foreign")
ENTERPRISE = Related("enterprise", "branch", None, None, "vendor", "shop", "foreign")
SHOP = Related("shop", None, None, None, "vendor", "kiosk", "foreign")
ACTORS: dict[str, tuple[Kind, str, Related]] = {
    "key of a main organization": ("key", "vendor", VENDOR),
    "key of an administered main organization": ("key", "enterprise", ENTERPRISE),
    "key of a managed organization": ("key", "shop", SHOP),
    "owner of a main organization": ("user", "vendor_owner", VENDOR),
    "admin of a main organization": ("user", "vendor_admin", VENDOR),
    "billing person of a main organization": ("user", "vendor_billing", VENDOR),
    "member of a main organization": ("user", "vendor_member", VENDOR),
    "owner of a managed organization": ("user", "shop_owner", SHOP),
}
ENVS = [
    (Env.TEST, (Env.TEST,), "TEST on TEST only"),
    (Env.TEST, (Env.TEST, Env.LIVE), "TEST on LIVE"),
    (Env.LIVE, (Env.TEST, Env.LIVE), "LIVE on LIVE"),
    (Env.LIVE, (Env.TEST,), "LIVE on TEST only"),
]
COLUMNS = [name.replace("_", " ") for name in Related._fields]


@dataclass(frozen=True)
class Case:
    """One actor with a credential of one env, asking about organizations in some envs."""

    actor: str
    env: Env
    envs: tuple[Env, ...]
    title: str

    @property
    def related(self) -> Related:
        return ACTORS[self.actor][2]

    def credential(self, world: World) -> Credential:
        kind, character, related = ACTORS[self.actor]
        key = f"{character}_{self.env.lower()}"
        return issue(
            kind=kind,
            actor_id=world.keys[key]["id"] if kind == "key" else world.people[character],
            organization_id=world.ids[related.own],
            env=self.env,
            now=0,
            seconds=60,
        )


CASES = [
    Case(actor, env, envs, f"{actor}, {title}")
    for actor, (env, envs, title) in product(ACTORS, ENVS)
]


async def decide(world: World, case: Case, name: str) -> dict[Right, str]:
    """Return what the product says to each right on one organization."""
    target = world.ids[name]
    await set_envs(world, target, case.envs)
    try:
        narrow = await _ask(world, case, target, "narrow")
        across = await _ask(world, case, target, "across")
        wide = await _ask(world, case, target, None)
    finally:
        await set_envs(world, target, (Env.TEST, Env.LIVE))
    # What a path names and what a body names is decided alike.
    assert wide == narrow, (case.title, name)
    return narrow | {Right.ORGANIZATION_ENABLE_ENV: across[Right.ORGANIZATION_ENABLE_ENV]}


async def set_envs(world: World, organization_id: UUID, envs: tuple[Env, ...]) -> None:
    change = "UPDATE organizations SET envs = $2 WHERE id = $1"
    await world.owner.execute(change, organization_id, list(envs))


async def _ask(world: World, case: Case, target: UUID, opening: str | None) -> dict[Right, str]:
    """Enter as `provide_op` does, with or without an organization in the path, and ask policy."""
    async with world.house.db.begin() as tx:
        credential = case.credential(world)
        op = await _enter(world, tx, credential, target if opening else None, opening or "narrow")
        if op is None:
            return dict.fromkeys(Right, "401")
        return {right: await _verdict(op, right, target) for right in Right}


async def _enter(
    world: World, tx: Tx, credential: Credential, target: UUID | None, opening: str
) -> Operation | None:
    entered = await queries.enter(
        tx,
        credential,
        address=None,
        target=target,
        opening=opening,
        claim=None,
        wanted_fingerprint=None,
    )
    if entered is None:
        return None
    within = None
    if entered.within is not None:
        envs = tuple(entered.within_envs or ())
        within = Target(entered.within, envs, bool(entered.within_is_managed))
    return Operation(
        tx=tx,
        actor=actor_of(credential, entered),
        target=within,
        is_wide=target is None,
        house=world.house,
        id="matrix",
        now=datetime.now(UTC),
    )


async def _verdict(op: Operation, right: Right, target: UUID) -> str:
    try:
        await require(op, right, target)
    except OrganizationNotFound:
        return "404"
    except AccessDenied:
        return "403"
    return "yes"


async def block_of(world: World, case: Case) -> list[str]:
    """Return the lines of the table that are about one case."""
    answers = [
        dict.fromkeys(Right, "-") if name is None else await decide(world, case, name)
        for name in case.related
    ]
    head = " | ".join(["right".ljust(24), *COLUMNS])
    rows = [
        " | ".join(
            [
                right.ljust(24),
                *(a[right].ljust(len(c)) for a, c in zip(answers, COLUMNS, strict=True)),
            ]
        ).rstrip()
        for right in Right
    ]
    return [f"## {case.title}", "", head, *rows]


def table() -> dict[str, list[str]]:
    """Read the checked-in table: lines by title."""
    text = TABLE.read_text("utf-8").removeprefix(HEADER)
    blocks = [block.strip("\n").splitlines() for block in text.split("\n## ")[1:]]
    return {title: [f"## {title}", *lines] for title, *lines in blocks}


def verdicts(case: Case) -> dict[Right, dict[str, str]]:
    """Read a block of the table: verdict by right and relation."""
    rows = [[cell.strip() for cell in line.split("|")] for line in table()[case.title][3:]]
    return {Right(name): dict(zip(COLUMNS, cells, strict=True)) for name, *cells in rows}


@pytest.mark.skipif("TILLKEEPER_WRITE_MATRIX" not in os.environ, reason="writes the table anew")
async def test_write(world: World) -> None:
    blocks = ["\n".join(await block_of(world, case)) for case in CASES]
    TABLE.write_text("\n\n".join([HEADER.strip(), *blocks]) + "\n", encoding="utf-8")


def test_the_table_has_a_block_for_every_case_and_no_other() -> None:
    assert TABLE.read_text("utf-8").startswith(f"{HEADER}\n## ")
    assert list(table()) == [case.title for case in CASES]
    assert len(CASES) == len(ACTORS) * len(ENVS)


def test_the_table_has_a_row_for_every_right_and_no_other() -> None:
    for title, lines in table().items():
        rows = [line.partition("|")[0].strip() for line in lines[3:]]
        assert rows == list(Right), title


@pytest.mark.parametrize("actor", ACTORS)
async def test_the_product_decides_as_the_table_says(world: World, actor: str) -> None:
    reviewed = table()
    for case in CASES:
        if case.actor == actor:
            assert reviewed[case.title] == await block_of(world, case), case.title


def test_nothing_above_or_beside_exists_for_anybody() -> None:
    found = {
        row[column]
        for case in CASES
        for row in verdicts(case).values()
        for column in ("parent", "sibling", "stranger")
    }
    assert found == {"404", "-"}


def test_no_test_key_changes_what_is_live_as_a_whole() -> None:
    for case in CASES:
        if ACTORS[case.actor][0] == "key" and case.title.endswith("TEST on LIVE"):
            for right in PROFILE_WRITES:
                assert "yes" not in verdicts(case)[right].values(), (case.title, right)


def test_a_live_credential_sees_what_is_test_only_to_enable_live_alone() -> None:
    for case in CASES:
        if case.title.endswith("LIVE on TEST only"):
            for right, row in verdicts(case).items():
                if right is not Right.ORGANIZATION_ENABLE_ENV:
                    assert set(row.values()) <= {"401", "404", "-"}, (case.title, right)


def test_nobody_managed_creates_administers_hands_over_or_enables() -> None:
    for case in CASES:
        if case.related is SHOP:
            for right in (
                Right.ORGANIZATION_CREATE,
                Right.ORGANIZATION_ADMINISTER,
                Right.ORGANIZATION_HAND_OVER,
                Right.ORGANIZATION_ENABLE_ENV,
                Right.ORGANIZATION_UPDATE,
                Right.ORGANIZATION_DELETE,
            ):
                assert "yes" not in verdicts(case)[right].values(), (case.title, right)


OWN_ALONE = (
    Right.ORGANIZATION_ADMINISTER,
    Right.BILLING_ADDRESS_CREATE,
    Right.TEST_DATA_DELETE,
)
WORLD_CHANGING = (Right.ORGANIZATION_DELETE, Right.ORGANIZATION_HAND_OVER)
"""A yes to these would end the relation that the next cell is about: see tests/domains."""
PER_RIGHT = 4
ABOVE = {"managed_by_organization_id": "{id}", "name": "Till"} | ADDRESS
BILLING = ADDRESS | {"recipient": "Shop"}
PATH, ABSENT = "/organizations/{id}", str(UUID(int=8 << 60 | 4 << 76))
REQUESTS: dict[Right, tuple[str, str, dict[str, str] | None]] = {
    Right.ORGANIZATION_READ: ("GET", PATH, None),
    Right.ORGANIZATION_CREATE: ("POST", "/organizations", ABOVE),
    Right.ORGANIZATION_ADMINISTER: ("POST", "/organizations", {"name": "Main"} | ADDRESS),
    Right.ORGANIZATION_UPDATE: ("PATCH", PATH, {"name": "Renamed"}),
    Right.ORGANIZATION_DELETE: ("DELETE", PATH, None),
    Right.ORGANIZATION_ENABLE_ENV: ("POST", f"{PATH}/enable-env", {"env": "TEST"}),
    Right.ORGANIZATION_HAND_OVER: ("POST", f"{PATH}/handover", None),
    Right.ORGANIZATION_SUSPEND: ("POST", f"{PATH}/status", {"status": "active"}),
    Right.USER_READ: ("GET", f"{PATH}/users", None),
    Right.USER_INVITE: ("POST", f"{PATH}/users", {"email": "{unique}@example.org"}),
    Right.USER_DELETE: ("DELETE", f"{PATH}/users/{ABSENT}", None),
    Right.API_KEY_READ: ("GET", f"{PATH}/api-keys", None),
    Right.API_KEY_CREATE: ("POST", f"{PATH}/api-keys", KEY),
    Right.API_KEY_UPDATE: ("PATCH", f"{PATH}/api-keys/{ABSENT}", {"status": "enabled"}),
    Right.API_KEY_DELETE: ("DELETE", f"{PATH}/api-keys/{ABSENT}", None),
    Right.API_KEY_ROTATE: ("POST", f"{PATH}/api-keys/{ABSENT}/rotate", {}),
    Right.ACCESS_READ: ("GET", f"{PATH}/access", None),
    Right.BILLING_ADDRESS_READ: ("GET", "/billing-addresses/{address}", None),
    Right.BILLING_ADDRESS_CREATE: ("POST", "/billing-addresses", BILLING),
    Right.BILLING_ADDRESS_UPDATE: ("PATCH", "/billing-addresses/{address}", {"town": "Bonn"}),
    Right.BILLING_ADDRESS_DELETE: ("DELETE", "/billing-addresses/{address}", None),
    Right.AUDIT_READ: ("GET", f"{PATH}/audit-log", None),
    Right.TEST_DATA_DELETE: ("DELETE", "/test-data?dry_run=true", None),
    Right.AGREEMENT_READ: ("GET", f"{PATH}/agreements", None),
    Right.AGREEMENT_PROPOSE: (
        "POST",
        f"{PATH}/agreements",
        {"kind": "payer", "with_organization_id": ABSENT},
    ),
    Right.AGREEMENT_DECIDE: ("POST", f"{PATH}/agreements/{ABSENT}/decline", None),
}
INVISIBLE = {None, "E_ORGANIZATION_NOT_FOUND", "E_BILLING_ADDRESS_NOT_FOUND"}


class Cell(NamedTuple):
    """One verdict of the table."""

    case: Case
    right: Right
    column: str
    verdict: str


def sample(right: Right) -> list[Cell]:
    """Return some cells of a right, the same ones every time, among them each verdict."""
    cells = [
        Cell(case, right, column, verdict)
        for case in CASES
        for column, verdict in verdicts(case)[right].items()
        if verdict != "-"
        and (column == "own" or right not in OWN_ALONE)
        and (verdict != "yes" or right not in WORLD_CHANGING)
    ]
    Random(right).shuffle(cells)  # noqa: S311 - the same sample every time
    first = {cell.verdict: cell for cell in reversed(cells)}
    rest = [cell for cell in cells if cell not in first.values()]
    return [*first.values(), *rest][:PER_RIGHT]


@pytest.mark.parametrize("right", Right)
async def test_the_service_answers_as_the_table_says(world: World, right: Right) -> None:
    for cell in sample(right):
        name = getattr(cell.case.related, cell.column.replace(" ", "_"))
        await set_envs(world, world.ids[name], cell.case.envs)
        answer = await _request(world, cell, world.ids[name])
        await set_envs(world, world.ids[name], (Env.TEST, Env.LIVE))
        assert answer.status_code < 500
        assert _heard(answer) == cell.verdict, (cell, answer.text)


def test_the_sample_is_large_and_holds_every_verdict() -> None:
    cells = [cell for right in Right for cell in sample(right)]
    assert len(cells) >= 60
    assert {cell.verdict for cell in cells} == {"yes", "401", "403", "404"}


def _heard(answer: httpx.Response) -> str:
    status, code = said(answer)
    if status == 401 or code == "E_ACCESS_DENIED":
        return str(status)
    return "404" if status == 404 and code in INVISIBLE else "yes"


async def _request(world: World, cell: Cell, target: UUID) -> httpx.Response:
    method, path, body = REQUESTS[cell.right]
    unique = uuid4().hex
    address = await _add_address(world, target)
    now = int(time.time())
    credential = structs.replace(cell.case.credential(world), iat=now, exp=now + 60)
    token = Signer(world.house.keyring).sign("access", credential)
    filled = {
        name: text.format(id=target, unique=unique, address=address)
        for name, text in (body or {}).items()
    }
    return await world.nobody.request(
        method,
        path.format(id=target, address=address),
        json=None if body is None else filled,
        headers={"authorization": f"Bearer {token}"},
    )


async def _add_address(world: World, organization_id: UUID) -> UUID:
    address_id = uuid4()
    await world.owner.execute(
        "INSERT INTO billing_addresses (organization_id, id, recipient, address_line1, zip, town, "
        "country_code, created_at) VALUES ($1, $2, 'Shop', 'Weg 1', '1', 'Berlin', 'DEU', now())",
        organization_id,
        address_id,
    )
    return address_id
