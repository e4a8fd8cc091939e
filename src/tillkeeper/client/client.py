"""The Management API `/api/v0` as typed calls."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self
from uuid import UUID

import httpx2

from tillkeeper.client import wire
from tillkeeper.client.calls import Body, Calls, Filter, plain
from tillkeeper.client.connection import Connection, Sleep
from tillkeeper.core.env import Env

_PREFIX = "/api/v0"
_MOST_CONNECTIONS = 256


class Client:
    """A connection to one installation as one API key: `async with Client(...) as client`.

    Every call raises ApiProblem where the answer is no, and Unreachable where there is none.
    Changes carry an Idempotency-Key that stays the same across retries, so each happens once; pass
    your own `idempotency_key` to be safe across restarts of your program, too.
    """

    def __init__(  # noqa: PLR0913 - all but three are for tests and rare needs
        self,
        base_url: str,
        api_key: str,
        api_secret: str,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        timeout: float = 30,
        retries: int = 4,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._http = httpx2.AsyncClient(
            base_url=_api_url(base_url),
            transport=transport,
            timeout=timeout,
            limits=httpx2.Limits(max_connections=_MOST_CONNECTIONS),
        )
        self._connection = Connection(
            self._http, (api_key, api_secret), retries=retries, sleep=sleep
        )
        self._calls = Calls(self._connection)
        self._change = self._calls.change

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.__aexit__(kind, error, traceback)

    async def claims(self) -> wire.Claims:
        """Return the organization and the env of the token: the cheapest proof that it is good."""
        return await self._connection.claims()

    async def me(self) -> wire.Me:
        """Return who calls, where, and what it may do."""
        return await self._calls.read("/me", wire.Me)

    def list_organizations(self, **filters: Filter) -> AsyncIterator[wire.Organization]:
        """Walk all that can be seen, the oldest first.

        Filters: env, type, managed_by_organization_id, external_id, tax_number.
        """
        return self._calls.by_cursor("/organizations", wire.Page[wire.Organization], filters)

    async def get_organization(self, organization_id: UUID) -> wire.Organization:
        """Return one organization."""
        return await self._calls.read(_of(organization_id), wire.Organization)

    async def create_organization(
        self, wanted: Body, *, idempotency_key: str | None = None
    ) -> wire.Organization:
        """Create a managed organization where a manager is named, otherwise a main one."""
        return await self._change(
            "POST", "/organizations", wire.Organization, wanted, idempotency_key=idempotency_key
        )

    async def update_organization(
        self, organization_id: UUID, patch: Body, *, idempotency_key: str | None = None
    ) -> wire.Organization:
        """Change what is given; null clears."""
        path = _of(organization_id)
        return await self._change(
            "PATCH", path, wire.Organization, patch, idempotency_key=idempotency_key
        )

    async def delete_organization(
        self, organization_id: UUID, *, idempotency_key: str | None = None
    ) -> None:
        """Delete an organization that is not LIVE, with its keys."""
        await self._change(
            "DELETE", _of(organization_id), wire.Done, idempotency_key=idempotency_key
        )

    async def enable_env(
        self, organization_id: UUID, env: Env, *, idempotency_key: str | None = None
    ) -> None:
        """Enable TEST or LIVE."""
        path = _of(organization_id, "enable-env")
        await self._change("POST", path, wire.Done, {"env": env}, idempotency_key=idempotency_key)

    async def hand_over(self, organization_id: UUID, *, idempotency_key: str | None = None) -> None:
        """Give up the administration of a main organization: from then on it is out of sight."""
        path = _of(organization_id, "handover")
        await self._change("POST", path, wire.Done, idempotency_key=idempotency_key)

    async def tree(self, organization_id: UUID) -> wire.Tree:
        """Return an organization with everything below it."""
        return await self._calls.read(_of(organization_id, "tree"), wire.Tree)

    async def provision_organization(
        self, wanted: Body, *, idempotency_key: str | None = None
    ) -> wire.ProvisionedOrganization:
        """Create an organization with its first key and its first admin, or nothing of it."""
        into, path = wire.ProvisionedOrganization, "/organizations/provision"
        return await self._change("POST", path, into, wanted, idempotency_key=idempotency_key)

    async def create_batch(
        self, items: Sequence[Body], *, idempotency_key: str | None = None
    ) -> wire.BatchedOrganizations:
        """Create up to 1,000 managed organizations; each item has a result of its own."""
        into, path = wire.BatchedOrganizations, "/organizations/batch"
        body = {"items": [plain(item) for item in items]}
        return await self._change("POST", path, into, body, idempotency_key=idempotency_key)

    def list_api_keys(self, organization_id: UUID, **filters: Filter) -> AsyncIterator[wire.ApiKey]:
        """Walk the keys of the token's env. Filters: status, kind, order_by, order."""
        path = _of(organization_id, "api-keys")
        return self._calls.by_offset(path, wire.Page[wire.ApiKey], filters)

    async def get_api_key(self, organization_id: UUID, key_id: UUID) -> wire.ApiKey:
        """Return one key, without its secret."""
        return await self._calls.read(_of(organization_id, "api-keys", key_id), wire.ApiKey)

    async def create_api_key(
        self, organization_id: UUID, wanted: Body, *, idempotency_key: str | None = None
    ) -> wire.NewApiKey:
        """Create a key; its secret is in this answer alone."""
        path = _of(organization_id, "api-keys")
        return await self._change(
            "POST", path, wire.NewApiKey, wanted, idempotency_key=idempotency_key
        )

    async def update_api_key(
        self,
        organization_id: UUID,
        key_id: UUID,
        patch: Body,
        *,
        idempotency_key: str | None = None,
    ) -> wire.ApiKey:
        """Enable, disable or label a key."""
        path = _of(organization_id, "api-keys", key_id)
        return await self._change(
            "PATCH", path, wire.ApiKey, patch, idempotency_key=idempotency_key
        )

    async def delete_api_key(
        self, organization_id: UUID, key_id: UUID, *, idempotency_key: str | None = None
    ) -> None:
        """Delete a key; its tokens die with it."""
        path = _of(organization_id, "api-keys", key_id)
        await self._change("DELETE", path, wire.Done, idempotency_key=idempotency_key)

    def list_users(self, organization_id: UUID, **filters: Filter) -> AsyncIterator[wire.User]:
        """Walk the people of an organization. Filters: order_by, order."""
        return self._calls.by_offset(_of(organization_id, "users"), wire.Page[wire.User], filters)

    async def invite_user(
        self, organization_id: UUID, wanted: Body, *, idempotency_key: str | None = None
    ) -> wire.User:
        """Invite somebody: email, and role, first_name, last_name where they are known."""
        path = _of(organization_id, "users")
        return await self._change("POST", path, wire.User, wanted, idempotency_key=idempotency_key)

    async def delete_user(
        self, organization_id: UUID, user_id: UUID, *, idempotency_key: str | None = None
    ) -> None:
        """Remove somebody from an organization; the account stays."""
        path = _of(organization_id, "users", user_id)
        await self._change("DELETE", path, wire.Done, idempotency_key=idempotency_key)

    def list_billing_addresses(self, **filters: Filter) -> AsyncIterator[wire.BillingAddress]:
        """Walk the billing addresses in reach. Filter: order."""
        return self._calls.by_offset(_address(), wire.Page[wire.BillingAddress], filters)

    async def get_billing_address(self, address_id: UUID) -> wire.BillingAddress:
        """Return one billing address."""
        return await self._calls.read(_address(address_id), wire.BillingAddress)

    async def create_billing_address(
        self, wanted: Body, *, idempotency_key: str | None = None
    ) -> wire.BillingAddress:
        """Create a billing address of the token's organization."""
        return await self._change(
            "POST", _address(), wire.BillingAddress, wanted, idempotency_key=idempotency_key
        )

    async def update_billing_address(
        self, address_id: UUID, patch: Body, *, idempotency_key: str | None = None
    ) -> wire.BillingAddress:
        """Change what is given; null clears."""
        path = _address(address_id)
        return await self._change(
            "PATCH", path, wire.BillingAddress, patch, idempotency_key=idempotency_key
        )

    async def delete_billing_address(
        self, address_id: UUID, *, idempotency_key: str | None = None
    ) -> None:
        """Delete a billing address that nobody points to."""
        await self._change(
            "DELETE", _address(address_id), wire.Done, idempotency_key=idempotency_key
        )


def _of(organization_id: UUID, *below: object) -> str:
    return "/".join(["/organizations", str(organization_id), *map(str, below)])


def _address(*address_id: UUID) -> str:
    return "/".join(["/billing-addresses", *map(str, address_id)])


def _api_url(base_url: str) -> str:
    """Return where the API begins; refuse what is no address before a secret is sent there."""
    url = base_url.rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{base_url!r} should begin with http:// or https://")
    return url if url.endswith(_PREFIX) else url + _PREFIX
