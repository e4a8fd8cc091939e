"""Who holds which right at most, decided without a database."""

import re

import pytest

from tillkeeper.access.rights import (
    DENIALS,
    PROFILE_WRITES,
    Right,
    rights_of_key,
    rights_of_role,
)
from tillkeeper.core.status import Role

CREATING = {
    Right.ORGANIZATION_CREATE,
    Right.ORGANIZATION_ADMINISTER,
    Right.ORGANIZATION_HAND_OVER,
    Right.ORGANIZATION_ENABLE_ENV,
}
POSITIONS = (
    {"is_main": True, "is_administered": False},
    {"is_main": True, "is_administered": True},
    {"is_main": False, "is_administered": False},
)
MANAGED = POSITIONS[2]


def test_every_right_has_a_sentence_that_denies_it() -> None:
    assert set(DENIALS) == set(Right)
    assert len(set(DENIALS.values())) == len(Right)
    for sentence in DENIALS.values():
        assert sentence[0].islower()
        assert not sentence.endswith(".")


def test_every_right_is_a_noun_and_a_verb() -> None:
    assert all(re.fullmatch(r"[a-z_]+:[a-z_]+", right) for right in Right)


def test_every_right_is_held_by_somebody_and_by_a_main_key() -> None:
    assert rights_of_key(is_main=True, is_administered=False) == set(Right)


def test_nobody_managed_holds_a_right_that_creates_or_moves_organizations() -> None:
    assert not rights_of_key(**MANAGED) & CREATING
    for role in Role:
        assert not rights_of_role(role, **MANAGED) & CREATING


def test_nobody_managed_changes_profile_or_billing() -> None:
    asked = {Right.AGREEMENT_DECIDE}
    people = {Right.USER_INVITE, Right.USER_DELETE}
    assert rights_of_key(**MANAGED) & PROFILE_WRITES == asked
    for role in Role:
        assert rights_of_role(role, **MANAGED) & PROFILE_WRITES <= people | asked


def test_only_who_is_not_administered_administers() -> None:
    for position in POSITIONS:
        holders = {right for role in Role for right in rights_of_role(role, **position)}
        may = position == POSITIONS[0]
        assert (Right.ORGANIZATION_ADMINISTER in holders) is may
        assert (Right.ORGANIZATION_ADMINISTER in rights_of_key(**position)) is may


@pytest.mark.parametrize("position", POSITIONS, ids=str)
def test_roles_form_a_lattice(position: dict[str, bool]) -> None:
    owner, admin, billing, member = (rights_of_role(role, **position) for role in Role)
    assert owner == admin
    assert billing <= owner
    assert member <= owner
    assert Right.ORGANIZATION_READ in member & billing


@pytest.mark.parametrize("position", POSITIONS, ids=str)
def test_members_only_read(position: dict[str, bool]) -> None:
    held = rights_of_role(Role.MEMBER, **position)
    assert all(right.endswith(":read") for right in held)
    assert Right.AUDIT_READ not in held


@pytest.mark.parametrize("position", POSITIONS, ids=str)
def test_billing_people_see_neither_keys_nor_people(position: dict[str, bool]) -> None:
    held = rights_of_role(Role.BILLING, **position)
    assert {right.partition(":")[0] for right in held} <= {"organization", "billing_address"}


def test_a_lower_position_never_holds_more() -> None:
    for role in (None, *Role):
        main, administered, managed = (
            rights_of_key(**position) if role is None else rights_of_role(role, **position)
            for position in POSITIONS
        )
        assert managed <= administered <= main


def test_what_changes_an_organization_as_a_whole_is_no_reading_and_no_key() -> None:
    assert all(right in Right for right in PROFILE_WRITES)
    assert not any(right.endswith(":read") for right in PROFILE_WRITES)
    assert not any(right.startswith("api_key:") for right in PROFILE_WRITES)
