"""Statements: described and compiled by SQLAlchemy once, run by asyncpg each time."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Protocol, TypeAlias, TypeVar

from asyncpg import Record
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Select,
    Table,
    bindparam,
    cast,
    extract,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import asyncpg

from tillkeeper.core.paging import Cursor
from tillkeeper.db.pool import Tx

S = TypeVar("S", bound=Struct)
Result_co = TypeVar("Result_co", covariant=True)
Item = TypeVar("Item")
Rows: TypeAlias = Select[*tuple[Any, ...]]

_DIALECT = asyncpg.dialect()  # type: ignore[no-untyped-call]


class Query(Protocol[Result_co]):
    """A compiled statement: call it with a value for each of its parameters."""

    async def __call__(self, tx: Tx, /, **values: object) -> Result_co:
        """Run it in this transaction."""
        ...


class Compiled:
    """Text with $1, $2 … and the order in which asyncpg wants the values."""

    def __init__(self, statement: Any) -> None:  # noqa: ANN401 - any Core statement
        compiled = statement.compile(dialect=_DIALECT)
        self.text = str(compiled)
        self._order: list[str] = compiled.positiontup or []
        self._constants = {
            name: value
            for name, value in compiled.params.items()
            if not compiled.binds[name].required
        }

    def wanted_of(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return those of the values that the statement has a parameter for."""
        return {name: value for name, value in values.items() if name in self._order}

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """Put the values in order; a missing or misspelt one is a bug and raises."""
        if self._constants:
            values = self._constants | values
        if len(values) != len(self._order):
            raise TypeError(f"wanted {sorted(self._order)}, got {sorted(values)}")
        return [values[name] for name in self._order]


def one_or_none(statement: Rows, into: type[S]) -> Query[S | None]:
    """Compile a statement that finds one row or none."""
    compiled = Compiled(statement)

    async def run(tx: Tx, /, **values: object) -> S | None:
        row = await tx.fetchrow(compiled.text, *compiled.arguments(values))
        return None if row is None else into(**row)

    return run


def many(
    statement: Any,  # noqa: ANN401 - any Core statement
    into: type[S],
    *,
    at_most_seconds: int | None = None,
) -> Query[list[S]]:
    """Compile a statement that finds any number of rows, and may take longer than any other."""
    compiled = Compiled(statement)

    async def run(tx: Tx, /, **values: object) -> list[S]:
        rows = await _fetch(tx, compiled, values, at_most_seconds)
        return [into(**row) for row in rows]

    return run


def execute(
    statement: Any,  # noqa: ANN401 - any Core statement
    *,
    at_most_seconds: int | None = None,
) -> Query[None]:
    """Compile a statement whose rows nobody wants, and which may take longer than any other."""
    compiled = Compiled(statement)

    async def run(tx: Tx, /, **values: object) -> None:
        await _fetch(tx, compiled, values, at_most_seconds)

    return run


async def _fetch(
    tx: Tx, compiled: Compiled, values: dict[str, object], at_most_seconds: int | None
) -> list[Record]:
    """Run a statement; one with a time of its own has it on both sides of the connection."""
    arguments = compiled.arguments(values)
    if at_most_seconds is None:
        return await tx.fetch(compiled.text, *arguments)
    patience = "SELECT set_config('statement_timeout', $1, true)"
    await tx.fetch(patience, f"{at_most_seconds}s")
    return await tx.fetch(compiled.text, *arguments, timeout=at_most_seconds)


class Page:
    """A compiled list, a page at a time: by offset with a count, or after a cursor.

    A filter whose value is None is left out; each combination of filters and order is compiled
    when it is first asked for.
    """

    def __init__(
        self,
        statement: Rows,
        *,
        orders: Mapping[str, Sequence[ColumnElement[Any]]],
        after: ColumnElement[bool] | None = None,
        **filters: ColumnElement[bool],
    ) -> None:
        self._statement = statement
        self._orders, self._after, self._filters = orders, after, filters
        self._compiled = cache(self._compile)
        self._count = cache(self._compile_count)

    async def by_offset(
        self, tx: Tx, into: type[S], *, order: str, limit: int, offset: int, **values: object
    ) -> tuple[list[S], int]:
        """Return a page and how many there are; a short page answers the second by itself."""
        values, chosen = self._choose(values)
        some = self._compiled(chosen, order, is_after=False)
        window = {"limit": limit, "offset": offset}
        rows = await tx.fetch(some.text, *some.arguments(values | window))
        found = _convert(rows, into)
        if len(found) < limit and (found or not offset):
            return found, offset + len(found)
        return found, await self.count(tx, **values)

    async def by_cursor(
        self, tx: Tx, into: type[S], *, limit: int, after: Cursor | None, **values: object
    ) -> tuple[list[S], Cursor | None]:
        """Return what follows a row in the order `cursor`, and the last row where more may come."""
        values, chosen = self._choose(values)
        some = self._compiled(chosen, "cursor", is_after=after is not None)
        window: dict[str, object] = {"limit": limit + 1, "offset": 0}
        if after is not None:
            window |= some.wanted_of({"after_at": after.created_at, "after_id": after.id})
        rows = await tx.fetch(some.text, *some.arguments(values | window))
        found = _convert(rows[:limit], into)
        if len(rows) <= limit:
            return found, None
        return found, Cursor(rows[limit - 1]["created_at"], rows[limit - 1]["id"])

    async def count(self, tx: Tx, **values: object) -> int:
        """Return how many rows pass the filters."""
        values, chosen = self._choose(values)
        count = self._count(chosen)
        number: int = await tx.fetchval(count.text, *count.arguments(values))
        return number

    def _choose(self, values: dict[str, object]) -> tuple[dict[str, object], frozenset[str]]:
        given = {name: value for name, value in values.items() if value is not None}
        return given, frozenset(self._filters.keys() & given.keys())

    def _compile(self, chosen: frozenset[str], order: str, *, is_after: bool) -> Compiled:
        statement = self._filtered(chosen).order_by(*self._orders[order])
        if is_after and self._after is not None:
            statement = statement.where(self._after)
        return Compiled(statement.limit(bindparam("limit")).offset(bindparam("offset")))

    def _compile_count(self, chosen: frozenset[str]) -> Compiled:
        every = self._filtered(chosen).order_by(None).subquery()
        return Compiled(select(func.count()).select_from(every))

    def _filtered(self, chosen: frozenset[str]) -> Rows:
        return self._statement.where(*(self._filters[name] for name in sorted(chosen)))


def differs(values: Mapping[str, BindParameter[Any]], table: Table) -> ColumnElement[bool]:
    """Ask whether an update would change anything: where not, nothing is written or recorded."""
    return or_(*(table.c[name].is_distinct_from(value) for name, value in values.items()))


def in_seconds(moment: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a moment as the wire has it: whole seconds since 1970."""
    return cast(func.floor(extract("epoch", moment)), BigInteger)


def _convert(rows: Sequence[Record], into: type[S]) -> list[S]:
    """Turn rows into structs; `created_at` stands last where a list carries it for its cursors."""
    if not rows:
        return []
    names = list(rows[0].keys())
    if names[-1] == "created_at" and "created_at" not in into.__struct_fields__:
        names.pop()
    return [into(**dict(zip(names, row, strict=False))) for row in rows]


def given(*columns: Column[Any]) -> dict[str, BindParameter[Any]]:
    """Return a parameter of the same name and type for each column."""
    return {column.name: bindparam(column.name, type_=column.type) for column in columns}
