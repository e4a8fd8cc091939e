"""Mutation of `access/policy.py`: hardly a slip of the hand goes unnoticed by the battery."""

import inspect
from random import Random
from types import ModuleType

import pytest

from amounts import AMOUNTS, record_figure
from mutants import Mutant, mutants_of
from policy_battery import CHECKS
from tillkeeper.access import policy
from tillkeeper.access.operation import ActorKind
from tillkeeper.access.rights import Right
from tillkeeper.access.verdicts import RuleName
from tillkeeper.core.env import Env
from tillkeeper.core.status import KeyReach, OrganizationStatus

KILLED_AT_LEAST = 0.95
# What is mistaken for each other.
VOCABULARY = {
    "Env": list(Env.__members__),
    "KeyReach": list(KeyReach.__members__),
    "ActorKind": list(ActorKind.__members__),
    "OrganizationStatus": list(OrganizationStatus.__members__),
    "Right": list(Right.__members__),
    "RuleName": list(RuleName.__members__),
    "sets of rights": ["READS", "PROFILE_WRITES"],
}
# Changes that change nothing, and why.
EQUIVALENT = {
    "module: (OrganizationStatus.ARCHIVED, OrganizationStatus.PENDING_DELETION)"
    " -> (OrganizationStatus.PENDING_DELETION, OrganizationStatus.ARCHIVED)": "asked with `in`",
    "module: (ActorKind.OPERATOR, ActorKind.SYSTEM)"
    " -> (ActorKind.SYSTEM, ActorKind.OPERATOR)": "asked with `in`",
    "Grant: True -> False (2)": "slots=True saves memory and is no promise",
}
SOURCE = inspect.getsource(policy)
MUTANTS = list(mutants_of(SOURCE, VOCABULARY))


def is_killed(mutant: Mutant) -> bool:
    module = ModuleType(policy.__name__)
    try:
        exec(mutant.code, vars(module))  # noqa: S102 - our own module, changed in one place
        for check in CHECKS:
            check(module)
    except Exception:  # noqa: BLE001 - however it fails, it was noticed
        return True
    return False


def test_the_battery_lets_the_policy_itself_pass() -> None:
    module = ModuleType(policy.__name__)
    exec(compile(SOURCE, "policy", "exec"), vars(module))  # noqa: S102 - our own module
    for check in CHECKS:
        check(module)


@pytest.mark.timeout(1200)
def test_mutants_of_the_policy_are_killed() -> None:
    some = Random(3).sample(MUTANTS, min(AMOUNTS.policy_mutants, len(MUTANTS)))  # noqa: S311
    survivors = [mutant.change for mutant in some if not is_killed(mutant)]
    unexplained = sorted(set(survivors) - EQUIVALENT.keys())
    tried = len(some) - len(set(survivors) & EQUIVALENT.keys())
    figure = (
        f"{tried - len(unexplained)} of {tried} mutants of {len(SOURCE.splitlines())} lines killed"
    )
    record_figure("Mutation of access/policy.py", figure, len(unexplained))
    assert tried - len(unexplained) >= KILLED_AT_LEAST * tried, "\n".join(unexplained)
    assert not unexplained, "\n".join(unexplained)


def test_every_change_that_is_called_equivalent_is_made_and_survives() -> None:
    made = {mutant.change: mutant for mutant in MUTANTS}
    assert made.keys() >= EQUIVALENT.keys()
    assert not [change for change in EQUIVALENT if is_killed(made[change])]
