"""The oracle against cases thought out by hand, from the rules and not from the product.

vendor manages shop and kiosk, and administers enterprise, which manages branch; stranger manages
foreign. All are TEST and LIVE but `draft`, a shop of the vendor's that is TEST only.
"""

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from facts import Actor, Key, Organization, State, Verdict
from oracle import may, sees
from oracle_standing import KEYS

NOW = 1_000.0
BOTH = frozenset({"TEST", "LIVE"})
ABOVE: dict[str, dict[str, object]] = {
    "vendor": {},
    "shop": {"manager": "vendor"},
    "kiosk": {"manager": "vendor"},
    "draft": {"manager": "vendor", "envs": frozenset({"TEST"})},
    "enterprise": {"administrator": "vendor"},
    "branch": {"manager": "enterprise"},
    "stranger": {},
    "foreign": {"manager": "stranger"},
}  # fmt: skip
PEOPLE = {
    "ann": ("vendor", "owner"), "adam": ("vendor", "admin"), "bill": ("vendor", "billing"),
    "mia": ("vendor", "member"), "sue": ("shop", "owner"), "tom": ("shop", "admin"),
    "eve": ("enterprise", "admin"),
}  # fmt: skip


def world() -> State:
    organizations = {
        name: Organization(name, **{"envs": BOTH} | above)  # type: ignore[arg-type]
        for name, above in ABOVE.items()
    }
    keys = {
        f"{name}-{env}": Key(f"{name}-{env}", name, env)
        for name in ABOVE
        for env in ("TEST", "LIVE")
    }
    roles = {(of, name): role for name, (of, role) in PEOPLE.items()}
    addresses = {f"address of {name}": name for name in ABOVE}
    return State(organizations, keys, dict(roles), dict(addresses))  # type: ignore[arg-type]


def actor(name: str) -> Actor:
    if name in PEOPLE:
        return Actor("user", name, PEOPLE[name][0], "LIVE")
    if "@" in name:
        key, _, ip = name.partition("@")
        return replace(actor(key), ip=ip)
    of, _, env = name.partition("-")
    return Actor("key", name, of, env)


YES, DEAD, UNSEEN, NO = Verdict.ALLOW, Verdict.UNKNOWN, Verdict.INVISIBLE, Verdict.DENIED
STOPPED, CONFLICT = Verdict.SUSPENDED, Verdict.WRONG_STATE

# who, does what, to which organization, about which key, person or address: the answer
AS_THINGS_ARE = [
    # Rights flow down: to what one manages, administers, and what that manages.
    ("vendor-LIVE", "organization:update", "vendor", None, YES),
    ("vendor-LIVE", "organization:update", "shop", None, YES),
    ("vendor-LIVE", "organization:update", "enterprise", None, YES),
    ("vendor-LIVE", "organization:update", "branch", None, YES),
    ("enterprise-LIVE", "organization:update", "branch", None, YES),
    # Never sideways, never up, never to strangers: there is nothing there.
    ("shop-LIVE", "organization:read", "kiosk", None, UNSEEN),
    ("shop-LIVE", "organization:read", "vendor", None, UNSEEN),
    ("branch-LIVE", "organization:read", "enterprise", None, UNSEEN),
    ("branch-LIVE", "organization:read", "vendor", None, UNSEEN),
    ("enterprise-LIVE", "organization:read", "vendor", None, UNSEEN),
    ("enterprise-LIVE", "organization:read", "shop", None, UNSEEN),
    ("stranger-LIVE", "organization:read", "shop", None, UNSEEN),
    ("vendor-LIVE", "organization:read", "foreign", None, UNSEEN),
    ("vendor-LIVE", "organization:read", "nowhere", None, UNSEEN),
    # What is not seen is not denied.
    ("shop-LIVE", "organization:delete", "vendor", None, UNSEEN),
    ("mia", "organization:delete", "foreign", None, UNSEEN),
    # A managed organization's key minds its own keys and reads the rest.
    ("shop-LIVE", "organization:read", "shop", None, YES),
    ("shop-LIVE", "user:read", "shop", None, YES),
    ("shop-LIVE", "audit:read", "shop", None, YES),
    ("shop-LIVE", "api_key:create", "shop", None, YES),
    ("shop-LIVE", "agreement:decide", "shop", None, YES),
    ("shop-LIVE", "agreement:propose", "shop", None, NO),
    ("vendor-LIVE", "agreement:propose", "shop", None, YES),
    ("vendor-LIVE", "agreement:propose", "foreign", None, UNSEEN),
    ("vendor-TEST", "agreement:propose", "shop", None, NO),
    ("vendor-TEST", "agreement:propose", "draft", None, YES),
    ("vendor-TEST", "agreement:decide", "vendor", None, NO),
    ("bill", "agreement:decide", "vendor", None, NO),
    ("mia", "agreement:read", "vendor", None, YES),
    ("mia", "agreement:decide", "vendor", None, NO),
    ("shop-LIVE", "organization:update", "shop", None, NO),
    ("shop-LIVE", "user:invite", "shop", None, NO),
    ("shop-LIVE", "billing_address:create", "shop", None, NO),
    ("shop-LIVE", "organization:create", "shop", None, NO),
    # A TSS is its organization's own keys' affair: those above and people look on.
    ("shop-LIVE", "tss:create", "shop", None, YES),
    ("shop-LIVE", "transaction:sign", "shop", None, YES),
    ("vendor-LIVE", "tss:create", "vendor", None, YES),
    ("vendor-LIVE", "transaction:read", "shop", None, YES),
    ("vendor-LIVE", "transaction:sign", "shop", None, NO),
    ("vendor-LIVE", "client:create", "enterprise", None, NO),
    ("sue", "transaction:read", "shop", None, YES),
    ("sue", "transaction:sign", "shop", None, NO),
    ("ann", "tss:update", "vendor", None, NO),
    ("mia", "client:read", "shop", None, YES),
    ("bill", "tss:read", "vendor", None, NO),
    ("vendor-LIVE", "fleet:read", "shop", None, YES),
    ("mia", "fleet:read", "vendor", None, YES),
    ("bill", "fleet:read", "vendor", None, NO),
    ("shop-LIVE", "tss:read", "vendor", None, UNSEEN),
    ("shop-LIVE", "transaction:sign", "kiosk", None, UNSEEN),
    ("stranger-LIVE", "transaction:read", "shop", None, UNSEEN),
    # Its owner may invite people besides, and no more.
    ("sue", "user:invite", "shop", None, YES),
    ("sue", "organization:update", "shop", None, NO),
    ("sue", "organization:enable_env", "shop", None, NO),
    # Only main organizations are created in; only one that nobody administers administers.
    ("vendor-LIVE", "organization:create", "vendor", None, YES),
    ("vendor-LIVE", "organization:create", "enterprise", None, YES),
    ("vendor-LIVE", "organization:create", "shop", None, NO),
    ("vendor-LIVE", "organization:administer", "vendor", None, YES),
    ("enterprise-LIVE", "organization:administer", "enterprise", None, NO),
    ("eve", "organization:administer", "enterprise", None, NO),
    # Who administers may hand over; nobody hands over itself or a managed one.
    ("vendor-LIVE", "organization:hand_over", "enterprise", None, YES),
    ("vendor-LIVE", "organization:hand_over", "vendor", None, NO),
    ("vendor-LIVE", "organization:hand_over", "shop", None, NO),
    ("enterprise-LIVE", "organization:hand_over", "enterprise", None, NO),
    # What is in TEST is wiped by a main organization, and from TEST.
    ("vendor-TEST", "test_data:delete", "vendor", None, YES),
    ("enterprise-TEST", "test_data:delete", "enterprise", None, YES),
    ("vendor-LIVE", "test_data:delete", "vendor", None, NO),
    ("shop-TEST", "test_data:delete", "shop", None, NO),
    # One suspends from above, never oneself.
    ("vendor-LIVE", "organization:suspend", "enterprise", None, YES),
    ("vendor-LIVE", "organization:suspend", "vendor", None, NO),
    # TEST and LIVE are two worlds; what is LIVE as a whole is not for a TEST key.
    ("vendor-TEST", "organization:read", "shop", None, YES),
    ("vendor-TEST", "organization:update", "shop", None, NO),
    ("vendor-TEST", "organization:update", "draft", None, YES),
    ("vendor-TEST", "user:invite", "vendor", None, NO),
    ("vendor-TEST", "api_key:create", "shop", None, YES),
    ("vendor-LIVE", "organization:read", "draft", None, UNSEEN),
    ("vendor-LIVE", "organization:enable_env", "draft", None, YES),
    ("vendor-TEST", "organization:enable_env", "draft", None, NO),
    ("vendor-LIVE", "api_key:read", "shop", "shop-LIVE", YES),
    ("vendor-LIVE", "api_key:read", "shop", "shop-TEST", UNSEEN),
    ("draft-LIVE", "organization:read", "draft", None, DEAD),
    # Ids that do not belong together open nothing.
    ("vendor-LIVE", "api_key:read", "shop", "kiosk-LIVE", UNSEEN),
    ("vendor-LIVE", "api_key:delete", "vendor", "shop-LIVE", UNSEEN),
    ("vendor-LIVE", "user:delete", "kiosk", "sue", UNSEEN),
    # Roles: money is money, members read and neither audit nor access.
    ("bill", "billing_address:update", "shop", None, YES),
    ("bill", "organization:read", "shop", None, YES),
    ("bill", "user:read", "vendor", None, NO),
    ("bill", "api_key:read", "vendor", None, NO),
    ("mia", "api_key:read", "shop", None, YES),
    ("mia", "audit:read", "vendor", None, NO),
    ("mia", "access:read", "vendor", None, NO),
    ("mia", "user:invite", "vendor", None, NO),
    ("adam", "organization:update", "shop", None, YES),
    # Nobody removes a superior; the last owner stays.
    ("tom", "user:delete", "shop", "sue", CONFLICT),
    ("ann", "user:delete", "vendor", "ann", CONFLICT),
    ("tom", "user:delete", "shop", "tom", YES),
    ("vendor-LIVE", "user:delete", "vendor", "adam", YES),
    # LIVE stays, parents stay, the rest may go.
    ("vendor-LIVE", "organization:delete", "shop", None, CONFLICT),
    ("vendor-TEST", "organization:delete", "draft", None, YES),
    ("nobody-LIVE", "organization:read", "vendor", None, DEAD),
]


def key(name: str, **limits: object) -> Callable[[State], None]:
    def change(state: State) -> None:
        state.keys[name] = replace(state.keys[name], **limits)  # type: ignore[arg-type]

    return change


def organization(name: str, **fields: object) -> Callable[[State], None]:
    def change(state: State) -> None:
        found = state.organizations[name]
        state.organizations[name] = replace(found, **fields)  # type: ignore[arg-type]

    return change


def second_owner(state: State) -> None:
    state.roles["shop", "tom"] = "owner"
    state.roles["shop", "uma"] = "admin"


READER = frozenset({"organization:read"})
GRACE = {"status": "suspended", "grace_ends_at": NOW + 1}
OVER = {"status": "suspended", "grace_ends_at": NOW}
# what is different, then as above
AFTER = [
    # A till must not fall silent over an unpaid bill; nothing else goes on.
    (organization("vendor", **GRACE), "shop-LIVE", "transaction:sign", "shop", None, YES),
    (organization("vendor", **GRACE), "shop-LIVE", "tss:create", "shop", None, STOPPED),
    (organization("vendor", **OVER), "shop-LIVE", "transaction:sign", "shop", None, STOPPED),
    (key("shop-LIVE", is_enabled=False), "shop-LIVE", "organization:read", "shop", None, DEAD),
    (key("shop-LIVE", expires_at=NOW + 1), "shop-LIVE", "user:read", "shop", None, YES),
    (key("shop-LIVE", expires_at=NOW), "shop-LIVE", "user:read", "shop", None, DEAD),
    (key("shop-LIVE", not_before=NOW), "shop-LIVE", "user:read", "shop", None, YES),
    (key("shop-LIVE", not_before=NOW + 1), "shop-LIVE", "user:read", "shop", None, DEAD),
    (key("shop-LIVE", allowed_ips=("10.0.0.0/8",)), "shop-LIVE@10.1.1.1", "user:read", "shop",
     None, YES),
    (key("shop-LIVE", allowed_ips=("10.0.0.0/8",)), "shop-LIVE@11.1.1.1", "user:read", "shop",
     None, DEAD),
    (key("shop-LIVE", generation=2, retiring_ends_at=NOW + 1), "shop-LIVE", "user:read", "shop",
     None, YES),
    (key("shop-LIVE", generation=2, retiring_ends_at=NOW), "shop-LIVE", "user:read", "shop",
     None, DEAD),
    (key("shop-LIVE", generation=3, retiring_ends_at=NOW + 1), "shop-LIVE", "user:read", "shop",
     None, DEAD),
    (key("vendor-LIVE", permissions=READER), "vendor-LIVE", "organization:read", "shop", None, YES),
    (key("vendor-LIVE", permissions=READER), "vendor-LIVE", "organization:update", "shop",
     None, NO),
    (key("shop-LIVE", permissions=frozenset({"organization:update"})), "shop-LIVE",
     "organization:update", "shop", None, NO),
    (key("vendor-LIVE", reach="self"), "vendor-LIVE", "organization:read", "shop", None, UNSEEN),
    (key("vendor-LIVE", reach="managed"), "vendor-LIVE", "organization:read", "shop", None, YES),
    (key("vendor-LIVE", reach="managed"), "vendor-LIVE", "organization:read", "enterprise", None,
     UNSEEN),
    (key("vendor-LIVE", reach=frozenset({"branch", "foreign"})), "vendor-LIVE",
     "organization:read", "branch", None, YES),
    (key("vendor-LIVE", reach=frozenset({"branch", "foreign"})), "vendor-LIVE",
     "organization:read", "foreign", None, UNSEEN),
    (key("vendor-LIVE", reach=frozenset({"shop"})), "vendor-LIVE", "organization:create", "vendor",
     None, NO),
    (key("vendor-LIVE", permissions=KEYS), "vendor-LIVE", "api_key:rotate", "shop",
     "shop-LIVE", NO),
    (key("shop-LIVE", manager="vendor"), "shop-LIVE", "api_key:update", "shop", "shop-LIVE", NO),
    (key("shop-LIVE", manager="vendor"), "vendor-LIVE", "api_key:update", "shop", "shop-LIVE", YES),
    (key("shop-LIVE", is_enabled=False), "vendor-LIVE", "api_key:rotate", "shop", "shop-LIVE",
     CONFLICT),
    (organization("vendor", **GRACE), "vendor-LIVE", "organization:read", "vendor", None, YES),
    (organization("vendor", **GRACE), "vendor-LIVE", "organization:update", "vendor",
     None, STOPPED),
    (organization("vendor", **GRACE), "vendor-LIVE", "organization:read", "shop", None, UNSEEN),
    (organization("vendor", **GRACE), "shop-LIVE", "organization:read", "shop", None, YES),
    (organization("vendor", **OVER), "shop-LIVE", "organization:read", "shop", None, STOPPED),
    (organization("vendor", **OVER), "vendor-LIVE", "organization:read", "nowhere", None, STOPPED),
    (organization("enterprise", **OVER), "vendor-LIVE", "organization:update", "branch", None, YES),
    (organization("enterprise", status="archived"), "vendor-LIVE", "organization:read", "branch",
     None, YES),
    (organization("enterprise", status="archived"), "vendor-LIVE", "organization:update", "branch",
     None, CONFLICT),
    (organization("enterprise", status="archived"), "vendor-LIVE", "organization:suspend",
     "enterprise", None, YES),
    (organization("enterprise", status="archived"), "eve", "organization:read", "branch", None,
     STOPPED),
    (organization("draft", is_protected=True), "vendor-TEST", "organization:delete", "draft", None,
     CONFLICT),
    (organization("shop", address="address of shop"), "bill", "billing_address:delete", "shop",
     "address of shop", CONFLICT),
    (second_owner, "sue", "user:delete", "shop", "tom", YES),
    (second_owner, "vendor-LIVE", "user:delete", "shop", "tom", NO),
]  # fmt: skip


@pytest.mark.parametrize(("who", "action", "to", "about", "answer"), AS_THINGS_ARE, ids=str)
def test_the_oracle_says_what_the_rules_say(
    who: str, action: str, to: str, about: str | None, answer: Verdict
) -> None:
    state, who_acts = world(), actor(who)
    env = "LIVE" if action == "organization:enable_env" else who_acts.env
    assert may(who_acts, action, to, env, state, NOW, about) is answer


@pytest.mark.parametrize(("change", "who", "action", "to", "about", "answer"), AFTER)
def test_the_oracle_follows_what_changes(  # noqa: PLR0913, PLR0917 - the columns of the table
    change: Callable[[State], None],
    who: str,
    action: str,
    to: str,
    about: str | None,
    answer: Verdict,
) -> None:
    state, who_acts = world(), actor(who)
    change(state)
    assert may(who_acts, action, to, who_acts.env, state, NOW, about) is answer


SIGHTS = [
    ("vendor-LIVE", {"vendor", "shop", "kiosk", "enterprise", "branch"}),
    ("vendor-TEST", {"vendor", "shop", "kiosk", "enterprise", "branch", "draft"}),
    ("enterprise-LIVE", {"enterprise", "branch"}),
    ("shop-LIVE", {"shop"}),
    ("sue", {"shop"}),
    ("foreign-TEST", {"foreign"}),
    ("draft-LIVE", set()),
]


@pytest.mark.parametrize(("who", "organizations"), SIGHTS)
def test_sight_runs_downward_only(who: str, organizations: set[str]) -> None:
    sight = sees(actor(who), world(), NOW)
    env = actor(who).env
    assert sight.organizations == organizations
    assert sight.keys == {f"{name}-{env}" for name in organizations}
    assert sight.people == {name for name, (of, _) in PEOPLE.items() if of in organizations}
    assert sight.addresses == {f"address of {name}" for name in organizations}


def test_of_what_is_above_a_managed_organization_knows_the_managers_id_alone() -> None:
    state = world()
    made = {"maker": "vendor-LIVE", "maker_of": "vendor", "payer": "vendor"}
    contact = {"contact": "ann", "contact_is_from_above": True, "address": "address of vendor"}
    organization("shop", **made, **contact)(state)
    key("shop-LIVE", manager="vendor", maker="vendor-LIVE", maker_of="vendor")(state)
    sight = sees(actor("shop-LIVE"), state, NOW)
    assert sight.bare_ids == {"shop", "shop-LIVE", "vendor"}
    hidden = ("administrator", "contact", "payer", "address")
    assert sight.hidden == {("shop", name) for name in hidden}
    from_above = sees(actor("vendor-LIVE"), state, NOW)
    assert {"ann", "vendor-LIVE", "address of vendor"} <= from_above.bare_ids
    assert {name for of, name in from_above.hidden if of == "shop"} == {"administrator"}


def test_the_administrator_of_a_manager_is_unknown_below_it() -> None:
    state = world()
    key("branch-LIVE", manager="vendor", maker="vendor-LIVE", maker_of="vendor")(state)
    organization("branch", contact="ann", contact_is_from_above=True)(state)
    for who in ("branch-LIVE", "enterprise-LIVE"):
        assert not sees(actor(who), state, NOW).bare_ids & {"vendor", "vendor-LIVE", "ann"}


def test_there_are_enough_cases_and_every_verdict_is_among_them() -> None:
    verdicts = [case[-1] for case in (*AS_THINGS_ARE, *AFTER)]
    assert len(verdicts) + len(SIGHTS) >= 80
    assert set(verdicts) == set(Verdict)


def test_the_oracle_imports_nothing_of_the_product() -> None:
    modules = {"oracle", "oracle_keys", "oracle_standing", "facts"}
    for name in (f"{module}.py" for module in modules):
        tree = ast.parse(Path(__file__).with_name(name).read_text("utf-8"))
        froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        plain = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
        imported = {node.module for node in froms} | {each.name for n in plain for each in n.names}
        known = {"collections.abc", "dataclasses", "enum", "ipaddress", "typing"}
        assert imported <= known | modules
