"""Why a key or a person may or may not: the rule by name, the chain, and the smallest grant."""

from uuid import UUID, uuid4

import httpx
import pytest

from world import KEY, Json, World, said

NO_PRINCIPAL = (404, "E_PRINCIPAL_NOT_FOUND")
NO_ORGANIZATION = (404, "E_ORGANIZATION_NOT_FOUND")
OVER = "status = 'suspended', grace_ends_at = now(), status_reason = 'Unpaid'"
GRACE = "status = 'suspended', grace_ends_at = now() + interval '1 hour', status_reason = 'Unpaid'"


async def ask(client: httpx.AsyncClient, **asked: object) -> httpx.Response:
    asked.setdefault("right", "api_key:create")
    return await client.get("/access/explain", params={n: str(v) for n, v in asked.items()})


async def explain(client: httpx.AsyncClient, **asked: object) -> Json:
    answer = await ask(client, **asked)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def put(world: World, name: str, assignment: str) -> None:
    change = f"UPDATE organizations SET {assignment} WHERE id = $1"  # noqa: S608
    await world.owner.execute(change, world.ids[name])


async def put_key(world: World, character: str, assignment: str) -> UUID:
    """Change a key by hand, and return its id."""
    key_id: UUID = world.keys[character]["id"]
    change = f"UPDATE api_keys SET {assignment} WHERE id = $1"  # noqa: S608
    await world.owner.execute(change, key_id)
    return key_id


async def test_the_chain_leads_from_the_credential_to_the_organization(world: World) -> None:
    key_id = world.keys["vendor_live"]["id"]
    found = await explain(world.vendor_admin, principal=key_id, organization_id=world.branch)
    assert (found["verdict"], found["rule"], found["status_code"]) == ("allowed", "none", 200)
    assert "smallest_grant" not in found
    chain = found["chain"]
    assert chain["step"] == "administers_the_manager"
    assert chain["is_right_held"] is True
    assignment = chain["assignment"]
    assert assignment.pop("since") > 0
    assert assignment == {
        "_id": str(key_id),
        "_type": "key",
        "label": "first-key",
        "organization_id": str(world.vendor),
        "organization_type": "ORGANIZATION",
    }
    assert chain["conditions"] == {
        "env": "LIVE",
        "standing": "active",
        "status": "enabled",
        "reach": "all",
        "generation": 0,
    }


@pytest.mark.parametrize(
    ("assignment", "rule", "sentence"),
    [
        ("status = 'disabled'", "key_disabled", "this key enabled"),
        ("not_before = now() + interval '1h'", "key_not_begun", "an earlier not_before"),
        ("expires_at = now()", "key_expired", "a later expires_at"),
        ("allowed_ips = '{10.0.0.0/8}'", "address", "the address 192.0.2.1 among the allowed_ips"),
        ("permissions = '{user:read}'", "right_not_held", "the permission api_key:create on this"),
        ("reach = 'self'", "reach", "the organization {shop} in the reach of this key"),
    ],
)
async def test_a_limit_of_the_key_is_named_and_so_is_what_lifts_it(
    world: World, assignment: str, rule: str, sentence: str
) -> None:
    key_id = await put_key(world, "vendor_live", assignment)
    found = await explain(
        world.vendor_admin, principal=key_id, organization_id=world.shop, address="192.0.2.1"
    )
    grant = found["smallest_grant"]
    assert found["rule"] == rule
    assert grant["sentence"].startswith(sentence.format(shop=world.shop))
    assert grant["is_possible"] is True
    assert len(grant["needed"]) == 1


@pytest.mark.parametrize(
    ("right", "rule", "sentence"),
    [
        ("user:invite", "right_not_held", "the role admin in the organization {vendor}"),
        ("billing_address:create", "right_not_held", "the role billing in the organization"),
        ("organization:suspend", "right_not_held", "the role admin in the organization {vendor}"),
    ],
)
async def test_a_person_is_told_the_least_role(
    world: World, right: str, rule: str, sentence: str
) -> None:
    found = await explain(
        world.vendor_live,
        principal=world.people["vendor_member"],
        organization_id=world.shop,
        right=right,
    )
    assert (found["verdict"], found["code"], found["rule"]) == ("denied", "E_ACCESS_DENIED", rule)
    assert found["chain"]["role"] == "member"
    assert found["smallest_grant"]["sentence"].startswith(sentence.format(vendor=world.vendor))


async def test_several_grants_are_named_together(world: World) -> None:
    key_id = await put_key(world, "vendor_live", "status = 'disabled', permissions = '{user:read}'")
    await put(world, "shop", "status = 'archived'")
    found = await explain(world.vendor_admin, principal=key_id, organization_id=world.shop)
    assert found["rule"] == "key_disabled"
    kinds = [each["kind"] for each in found["smallest_grant"]["needed"]]
    assert kinds == ["key_status", "permission", "status"]


@pytest.mark.parametrize(
    ("character", "about", "right", "verdict", "rule"),
    [
        ("shop_live", "kiosk", "user:read", "invisible", "unrelated"),
        ("shop_live", "shop", "organization:update", "denied", "right_not_held"),
        ("vendor_live", "vendor", "organization:suspend", "denied", "relation"),
        ("enterprise_live", "enterprise", "organization:administer", "denied", "right_not_held"),
    ],
)
async def test_where_no_grant_would_help_it_says_so(  # noqa: PLR0913, PLR0917 - a case
    world: World, character: str, about: str, right: str, verdict: str, rule: str
) -> None:
    found = await explain(
        world.vendor_live,
        principal=world.keys[character]["id"],
        organization_id=world.ids[about],
        right=right,
    )
    assert (found["verdict"], found["rule"]) == (verdict, rule)
    assert found["smallest_grant"]["is_possible"] is False
    assert found["smallest_grant"]["sentence"].startswith("nothing: ")


async def test_a_test_key_is_told_to_be_a_live_one(world: World) -> None:
    found = await explain(
        world.vendor_test,
        principal=world.keys["vendor_test"]["id"],
        organization_id=world.shop,
        right="organization:update",
    )
    assert found["rule"] == "live_needs_live"
    assert found["smallest_grant"]["sentence"] == "a LIVE key"
    other = await explain(
        world.vendor_test,
        principal=world.keys["vendor_test"]["id"],
        organization_id=world.shop,
        env="LIVE",
    )
    assert (other["rule"], other["smallest_grant"]["sentence"]) == ("other_env", "a LIVE key")


async def test_without_an_address_the_condition_is_said_and_with_one_decided(world: World) -> None:
    key_id = await put_key(world, "vendor_live", "allowed_ips = '{10.0.0.0/8}'")
    asked = {"principal": key_id, "organization_id": world.shop}
    without = await explain(world.vendor_admin, **asked)
    assert without["verdict"] == "allowed"
    assert without["chain"]["conditions"]["allowed_ips"] == ["10.0.0.0/8"]
    assert "is_address_allowed" not in without["chain"]["conditions"]
    within = await explain(world.vendor_admin, **asked, address="::ffff:10.1.2.3")
    assert (within["verdict"], within["chain"]["conditions"]["is_address_allowed"]) == (
        "allowed",
        True,
    )
    beside = await explain(world.vendor_admin, **asked, address="192.0.2.1")
    assert beside["chain"]["conditions"]["is_address_allowed"] is False
    assert (beside["verdict"], beside["status_code"]) == ("unknown_credential", 401)
    assert "code" not in beside


async def test_a_suspension_above_is_named_without_a_word_of_who_is_above(world: World) -> None:
    """The chain ends at whoever asks: of the vendor there is no id, name, reason or status."""
    await put(world, "vendor", GRACE)
    answer = await ask(
        world.shop_owner, principal=world.keys["shop_live"]["id"], organization_id=world.shop
    )
    found = answer.json()
    assert (found["verdict"], found["rule"]) == ("suspended", "suspension")
    assert found["code"] == "E_ORGANIZATION_SUSPENDED"
    for word in (str(world.vendor), "Vendor", "Unpaid", "above", "manage", "administ"):
        assert word not in answer.text
    await put(world, "vendor", "status = 'active'")
    await put(world, "shop", GRACE)
    own = await explain(
        world.shop_owner, principal=world.keys["shop_live"]["id"], organization_id=world.shop
    )
    assert own == found


ONLY_TEST = "envs = '{TEST}'"


@pytest.mark.parametrize(
    ("assignment", "principal", "about", "env", "rule", "kind"),
    [
        (("shop", ONLY_TEST), "shop_owner", "shop", "LIVE", "own_env", "env"),
        (("shop", ONLY_TEST), "vendor_owner", "shop", "LIVE", "target_env", "env"),
        (("enterprise", GRACE), "enterprise_test", "branch", "TEST", "own_eyes", "status"),
        (("branch", "status = 'archived'"), "branch_test", "branch", "TEST", "standing", "status"),
        (("branch", "status = 'archived'"), "vendor_test", "branch", "TEST", "closed", "status"),
        (("enterprise", GRACE), "branch_test", "branch", "TEST", "suspension", "status"),
    ],
)
async def test_what_an_organization_lacks_is_named(  # noqa: PLR0913, PLR0917 - a case
    world: World,
    assignment: tuple[str, str],
    principal: str,
    about: str,
    env: str,
    rule: str,
    kind: str,
) -> None:
    await put(world, *assignment)
    people, keys = world.people, world.keys
    found = await explain(
        world.vendor_test,
        principal=people[principal] if principal in people else keys[principal]["id"],
        organization_id=world.ids[about],
        env=env,
    )
    assert found["rule"] == rule
    assert [each["kind"] for each in found["smallest_grant"]["needed"]] == [kind]


async def test_whoever_stands_above_sees_that_the_grace_is_over(world: World) -> None:
    await put(world, "enterprise", OVER)
    found = await explain(
        world.vendor_live,
        principal=world.keys["branch_live"]["id"],
        organization_id=world.branch,
        right="user:read",
    )
    assert (found["verdict"], found["rule"]) == ("suspended", "standing")
    assert found["chain"]["conditions"]["standing"] == "ended"
    assert found["smallest_grant"]["needed"][0]["organization_id"] == str(world.branch)
    disabled = await put_key(world, "branch_live", "status = 'disabled'")
    both = await explain(world.vendor_live, principal=disabled, organization_id=world.branch)
    assert [each["kind"] for each in both["smallest_grant"]["needed"]][:2] == [
        "key_status",
        "status",
    ]


@pytest.mark.parametrize("character", ["shop_live", "shop_owner", "enterprise_live"])
async def test_nobody_above_or_beside_is_there(world: World, character: str) -> None:
    client, own = world.clients[character], world.ids[character.partition("_")[0]]
    above = [world.keys["vendor_live"]["id"], world.people["vendor_owner"]]
    for principal in (*above, world.keys["kiosk_live"]["id"], world.keys["foreign_live"]["id"]):
        answer = await ask(client, principal=principal, organization_id=own)
        absent = uuid4()
        nobody = await ask(client, principal=absent, organization_id=own)
        assert said(answer) == NO_PRINCIPAL
        same = answer.text.replace(str(principal), str(absent))
        ids = [each.json()["request_id"] for each in (answer, nobody)]
        assert same.replace(*ids) == nobody.text
    hidden = await ask(client, principal=world.keys["shop_live"]["id"], organization_id=own)
    assert hidden.status_code in (200, 404)


async def test_an_organization_that_the_asker_does_not_see_is_not_there(world: World) -> None:
    for about in (world.vendor, world.kiosk, world.foreign, uuid4()):
        asked = {"principal": world.keys["shop_live"]["id"], "organization_id": about}
        for client in (world.shop_owner, world.shop_live):
            answer = await ask(client, **asked)
            assert said(answer) == NO_ORGANIZATION
            assert str(about) in answer.json()["message"]


async def test_a_key_of_the_other_env_is_not_there(world: World) -> None:
    key_id = world.keys["shop_test"]["id"]
    answer = await ask(world.vendor_live, principal=key_id, organization_id=world.shop)
    assert said(answer) == NO_PRINCIPAL


@pytest.mark.parametrize("character", ["vendor_member", "vendor_billing"])
async def test_without_the_right_one_asks_about_oneself_alone(world: World, character: str) -> None:
    client = world.clients[character]
    for principal in (world.keys["vendor_live"]["id"], world.keys["shop_live"]["id"], uuid4()):
        answer = await ask(client, principal=principal, organization_id=world.shop)
        assert said(answer) == (403, "E_ACCESS_DENIED")
    own = await explain(
        client, principal=world.people[character], organization_id=world.shop, right="user:read"
    )
    assert own["chain"]["step"] == "manages"
    enterprise = await ask(
        client,
        principal=world.people[character],
        organization_id=world.shop,
        acting_for=world.enterprise,
    )
    assert said(enterprise) == (403, "E_ACCESS_DENIED")


async def test_a_person_of_several_organizations_acts_for_one(world: World) -> None:
    person = world.people["shop_owner"]
    await world.owner.execute(
        "INSERT INTO memberships (organization_id, user_id, role, email, created_at) "
        "VALUES ($1, $2, 'member', 'b@example.org', now())",
        world.enterprise,
        person,
    )
    asked = {"principal": person, "organization_id": world.branch, "right": "user:read"}
    unclear = await ask(world.vendor_live, **asked)
    assert said(unclear) == (400, "E_FAILED_SCHEMA_VALIDATION")
    assert unclear.json()["details"][0]["field"] == "params.acting_for"
    for organization, verdict in ((world.enterprise, "allowed"), (world.shop, "invisible")):
        found = await explain(world.vendor_live, **asked, acting_for=organization)
        assert found["verdict"] == verdict
    # Of the other membership the enterprise hears nothing, so there is nothing to choose.
    assert (await explain(world.enterprise_live, **asked))["verdict"] == "allowed"
    elsewhere = await ask(world.enterprise_live, **asked, acting_for=world.shop)
    assert said(elsewhere) == NO_PRINCIPAL


async def test_what_is_wrong_in_the_question_is_named(world: World) -> None:
    good = {"principal": uuid4(), "organization_id": world.shop, "right": "user:read"}
    for wrong in ({"right": "user:fly"}, {"principal": "x"}, {"address": "here"}, {"env": "BETA"}):
        answer = await ask(world.vendor_live, **(good | wrong))
        assert said(answer) == (400, "E_FAILED_SCHEMA_VALIDATION"), wrong
        assert answer.json()["details"][0]["field"] == f"params.{next(iter(wrong))}"
    for missing in good:
        params = {name: str(value) for name, value in good.items() if name != missing}
        answer = await world.vendor_live.get("/access/explain", params=params)
        assert answer.json()["details"] == [{"field": f"params.{missing}", "rule": "is required"}]


async def test_asking_changes_nothing_and_what_was_explained_is_what_happens(world: World) -> None:
    key_id = await put_key(world, "shop_live", "permissions = '{user:read}'")
    asked = {"principal": key_id, "organization_id": world.shop}
    assert (await explain(world.vendor_live, **asked))["verdict"] == "denied"
    path = f"/organizations/{world.shop}/api-keys"
    assert said(await world.shop_live.post(path, json=KEY)) == (403, "E_ACCESS_DENIED")
    await put_key(world, "shop_live", "permissions = '{api_key:create}'")
    assert (await explain(world.vendor_live, **asked))["verdict"] == "allowed"
    assert await world.trail(world.shop) == ["access.refused"]
    assert await world.trail(world.vendor) == []
