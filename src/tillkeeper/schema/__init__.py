"""The whole database, table by table."""

from tillkeeper.schema.agreements import agreements
from tillkeeper.schema.api_keys import api_keys
from tillkeeper.schema.base import ENV, metadata
from tillkeeper.schema.billing import billing_addresses, payer_periods
from tillkeeper.schema.idempotency import kept_answers
from tillkeeper.schema.key_uses import key_uses
from tillkeeper.schema.leaks import leak_reports
from tillkeeper.schema.mail import mails
from tillkeeper.schema.organizations import organizations
from tillkeeper.schema.people import memberships, users
from tillkeeper.schema.peppers import pepper_holders
from tillkeeper.schema.rates import rate_cells
from tillkeeper.schema.trail import audit_rows, audit_seals, outbox_rows

__all__ = (
    "ENV",
    "agreements",
    "api_keys",
    "audit_rows",
    "audit_seals",
    "billing_addresses",
    "kept_answers",
    "key_uses",
    "leak_reports",
    "mails",
    "memberships",
    "metadata",
    "organizations",
    "outbox_rows",
    "payer_periods",
    "pepper_holders",
    "rate_cells",
    "users",
)
