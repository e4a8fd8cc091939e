"""What a write changed: the row as it was and as it is, from the very statement that writes.

An insert shows what came, a delete what went, an update the fields that differ. An update reads
and locks its rows first (PostgreSQL tells the old values of an update from version 18 on), so the
old values are those that the new ones replaced, whoever else was writing.
"""

from typing import Any, TypeAlias

from sqlalchemy import (
    CTE,
    ColumnElement,
    Delete,
    Insert,
    Table,
    Text,
    Update,
    func,
    literal,
    null,
    select,
)
from sqlalchemy import and_ as both
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert, ReturningUpdate

from tillkeeper.schema.recorded import recorded

Write: TypeAlias = (
    ReturningInsert[*tuple[Any, ...]]
    | ReturningUpdate[*tuple[Any, ...]]
    | ReturningDelete[*tuple[Any, ...]]
)
_OLD, _NEW = "trail_old", "trail_new"


def document(table: Any) -> ColumnElement[Any]:  # noqa: ANN401 - a table or an alias of one
    """Return a row as the audit may repeat it."""
    names = [column.name for column in recorded(table)]
    pairs = [part for name in names for part in (literal(name, Text), table.c[name])]
    return func.jsonb_build_object(*pairs, type_=JSONB)


def telling(statement: Write) -> Write:
    """Return the same write, which also returns its rows as they were and as they are."""
    table: Any = statement.table
    if isinstance(statement, Insert):
        return statement.returning(document(table).label(_NEW))
    if isinstance(statement, Delete):
        return statement.returning(document(table).label(_OLD))
    old = _locked(statement, table)
    is_same = both(*(column == old.c[column.name] for column in table.primary_key))
    return statement.where(is_same).returning(old.c[_OLD].label(_OLD), document(table).label(_NEW))


def _locked(statement: Update, table: Table) -> CTE:
    """Return the rows that an update is about, locked as it would lock them."""
    rows = select(*table.primary_key, document(table).label(_OLD))
    if statement.whereclause is not None:
        rows = rows.where(statement.whereclause)
    return rows.with_for_update(key_share=True, of=table).cte("locked")


def told(changed: CTE) -> dict[str, ColumnElement[Any]]:
    """Return what the audit row says of a write that tells."""
    old, new = changed.c.get(_OLD), changed.c.get(_NEW)
    if old is None or new is None:
        return {"before": _given(old), "after": _given(new)}
    return {"before": _differing(old, new), "after": _differing(new, old)}


def is_told(name: str) -> bool:
    """Tell whether a returned column is there for the audit alone."""
    return name in (_OLD, _NEW)


def _given(row: ColumnElement[Any] | None) -> ColumnElement[Any]:
    return null() if row is None else func.jsonb_strip_nulls(row, type_=JSONB)


def _differing(row: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    field = func.jsonb_each(row).table_valued("key", "value", name="field")
    differs = other.op("->")(field.c.key).is_distinct_from(field.c.value)
    found = select(func.jsonb_object_agg(field.c.key, field.c.value, type_=JSONB)).where(differs)
    return found.select_from(field).scalar_subquery()
