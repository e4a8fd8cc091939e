"""The archive of an export, as tar reads it."""

import subprocess
import tarfile
import tracemalloc
from collections.abc import AsyncGenerator
from pathlib import Path

from simulated import TILL, simulate
from tillkeeper.domains.exports.archive import Entry, write_archive

INFO = b'"description:","a"'


async def some(count: int) -> AsyncGenerator[Entry]:
    for number in range(count):
        yield Entry(f"Unixt_1_Sig-{number}_Log-Sys_x.log", b"x" * 700, 1)


async def test_tar_lists_plain_files_of_nobody_with_info_and_certificates_first(
    tmp_path: Path,
) -> None:
    tse = await simulate()
    await tse.trade(2)
    path = await tse.export(tmp_path / "export.tar")
    command = ["tar", "--list", "--verbose", "--numeric-owner", "--file", str(path)]
    done = subprocess.run(command, check=True, capture_output=True)  # noqa: ASYNC221, S603 - our own words
    lines = done.stdout.decode().splitlines()
    assert all(line.startswith("-rw-r--r-- 0/0 ") for line in lines)
    names = [line.split(maxsplit=5)[5] for line in lines]
    assert names[0] == "info.csv"
    assert all(name.endswith("_X509.der") for name in names[1:4])
    assert names[4:] == [entry.name for entry in tse.entries]
    assert not any("/" in name for name in names)


async def test_what_was_put_in_comes_out(tmp_path: Path) -> None:
    tse = await simulate()
    await tse.trade(1)
    with tarfile.open(await tse.export(tmp_path / "export.tar")) as archive:
        assert archive.pax_headers == {}
        for entry in tse.entries:
            member = archive.getmember(entry.name)
            file = archive.extractfile(member)
            assert file is not None
            assert (file.read(), member.mtime, member.mode) == (entry.content, entry.time, 0o644)


async def test_pax_is_for_names_of_more_than_99_characters_alone(tmp_path: Path) -> None:
    tse = await simulate()
    await tse.trade(1, till="T" * 70)
    names = [entry.name for entry in tse.entries]
    longest = max(map(len, names))
    assert longest > 99
    path = await tse.export(tmp_path / "export.tar")
    with tarfile.open(path) as archive:
        members = archive.getmembers()[4:]
    assert [member.name for member in members] == names
    for member in members:
        assert bool(member.pax_headers) == (len(member.name) > 99), member.name


async def test_the_limit_between_the_two_formats_is_exact() -> None:
    for length, blocks in ((99, 1), (100, 3)):

        async def entry(name: str = "n" * length) -> AsyncGenerator[Entry]:
            yield Entry(name, b"", 0)

        chunks = [chunk async for chunk in write_archive(INFO, [], 0, entry())]
        body = b"".join(chunks)[2 * 512 :].rstrip(b"\x00")
        assert (len(body) + 511) // 512 == blocks


async def test_an_archive_is_padded_to_whole_records() -> None:
    for count in (0, 1, 5, 200):
        length = sum([len(chunk) async for chunk in write_archive(INFO, [], 0, some(count))])
        assert length % tarfile.RECORDSIZE == 0


async def test_an_export_of_any_size_is_never_held() -> None:
    tracemalloc.start()
    largest = length = 0
    async for chunk in write_archive(INFO, [], 0, some(30_000)):
        largest, length = max(largest, len(chunk)), length + len(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert length > 45_000_000
    assert largest < 100_000
    assert peak < 1_000_000


async def test_the_slash_of_a_serial_number_makes_no_directory(tmp_path: Path) -> None:
    assert "/" in TILL
    tse = await simulate()
    await tse.trade(1)
    with tarfile.open(await tse.export(tmp_path / "export.tar")) as archive:
        assert any(name.endswith("_Client-ERS 1_a.log") for name in archive.getnames())
