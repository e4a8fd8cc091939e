"""What each operation of the service asks the oracle, and how it is called.

A route that is not in `OPERATIONS` fails the tests: whoever adds one says here which right it asks
for, where it takes the organization from, and what it is sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from litestar import Litestar
from litestar.routes import HTTPRoute

from facts import Actor, Id, Key, State, Verdict
from oracle import may, may_at_all
from oracle_keys import handed_on, is_above_maker
from oracle_standing import chain, effective_status, is_visible
from world import ADDRESS, Json

Said = tuple[int, str | None]


class Asks(NamedTuple):
    """One line of the table."""

    action: str
    place: str = "path"
    """Whose organization it is about: of the path, the actor's own, the one named as manager
    (`parent`), several of them (`batch`), or the one that the address of the path, or the key that
    is asked about (`principal`), belongs to."""
    about: str | None = None
    """What else the path names: a key, a person or an address."""
    body: Json | None = None
    query: str = ""
    also: tuple[str, ...] = ()
    """What it asks for as well, once the first is given."""


NEW = ADDRESS | {"name": "Till"}
BILLING = ADDRESS | {"recipient": "Billing"}
INVITATION = {"email": "{unique}@example.org"}
PUK = {"admin_puk": "0123456789", "new_admin_pin": "123456"}
START = {"state": "ACTIVE", "client_id": "00000000-0000-4000-8000-000000000001"}
PROPOSAL = {"kind": "payer", "with_organization_id": "9" * 8 + "-9999-4999-8999-" + "9" * 12}
OPERATIONS = {
    "createOrganization": Asks("organization:create", "parent", body=NEW),
    "provisionOrganization": Asks("organization:create", "parent", body={"organization": NEW}),
    "createOrganizationBatch": Asks("organization:create", "batch", body=NEW),
    "listOrganizations": Asks("organization:read", "own"),
    "retrieveOrganization": Asks("organization:read"),
    "retrieveOrganizationTree": Asks("organization:read"),
    "updateOrganization": Asks("organization:update", body={"name": "Renamed {unique}"}),
    "deleteOrganization": Asks("organization:delete"),
    "enableEnvironment": Asks("organization:enable_env", body={"env": "{env}"}),
    "handOverOrganization": Asks("organization:hand_over"),
    "setOrganizationStatus": Asks("organization:suspend", body={"status": "archived"}),
    "createApiKey": Asks("api_key:create", body={"name": "key-{unique}", "status": "enabled"}),
    "listApiKeys": Asks("api_key:read"),
    "retrieveApiKey": Asks("api_key:read", about="key"),
    "updateApiKey": Asks("api_key:update", about="key", body={"status": "enabled"}),
    "deleteApiKey": Asks("api_key:delete", about="key"),
    "rotateApiKey": Asks("api_key:rotate", about="key", body={}),
    "expirePreviousSecret": Asks("api_key:expire_secret", about="key"),
    "listUsers": Asks("user:read"),
    "inviteUser": Asks("user:invite", body=INVITATION),
    "invite_user_by_alias": Asks("user:invite", body=INVITATION),
    "deleteUser": Asks("user:delete", about="person"),
    "listBillingAddresses": Asks("billing_address:read", "own"),
    "createBillingAddress": Asks("billing_address:create", "own", body=BILLING),
    "retrieveBillingAddress": Asks("billing_address:read", "address", "address"),
    "updateBillingAddress": Asks(
        "billing_address:update", "address", "address", {"town": "Bonn {unique}"}
    ),
    "deleteBillingAddress": Asks("billing_address:delete", "address", "address"),
    "retrieveMe": Asks("organization:read", "own"),
    "listMyReach": Asks("organization:read", "own"),
    "explainAccess": Asks(
        "access:read",
        "principal",
        about="key",
        query="principal={about}&organization_id={organization}&right=user:read",
    ),
    "listAccess": Asks("access:read"),
    "listAuditLog": Asks("audit:read"),
    "proveAuditEntry": Asks("audit:read", about="entry"),
    "listAuditSeals": Asks("audit:read", "own"),
    "deleteTestData": Asks("test_data:delete", "own"),
    "retrieveOverview": Asks("fleet:read"),
    "listFleet": Asks("fleet:read", also=("organization:read", "tss:read")),
    "listPayerPeriods": Asks("organization:read"),
    "proposeAgreement": Asks("agreement:propose", body=PROPOSAL),
    "listAgreements": Asks("agreement:read"),
    "retrieveAgreement": Asks("agreement:read", about="agreement"),
    "analyseAgreement": Asks("agreement:read", about="agreement"),
    "acceptAgreement": Asks("agreement:decide", about="agreement"),
    "declineAgreement": Asks("agreement:decide", about="agreement"),
    "withdrawAgreement": Asks("agreement:decide", about="agreement"),
    "undoAgreement": Asks("agreement:decide", about="agreement"),
    # In a world of facts nobody has a TSS yet.
    "createTss": Asks("tss:create", "own", body={}),
    "listTss": Asks("tss:read", "own"),
    "retrieveTss": Asks("tss:read", "own", "tss"),
    "updateTss": Asks("tss:update", "own", "tss", {"state": "DISABLED"}),
    "setAdminPin": Asks("tss:update", "own", "tss", PUK),
    "logInAdmin": Asks("tss:update", "own", "tss", {"admin_pin": "123456"}),
    "logOutAdmin": Asks("tss:update", "own", "tss", {}),
    "retrieveTssMetadata": Asks("tss:read", "own", "tss"),
    "updateTssMetadata": Asks("tss:update", "own", "tss", {}),
    "createClient": Asks("client:create", "own", "tss", {"serial_number": "1"}),
    "retrieveClient": Asks("client:read", "own", "tss"),
    "updateClient": Asks("client:update", "own", "tss", {"state": "DEREGISTERED"}),
    "listClients": Asks("client:read", "own"),
    "listClientsOfTss": Asks("client:read", "own", "tss"),
    "retrieveClientMetadata": Asks("client:read", "own", "tss"),
    "updateClientMetadata": Asks("client:update", "own", "tss", {}),
    "upsertTransaction": Asks("transaction:sign", "own", "tss", START),
    "retrieveTransaction": Asks("transaction:read", "own", "tss"),
    "retrieveTransactionLog": Asks("transaction:read", "own", "tss"),
    "listTransactions": Asks("transaction:read", "own"),
    "listTransactionsOfTss": Asks("transaction:read", "own", "tss"),
    "listTransactionsOfClient": Asks("transaction:read", "own", "tss"),
    "retrieveTransactionMetadata": Asks("transaction:read", "own", "tss"),
    "updateTransactionMetadata": Asks("transaction:update", "own", "tss", {}),
    "createExport": Asks("export:create", "own", "tss", {}),
    "retrieveExport": Asks("export:read", "own", "tss"),
    "cancelExport": Asks("export:cancel", "own", "tss"),
    "retrieveExportFile": Asks("export:read", "own", "tss"),
    "listExports": Asks("export:read", "own"),
    "listExportsOfTss": Asks("export:read", "own", "tss"),
    "retrieveExportMetadata": Asks("export:read", "own", "tss"),
    "updateExportMetadata": Asks("export:update", "own", "tss", {}),
}
MISSING = {
    "key": "E_API_KEY_NOT_FOUND",
    "person": "E_USER_NOT_FOUND",
    "address": "E_BILLING_ADDRESS_NOT_FOUND",
    "entry": "E_AUDIT_ROW_NOT_FOUND",
    "tss": "E_TSS_NOT_FOUND",
    "agreement": "E_AGREEMENT_NOT_FOUND",
}
NO_ORGANIZATION = "E_ORGANIZATION_NOT_FOUND"
IN_PATH = {
    "key": "key_id",
    "person": "user_id",
    "address": "address_id",
    "entry": "row_id",
    "agreement": "agreement_id",
}
BELOW_TSS = ("tss_id", "client_id", "tx_id_or_number", "export_id")


class Route(NamedTuple):
    """One operation as the application has it."""

    name: str
    method: str
    path: str

    @property
    def asks(self) -> Asks:
        return OPERATIONS[self.name]


def routes_of(apps: dict[str, Litestar]) -> Iterator[Route]:
    """Yield every operation that needs a token, but the automatic OPTIONS."""
    for prefix, app in apps.items():
        for route in app.routes:
            if isinstance(route, HTTPRoute) and route.path_format.startswith(prefix):
                for handler in route.route_handlers:
                    name = str(handler.operation_id or handler.handler_name)
                    for method in sorted(map(str, handler.http_methods)):
                        if method != "OPTIONS" and not handler.opt.get("public"):
                            yield Route(name, method, route.path_format)


@dataclass(frozen=True)
class Call:
    """One call of one actor, with the ids that it names: they need not belong together."""

    route: Route
    actor: Actor
    organization: UUID
    about: UUID
    others: tuple[UUID, ...] = ()
    """More managers, for a batch."""
    env: str = "LIVE"
    """The env that is to be enabled."""
    unique: str = "one"
    limits: tuple[tuple[str, Any], ...] = ()
    """What a new key is limited to."""

    @property
    def path(self) -> str:
        names = dict.fromkeys((*IN_PATH.values(), *BELOW_TSS), self.about)
        return self.route.path.format(organization_id=self.organization, **names)

    @property
    def query(self) -> str:
        return self.route.asks.query.format(organization=self.organization, about=self.about)

    @property
    def body(self) -> object:
        asks = self.route.asks
        filled = _fill(asks.body, env=self.env, unique=self.unique)
        if self.limits:
            return filled | dict(self.limits)
        if asks.place not in ("parent", "batch"):
            return filled
        managers = [self.organization, *self.others]
        if asks.place == "batch":
            below = [_below(NEW, manager) for manager in managers]
            return {"items": [{"organization": each} for each in below]}
        if "organization" in filled:
            return {"organization": _below(filled["organization"], self.organization)}
        return _below(filled, self.organization)


def _below(body: Json, manager: UUID) -> Json:
    return body | {"managed_by_organization_id": str(manager)}


def _fill(body: Any, **values: str) -> Any:  # noqa: ANN401 - JSON
    if isinstance(body, dict):
        return {name: _fill(value, **values) for name, value in body.items()}
    return body.format(**values) if isinstance(body, str) else body


def expected(call: Call, state: State, now: float) -> list[Said]:
    """Return what the oracle wants to be said: one answer, or one for each item of a batch."""
    asks, actor = call.route.asks, call.actor
    own = actor.organization
    match asks.place:
        case "own":
            verdict = may(actor, asks.action, own, actor.env, state, now)
            is_missing = verdict is Verdict.ALLOW and asks.about == "tss"
            missing = MISSING["tss"] if is_missing else None
            return [_said(Verdict.INVISIBLE if is_missing else verdict, missing)]
        case "address":
            return [_of_address(call, state, now)]
        case "principal":
            return [_of_principal(call, state, now)]
        case "batch" | "parent":
            return _of_parents(call, state, now)
    env = call.env if asks.action == "organization:enable_env" else actor.env
    about: Id = call.about if asks.about else None
    verdict = may(actor, asks.action, call.organization, env, state, now, about)
    for action in asks.also:
        if verdict is Verdict.ALLOW:
            verdict = may(actor, action, call.organization, env, state, now)
    if verdict is Verdict.WRONG_STATE and _is_over(call.organization, state):
        return [(409, "E_ORGANIZATION_ARCHIVED")]
    if verdict is Verdict.ALLOW and asks.action == "api_key:create":
        verdict = _of_new_key(call, state)
    if verdict is Verdict.ALLOW and asks.about in ("entry", "agreement"):
        # Nothing was ever recorded or agreed in a world of facts: what is asked for is absent.
        verdict = Verdict.INVISIBLE
    is_seen = _is_seen(call, call.organization, state, now)
    return [_said(verdict, MISSING[asks.about] if is_seen and asks.about else NO_ORGANIZATION)]


def _of_new_key(call: Call, state: State) -> Verdict:
    """No key is above whoever makes it; what it is to reach its own organization must reach."""
    limits = dict(call.limits)
    permissions, reach = limits.get("permissions"), limits.get("reach", "all")
    wanted = Key(
        "new",
        call.organization,
        call.actor.env,
        permissions=None if permissions is None else frozenset(permissions),
        reach=frozenset(map(UUID, reach)) if isinstance(reach, list) else reach,
        expires_at=limits.get("expires_at"),
        allowed_ips=tuple(limits.get("allowed_ips", ())),
    )
    wanted = handed_on(call.actor, wanted, state, named=frozenset(limits))
    if is_above_maker(call.actor, wanted, state):
        return Verdict.DENIED
    listed = wanted.reach if isinstance(wanted.reach, frozenset) else frozenset()
    is_within = all(
        each in state.organizations
        and call.organization in chain(each, state)
        and call.actor.env in state.organizations[each].envs
        for each in listed
    )
    return Verdict.ALLOW if is_within else Verdict.INVISIBLE


def _of_address(call: Call, state: State, now: float) -> Said:
    """Whose address it is has to be read first."""
    asks, actor, missing = call.route.asks, call.actor, MISSING["address"]
    reading = may(actor, "billing_address:read", actor.organization, actor.env, state, now)
    if reading is not Verdict.ALLOW:
        return _said(reading, missing)
    owner = state.addresses.get(call.about)
    verdict = may(actor, asks.action, owner, actor.env, state, now, call.about)
    if verdict is Verdict.WRONG_STATE and _is_over(owner, state):
        return 409, "E_ORGANIZATION_ARCHIVED"
    return _said(verdict, missing)


def _of_principal(call: Call, state: State, now: float) -> Said:
    """About others one needs the right where they belong, and to see what they would act on."""
    actor = call.actor
    action = "organization:read" if call.about == actor.id else call.route.asks.action
    asking = may_at_all(actor, action, actor.organization, actor.env, state, now)
    if call.about == actor.id and asking is Verdict.DENIED:
        asking = Verdict.ALLOW
    if asking is not Verdict.ALLOW:
        return _said(asking, None)
    key = state.keys.get(call.about)
    if key is None or key.env != actor.env or not _is_seen(call, key.organization, state, now):
        return 404, "E_PRINCIPAL_NOT_FOUND"
    return (200, None) if _is_seen(call, call.organization, state, now) else (404, NO_ORGANIZATION)


def _is_seen(call: Call, organization: Id, state: State, now: float) -> bool:
    return organization in state.organizations and is_visible(
        call.actor, call.route.asks.action, organization, state, now
    )


def _of_parents(call: Call, state: State, now: float) -> list[Said]:
    """A batch is entered once, and then judged item by item."""
    actor, action = call.actor, call.route.asks.action
    entering = may(actor, "organization:read", actor.organization, actor.env, state, now)
    if entering in (Verdict.UNKNOWN, Verdict.SUSPENDED):
        return [_said(entering, None)]
    parents = [call.organization, *(call.others if call.route.asks.place == "batch" else ())]
    verdicts = [may(actor, action, parent, actor.env, state, now) for parent in parents]
    archived = 409, "E_ORGANIZATION_ARCHIVED"
    return [archived if v is Verdict.WRONG_STATE else _said(v, None) for v in verdicts]


def _is_over(organization: Id, state: State) -> bool:
    return effective_status(organization, state) in ("archived", "pending_deletion")


def _said(verdict: Verdict, missing: str | None) -> Said:
    match verdict:
        case Verdict.ALLOW:
            return 200, None
        case Verdict.UNKNOWN:
            return 401, None
        case Verdict.INVISIBLE:
            return 404, missing
        case Verdict.DENIED:
            return 403, "E_ACCESS_DENIED"
        case Verdict.SUSPENDED:
            return 403, "E_ORGANIZATION_SUSPENDED"
        case Verdict.WRONG_STATE:
            return 409, None


def heard(status: int, body: Any) -> list[Said]:  # noqa: ANN401 - JSON
    """Return what was said: of a batch what was said of each item. A conflict's code is its own."""
    if status == 200 and body.get("_type") == "ORGANIZATION_BATCH":
        return [(each["status_code"], each.get("error", {}).get("code")) for each in body["data"]]
    code = body.get("code") if status >= 400 else None
    return [(status, None if status == 409 and code != "E_ORGANIZATION_ARCHIVED" else code)]
