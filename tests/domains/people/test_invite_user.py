from uuid import UUID, uuid4

import pytest

from world import PASSWORD, World, said

DENIED = (403, "E_ACCESS_DENIED")


def users_of(organization_id: object) -> str:
    return f"/organizations/{organization_id}/users"


def new_email() -> str:
    return f"{uuid4().hex}@example.org"


async def email_of(world: World, character: str) -> str:
    email: str = await world.owner.fetchval(
        "SELECT email FROM users WHERE id = $1", world.people[character]
    )
    return email


async def test_somebody_new_is_a_member_at_once(world: World) -> None:
    wanted = {"email": new_email(), "first_name": "Ada", "last_name": "Lovelace"}
    answer = await world.vendor_live.post(users_of(world.vendor), json=wanted)
    user = answer.json()
    assert (answer.status_code, user["_type"], user["role"]) == (200, "USER", "member")
    assert wanted.items() <= user.items()
    assert user["_envs"] == ["TEST", "LIVE"]
    listed = (await world.vendor_live.get(users_of(world.vendor))).json()["data"]
    assert user in listed
    assert await world.events(world.vendor) == ["user.added"]


async def test_names_may_be_null_as_a_deployed_client_sends_them(world: World) -> None:
    wanted = {"email": new_email(), "first_name": None, "last_name": None}
    answer = await world.vendor_live.post(users_of(world.vendor), json=wanted)
    assert list(answer.json()) == ["_id", "_type", "_envs", "email", "role"]


async def test_the_alias_invites_as_well(world: World) -> None:
    wanted = {"email": new_email()}
    answer = await world.vendor_live.post(f"{users_of(world.vendor)}/invite", json=wanted)
    assert (answer.status_code, answer.json()["email"]) == (200, wanted["email"])
    again = await world.vendor_live.post(users_of(world.vendor), json=wanted)
    assert said(again) == (409, "E_USER_CONFLICT")


async def test_who_has_an_account_joins_at_once(world: World) -> None:
    email = await email_of(world, "shop_owner")
    await world.stranger_live.post(users_of(world.stranger), json={"email": email})
    person = await world.log_in(
        email=email, password=PASSWORD, env="LIVE", organization_id=str(world.stranger)
    )
    own = await person.get(f"/organizations/{world.stranger}")
    assert own.status_code == 200
    assert said(await person.get(f"/organizations/{world.shop}"))[0] == 404


async def test_the_answer_does_not_tell_who_has_an_account(world: World) -> None:
    known, unknown = await email_of(world, "shop_owner"), new_email()
    answers = [
        await world.stranger_live.post(users_of(world.stranger), json={"email": email})
        for email in (known, unknown)
    ]
    one, other = (answer.json() for answer in answers)
    assert (one.pop("email"), other.pop("email")) == (known, unknown)
    assert UUID(one.pop("_id")).version == UUID(other.pop("_id")).version == 4
    assert one == other
    assert {tuple(answer.headers) for answer in answers} == {tuple(answers[0].headers)}


async def test_who_belongs_already_is_refused_however_the_address_is_spelt(world: World) -> None:
    email = new_email()
    await world.vendor_live.post(users_of(world.vendor), json={"email": email})
    for again in (email, email.upper()):
        answer = await world.vendor_live.post(users_of(world.vendor), json={"email": again})
        assert said(answer) == (409, "E_USER_CONFLICT")
    assert await world.events(world.vendor) == ["user.added"]


async def test_people_invite_according_to_their_role(world: World) -> None:
    found = {}
    for role in ("owner", "admin", "billing", "member"):
        client = world.clients[f"vendor_{role}"]
        answer = await client.post(users_of(world.vendor), json={"email": new_email()})
        found[role] = answer.status_code
    assert found == {"owner": 200, "admin": 200, "billing": 403, "member": 403}
    answer = await world.shop_owner.post(users_of(world.shop), json={"email": new_email()})
    assert answer.status_code == 200


async def test_a_role_is_given_and_ownership_is_not(world: World) -> None:
    for role, expected in (("admin", 200), ("billing", 200), ("member", 200), ("owner", 400)):
        wanted = {"email": new_email(), "role": role}
        answer = await world.vendor_owner.post(users_of(world.vendor), json=wanted)
        assert answer.status_code == expected
        assert expected == 400 or answer.json()["role"] == role


async def test_a_shops_key_and_a_test_key_invite_nobody_to_what_is_live(world: World) -> None:
    wanted = {"email": new_email()}
    for client in (world.shop_live, world.shop_test, world.vendor_test):
        assert said(await client.post(users_of(world.shop), json=wanted)) == DENIED
    assert await world.events(world.shop) == []


async def test_a_test_key_invites_to_what_is_in_test(world: World) -> None:
    created = (await world.create_shop())["_id"]
    answer = await world.vendor_test.post(users_of(created), json={"email": new_email()})
    assert (answer.status_code, answer.json()["_envs"]) == (200, ["TEST"])


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"email": "nobody"}, "body.email"),
        ({"email": "a@b"}, "body.email"),
        ({"email": "a b@example.org"}, "body.email"),
        ({"email": "a@example.org\n"}, "body.email"),
        ({"email": f"{'a' * 65}@example.org"}, "body.email"),
        ({"email": None}, "body.email"),
        ({"first_name": ""}, "body.first_name"),
        ({"last_name": "x" * 256}, "body.last_name"),
        ({"role": "boss"}, "body.role"),
        ({"password": "secret"}, "body"),
    ],
    ids=str,
)
async def test_a_wrong_shape_is_refused_by_name(
    world: World, wrong: dict[str, object], where: str
) -> None:
    wanted = {"email": "ada@example.org"} | wrong
    answer = await world.vendor_live.post(users_of(world.vendor), json=wanted)
    assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert answer.json()["message"].startswith(where)


async def test_the_address_is_told_to_the_audit_and_to_no_receiver(world: World) -> None:
    email = new_email()
    await world.vendor_live.post(users_of(world.vendor), json={"email": email})
    for table, is_told in (("audit_rows", True), ("outbox_rows", False)):
        query = f"SELECT t::text AS row FROM {table} t WHERE organization_id = $1"  # noqa: S608
        (row,) = await world.owner.fetch(query, world.vendor)
        assert (email in row["row"]) is is_told


async def test_nobody_is_invited_to_what_cannot_be_seen(world: World) -> None:
    for character, hidden in (
        (world.stranger_live, world.vendor),
        (world.shop_owner, world.vendor),
        (world.vendor_live, uuid4()),
    ):
        answer = await character.post(users_of(hidden), json={"email": new_email()})
        assert said(answer) == (404, "E_ORGANIZATION_NOT_FOUND")


async def test_a_dry_run_does_not_tell_who_has_an_account(world: World) -> None:
    """The id of an account would be the same each time; a new one never is."""
    known, unknown = new_email(), new_email()
    await world.stranger_live.post(users_of(world.stranger), json={"email": known})
    for email in (known, unknown):
        ids = set()
        for _ in range(2):
            path = f"{users_of(world.vendor)}?dry_run=true"
            answer = await world.vendor_live.post(path, json={"email": email})
            assert (answer.status_code, answer.json()["email"]) == (200, email)
            ids.add(answer.json()["_id"])
        assert len(ids) == 2
