"""The client reads what the server sends, today's and tomorrow's."""

from types import ModuleType

import msgspec
import pytest

from tillkeeper.client import wire
from tillkeeper.core.wire import Reply
from tillkeeper.domains.api_keys import wire as api_keys
from tillkeeper.domains.billing import wire as billing
from tillkeeper.domains.me import wire as me
from tillkeeper.domains.organizations import wire as organizations
from tillkeeper.domains.people import wire as people
from tillkeeper.domains.provisioning import wire as provisioning
from tillkeeper.domains.sessions import wire as sessions


@pytest.mark.parametrize(
    ("server", "names"),
    [
        (
            organizations,
            ["Organization", "BillingOptions", "ManagedConfiguration", "Tree", "TreeNode"],
        ),
        (api_keys, ["ApiKey", "NewApiKey"]),
        (people, ["User"]),
        (billing, ["BillingAddress"]),
        (me, ["Me", "MyActor", "MyOrganization", "MyReach"]),
        (sessions, ["Session", "Claims"]),
        (
            provisioning,
            ["ProvisionedOrganization", "BatchedItem", "BatchedOrganizations", "ItemProblem"],
        ),
    ],
)
def test_what_the_client_needs_the_server_always_sends(
    server: ModuleType, names: list[str]
) -> None:
    for name in names:
        sent = {each.encode_name: each for each in msgspec.structs.fields(getattr(server, name))}
        for field in msgspec.structs.fields(getattr(wire, name)):
            assert field.encode_name in sent, f"{name}.{field.name}"
            assert sent[field.encode_name].required or not field.required, f"{name}.{field.name}"


def test_what_the_server_adds_is_skipped() -> None:
    kinds = [each for each in vars(wire).values() if isinstance(each, type)]
    structs = [each for each in kinds if issubclass(each, Reply)]
    assert not any(each.__struct_config__.forbid_unknown_fields for each in structs)


def test_a_tree_is_read_to_its_leaves() -> None:
    leaf = {"_id": "0" * 32, "_type": "T", "_envs": ["TEST"], "name": "Leaf", "children": []}
    answer = {"data": leaf | {"children": [leaf]}, "count": 2, "is_cut": False, "new": 1}
    assert msgspec.convert(answer, wire.Tree).data.children[0].name == "Leaf"
