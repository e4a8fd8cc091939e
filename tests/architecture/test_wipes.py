"""Every table with an env says how its TEST rows are wiped, or why they stay."""

from tillkeeper.domains.test_data.wipes import KEPT, WIPES
from tillkeeper.schema import metadata


def test_every_table_with_an_env_is_wiped_or_kept_for_a_reason() -> None:
    with_env = {
        table.name for table in metadata.tables.values() if {"env", "envs"} & {*table.c.keys()}
    }
    named = [name for wipe in WIPES for name in wipe.tables]
    assert sorted([*named, *KEPT]) == sorted(with_env)
    assert all(KEPT.values())
