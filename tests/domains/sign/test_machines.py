"""TSS and transactions against small models: whatever is called in whatever order.

The models know the contract and nothing of the product. A call is one of a few, drawn at random;
what it answers, and what the TSS shows afterwards, is what the model says.
"""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journals import journal_of
from tills import PIN, RECEIPT, Till
from world import Json, World, said

OK = (200, None)
CALLS = ("boot", "init", "disable", "puk", "wrong puk", "pin", "wrong pin", "logout")
CLIENT_CALLS = ("register", "deregister")
LOGS = {"boot": 6}
"""How many messages a call that goes through signs, where it is not one."""


@dataclass
class TssModel:
    """What a TSS is in."""

    state: str = "CREATED"
    is_pin_set: bool = False
    failures: int = 0
    is_open: bool = False
    signatures: int = 0
    clients: dict[int, str] = field(default_factory=dict)

    def expect(self, call: str, client: int) -> tuple[int, str | None]:
        """Return what is answered, and go on from there."""
        match call:
            case "boot" | "init" | "disable":
                return self._lead(call)
            case "puk" | "wrong puk":
                return self._unblock(call)
            case "pin" | "wrong pin":
                return self._log_in(call)
            case "logout":
                self.signatures += self.is_open
                self.is_open = False
                return OK
        return self._of_client(call, client)

    def _lead(self, call: str) -> tuple[int, str | None]:
        wanted = {"boot": "UNINITIALIZED", "init": "INITIALIZED", "disable": "DISABLED"}[call]
        if wanted == self.state:
            return OK
        ways = {
            ("CREATED", "UNINITIALIZED"),
            ("UNINITIALIZED", "INITIALIZED"),
            ("UNINITIALIZED", "DISABLED"),
            ("INITIALIZED", "DISABLED"),
        }
        if (self.state, wanted) not in ways:
            return 400, "E_ILLEGAL_TSS_STATE_CHANGE"
        if wanted != "UNINITIALIZED" and not self.is_open:
            return 401, "E_UNAUTHORIZED"
        self.state = wanted
        self.signatures += LOGS.get(call, 1)
        self.is_open = self.is_open and wanted != "DISABLED"
        return OK

    def _unblock(self, call: str) -> tuple[int, str | None]:
        if self.state == "DISABLED":
            return 400, "E_TSS_DISABLED"
        if self.state == "CREATED":
            return 400, "E_TSS_NOT_INITIALIZED"
        if call == "wrong puk":
            return 401, "E_ADMIN_LOGIN_FAILED"
        self.is_pin_set, self.failures, self.is_open = True, 0, False
        self.signatures += 1
        return OK

    def _log_in(self, call: str) -> tuple[int, str | None]:
        if self.state == "DISABLED":
            return 400, "E_TSS_DISABLED"
        if not self.is_pin_set or self.failures >= 5:
            return 423, "E_ADMIN_PIN_BLOCKED"
        self.signatures += 1
        if call == "wrong pin":
            self.failures += 1
            return 401, "E_ADMIN_LOGIN_FAILED"
        self.failures, self.is_open = 0, True
        return OK

    def _of_client(self, call: str, client: int) -> tuple[int, str | None]:
        if self.state == "DISABLED":
            return 400, "E_TSS_DISABLED"
        if self.state != "INITIALIZED":
            return 400, "E_TSS_NOT_INITIALIZED"
        if not self.is_open:
            return 401, "E_UNAUTHORIZED"
        now = self.clients.get(client)
        if call == "deregister" and now is None:
            return 404, "E_CLIENT_NOT_FOUND"
        if call == "register" and now is None:
            self.clients[client] = "REGISTERED"
            self.signatures += 1
        elif call == "deregister" and now == "REGISTERED":
            self.clients[client] = "DEREGISTERED"
            self.signatures += 1
        return OK


async def ask_tss(till: Till, call: str, client_id: UUID, serial: str) -> httpx.Response:
    requests: dict[str, tuple[str, str, Json]] = {
        "boot": ("PATCH", "", {"state": "UNINITIALIZED"}),
        "init": ("PATCH", "", {"state": "INITIALIZED"}),
        "disable": ("PATCH", "", {"state": "DISABLED"}),
        "puk": ("PATCH", "/admin", {"admin_puk": till.puk, "new_admin_pin": PIN}),
        "wrong puk": ("PATCH", "/admin", {"admin_puk": "x" * 10, "new_admin_pin": PIN}),
        "pin": ("POST", "/admin/auth", {"admin_pin": PIN}),
        "wrong pin": ("POST", "/admin/auth", {"admin_pin": "000000"}),
        "logout": ("POST", "/admin/logout", {}),
        "register": ("PUT", f"/client/{client_id}", {"serial_number": serial}),
        "deregister": ("PATCH", f"/client/{client_id}", {"state": "DEREGISTERED"}),
    }
    method, path, body = requests[call]
    return await till.http.request(method, till.path + path, json=body)


_relaxed = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Most runs go the way that a till goes, so that they come far; the rest is drawn.
_way = st.sampled_from([["boot", "puk", "pin", "init"], ["boot", "puk", "pin"], []])
_tss_calls = st.lists(
    st.tuples(st.sampled_from(CALLS + CLIENT_CALLS * 2), st.integers(0, 1)), max_size=20
)


@_relaxed
@given(way=_way, calls=_tss_calls)
async def test_a_tss_does_what_its_model_does(
    world: World, way: list[str], calls: list[tuple[str, int]]
) -> None:
    till, model, ids = Till(world.shop_live), TssModel(), [uuid4(), uuid4()]
    await till.create()
    for call, client in [*((each, 0) for each in way), *calls]:
        answer = await ask_tss(till, call, ids[client], f"ERS {client}")
        assert said(answer) == model.expect(call, client), call
    shown = await till.send("GET", "")
    registered = list(model.clients.values()).count("REGISTERED")
    assert shown["state"] == model.state
    assert shown["signature_counter"] == str(model.signatures)
    assert shown["number_registered_clients"] == registered
    await journal_of(world.owner, till.tss_id)


TYPES: dict[str, Json | None] = {
    "none": None,
    "receipt": RECEIPT,
    "other": {"standard_v1": {"other": "x"}},
}


@dataclass
class TransactionModel:
    """The revisions of a transaction: state and type of each."""

    revisions: list[tuple[str, str]] = field(default_factory=list)

    def expect(self, revision: int, state: str, kind: str) -> tuple[tuple[int, str | None], bool]:
        """Return what is answered, and whether something is signed."""
        if revision <= len(self.revisions):
            is_same = self.revisions[revision - 1] == (state, kind)
            return (OK if is_same else (400, "E_TX_UPSERT")), False
        is_over = bool(self.revisions) and self.revisions[-1][0] != "ACTIVE"
        is_late_start = not self.revisions and state != "ACTIVE"
        if is_over or revision != len(self.revisions) + 1 or is_late_start:
            return (400, "E_TX_UPSERT"), False
        earlier = next((each for _, each in self.revisions if each != "none"), None)
        if kind == "none" and state != "ACTIVE":
            return (409, "E_TX_NO_TYPE_DEFINED"), False
        if kind != "none" and earlier not in (None, kind):
            return (409, "E_TX_ILLEGAL_TYPE_CHANGE"), False
        self.revisions.append((state, kind))
        return OK, True


_tx_calls = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from([0, 1, 1, 1, 1, 2]),
        st.sampled_from(["ACTIVE", "ACTIVE", "FINISHED", "CANCELLED"]),
        st.sampled_from(sorted(TYPES)),
    ),
    min_size=5,
    max_size=25,
)


@_relaxed
@given(calls=_tx_calls)
async def test_a_transaction_does_what_its_model_does(
    world: World, calls: list[tuple[int, int, str, str]]
) -> None:
    """Revisions are drawn around the next one: the last again, the next, and one too many."""
    till = await Till(world.shop_live).open()
    ids, models, signed = [uuid4(), uuid4()], [TransactionModel(), TransactionModel()], 10
    for which, step, state, kind in calls:
        revision = max(1, len(models[which].revisions) + step)
        body: Json = {"state": state, "client_id": str(till.client_id)}
        body |= {} if TYPES[kind] is None else {"schema": TYPES[kind]}
        path = f"{till.path}/tx/{ids[which]}?tx_revision={revision}"
        answer = await till.http.put(path, json=body)
        expected, is_signed = models[which].expect(revision, state, kind)
        signed += is_signed
        assert said(answer) == expected
    shown = await till.send("GET", "")
    active = [m.revisions[-1][0] for m in models if m.revisions].count("ACTIVE")
    assert shown["number_active_transactions"] == active
    assert shown["transaction_counter"] == str(sum(bool(m.revisions) for m in models))
    assert len(await journal_of(world.owner, till.tss_id)) == signed
