"""The whole database, table by table."""

from tillkeeper.schema.agreements import agreements
from tillkeeper.schema.api_keys import api_keys
from tillkeeper.schema.base import ENV, metadata
from tillkeeper.schema.billing import billing_addresses, payer_periods
from tillkeeper.schema.exports import exports
from tillkeeper.schema.idempotency import kept_answers
from tillkeeper.schema.key_uses import key_uses
from tillkeeper.schema.leaks import leak_reports
from tillkeeper.schema.mail import mails
from tillkeeper.schema.organizations import organizations
from tillkeeper.schema.people import memberships, users
from tillkeeper.schema.peppers import pepper_holders
from tillkeeper.schema.rates import rate_cells
from tillkeeper.schema.signing import signing_authorities
from tillkeeper.schema.trail import audit_rows, audit_seals, outbox_rows
from tillkeeper.schema.transaction_months import transaction_months
from tillkeeper.schema.tss import log_messages, transactions, tss, tss_clients

__all__ = (
    "ENV",
    "agreements",
    "api_keys",
    "audit_rows",
    "audit_seals",
    "billing_addresses",
    "exports",
    "kept_answers",
    "key_uses",
    "leak_reports",
    "log_messages",
    "mails",
    "memberships",
    "metadata",
    "organizations",
    "outbox_rows",
    "payer_periods",
    "pepper_holders",
    "rate_cells",
    "signing_authorities",
    "transaction_months",
    "transactions",
    "tss",
    "tss_clients",
    "users",
)
