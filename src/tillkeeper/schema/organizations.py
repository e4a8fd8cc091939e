"""Organizations, and who reaches them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Named,
    Table,
    Text,
    TypedColumns,
    Uuid,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from tillkeeper.core.env import Env
from tillkeeper.core.status import LeakedKeyPolicy, OrganizationStatus
from tillkeeper.schema.base import ENV, enum, metadata

_TYPE = (
    "CASE WHEN managed_by_organization_id IS NULL "
    "THEN 'ORGANIZATION' ELSE 'MANAGED_ORGANIZATION' END"
)


class OrganizationColumns(TypedColumns):
    id: Named[UUID] = Column(primary_key=True)
    type: Named[str] = Column(Text, Computed(_TYPE, persisted=True))
    envs: Named[list[Env]] = Column(ARRAY(ENV))
    name: Named[str] = Column(Text)
    display_name: Named[str | None] = Column(Text)
    address_line1: Named[str] = Column(Text)
    address_line2: Named[str | None] = Column(Text)
    zip: Named[str] = Column(Text)
    town: Named[str] = Column(Text)
    state: Named[str | None] = Column(Text)
    country_code: Named[str] = Column(Text)
    tax_number: Named[str | None] = Column(Text)
    vat_id: Named[str | None] = Column(Text)
    economy_id: Named[str | None] = Column(Text)
    external_id: Named[str | None] = Column(Text)
    metadata: Named[dict[str, str] | None] = Column(JSONB)
    contact_person_id: Named[UUID | None] = Column(ForeignKey("users.id", ondelete="SET NULL"))
    # Whether that person belongs to an organization above: then nobody below learns the id.
    contact_person_is_above: Named[bool] = Column(Boolean, server_default=false())
    gln: Named[str | None] = Column(Text)
    withhold_billing: Named[bool | None] = Column(Boolean)
    bill_to_organization: Named[UUID | None] = Column(ForeignKey("organizations.id"))
    # Whose credential named that payer: it, and those above it, may see and change what it named.
    payer_named_by_organization_id: Named[UUID | None]
    managed_configuration: Named[dict[str, bool] | None] = Column(JSONB)
    billing_address_organization_id: Named[UUID | None]
    billing_address_id: Named[UUID | None]
    managed_by_organization_id: Named[UUID | None] = Column(ForeignKey("organizations.id"))
    administered_by_organization_id: Named[UUID | None] = Column(ForeignKey("organizations.id"))
    # Itself, then everyone above whose rights flow down to it. A list, because the walls ask it
    # for every row: following two foreign keys there costs a join per row.
    reached_by: Named[list[UUID]] = Column(ARRAY(Uuid))
    # The three answers to "whose list is this row in", each with an index in list order: what
    # manages or administers it, its main organization, and the topmost one.
    parent_organization_id: Named[UUID | None] = Column(Computed("reached_by[2]", persisted=True))
    main_organization_id: Named[UUID] = Column(
        Computed("coalesce(managed_by_organization_id, id)", persisted=True)
    )
    root_organization_id: Named[UUID] = Column(
        Computed("reached_by[cardinality(reached_by)]", persisted=True)
    )
    created_at: Named[datetime] = Column(TIMESTAMP(timezone=True))
    created_by_user: Named[UUID]
    created_by_organization_id: Named[UUID]
    # Its own; what holds is the strictest of this and of all above.
    status: Named[OrganizationStatus] = Column(
        enum(OrganizationStatus, "organization_status"), server_default="active"
    )
    status_reason: Named[str | None] = Column(Text)
    grace_ends_at: Named[datetime | None] = Column(TIMESTAMP(timezone=True))
    purge_at: Named[datetime | None] = Column(TIMESTAMP(timezone=True))
    is_delete_protected: Named[bool] = Column(Boolean, server_default=false())
    # None: as the nearest one above that says it.
    leaked_key_policy: Named[LeakedKeyPolicy | None] = Column(
        enum(LeakedKeyPolicy, "leaked_key_policy")
    )


organizations = Table(
    "organizations",
    metadata,
    OrganizationColumns,
    CheckConstraint("reached_by[1] = id AND cardinality(reached_by) <= 3", "reach"),
    CheckConstraint(
        "reached_by[2] IS NOT DISTINCT FROM "
        "coalesce(managed_by_organization_id, administered_by_organization_id)",
        "reached_from_above",
    ),
    CheckConstraint(
        "managed_by_organization_id IS NULL OR administered_by_organization_id IS NULL",
        "one_above",
    ),
    CheckConstraint("envs[1] = 'TEST' AND cardinality(envs) <= 2", "envs"),
    CheckConstraint("bill_to_organization <> id", "not_its_own_payer"),
    CheckConstraint("purge_at IS NULL OR status = 'pending_deletion'", "purged_is_pending"),
    CheckConstraint("status <> 'suspended' OR grace_ends_at IS NOT NULL", "suspended_has_grace"),
    CheckConstraint(
        "withhold_billing IS NOT TRUE OR bill_to_organization IS NOT NULL", "withheld_has_payer"
    ),
    ForeignKeyConstraint(
        ["billing_address_organization_id", "billing_address_id"],
        ["billing_addresses.organization_id", "billing_addresses.id"],
        name="fk_organizations_billing_address",
        use_alter=True,
    ),
)
Index(
    "uq_organizations_external_id_test",
    organizations.c.parent_organization_id,
    organizations.c.external_id,
    unique=True,
    postgresql_where=text("envs = '{TEST}'::env[]"),
)
Index(
    "uq_organizations_external_id_live",
    organizations.c.parent_organization_id,
    organizations.c.external_id,
    unique=True,
    postgresql_where=text("'LIVE'::env = ANY (envs)"),
)
Index(
    "ix_organizations_by_root",
    organizations.c.root_organization_id,
    organizations.c.created_at,
    organizations.c.id,
)
Index(
    "ix_organizations_by_main",
    organizations.c.main_organization_id,
    organizations.c.created_at,
    organizations.c.id,
)
Index(
    "ix_organizations_by_parent",
    organizations.c.parent_organization_id,
    organizations.c.created_at,
    organizations.c.id,
)
for _pointer in (
    "external_id",
    "tax_number",
    "bill_to_organization",
    "billing_address_id",
    "contact_person_id",
    "purge_at",
    "managed_by_organization_id",
    "administered_by_organization_id",
):
    Index(None, organizations.c[_pointer], postgresql_where=text(f"{_pointer} IS NOT NULL"))
