"""What the audit repeats of a row is on a reviewed list, and no secret is."""

SILENT = {
    "audit_rows",
    "audit_seals",
    "outbox_rows",
    "kept_answers",
    "users",
    "key_uses",
    "signing_authorities",
    "log_messages",
}
"""Reviewed: what records, counts, keeps answers, or is nobody's: no row tells their changes. Each
signature is told by a signed message that says who made it."""
