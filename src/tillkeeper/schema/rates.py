"""What was asked lately, as GCRA keeps it."""

from sqlalchemy import BigInteger, Column, LargeBinary, Named, Table, TypedColumns, text
from sqlalchemy.dialects.postgresql import JSONB

from tillkeeper.schema.base import metadata


class RateCellColumns(TypedColumns):
    """Nobody's: a digest of who is counted, and times in nanoseconds since 1970."""

    id: Named[bytes] = Column(LargeBinary, primary_key=True)
    # The theoretical arrival time: until then what was granted has not refilled.
    tat: Named[int] = Column(BigInteger)
    # By process: how much it was granted last, and until when it may spend that.
    leases: Named[dict[str, list[int]]] = Column(JSONB)
    leases_end: Named[int] = Column(BigInteger)
    # When a refusal was last told to the audit.
    told_at: Named[int] = Column(BigInteger, server_default=text("0"))


# Not logged: a crash of the database begins every cell anew, and a commit waits for no disk.
rate_cells = Table("rate_cells", metadata, RateCellColumns, prefixes=["UNLOGGED"])
