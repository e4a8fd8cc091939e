"""Every suspension says when its grace ends."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # `enter` asks of all suspensions above whether their grace lasts, and would pass over one that
    # does not say: what has no end begins without any grace.
    op.execute(
        "UPDATE organizations SET grace_ends_at = now() "
        "WHERE status = 'suspended' AND grace_ends_at IS NULL"
    )
    op.create_check_constraint(
        op.f("ck_organizations_suspended_has_grace"),
        "organizations",
        "status <> 'suspended' OR grace_ends_at IS NOT NULL",
    )
