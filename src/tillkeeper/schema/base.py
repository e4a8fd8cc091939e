"""What every table shares."""

from enum import StrEnum

from sqlalchemy import Enum, MetaData

from tillkeeper.core.env import Env

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def enum(kind: type[StrEnum], name: str) -> Enum:
    """Return a PostgreSQL enum that stores the values, not Python's names."""
    return Enum(
        kind,
        name=name,
        metadata=metadata,
        values_callable=lambda members: [member.value for member in members],
    )


ENV = enum(Env, "env")
