"""Files are written whole or not at all, in a directory and in a bucket alike."""

import resource
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from tillkeeper.core.errors import Overloaded
from tillkeeper.files import Files

MEGABYTE = bytes(1_000_000)


@pytest.fixture(scope="module")
def bucket() -> Generator[str]:
    """A real S3 server on this machine, spoken to by HTTP."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ALLOW_HTTP": "true",
        }.items():
            environment.setenv(name, value)
        urlopen(Request(f"http://{host}:{port}/bucket", method="PUT")).close()
        yield "s3://bucket/tills"
    server.stop()


@pytest.fixture(params=["directory", "bucket", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    match request.param:
        case "directory":
            return Files.at(tmp_path / "files")
        case "bucket":
            return Files.at(request.getfixturevalue("bucket"))
        case _:
            return Files.in_memory()


async def megabytes(number: int, *, breaks: bool = False) -> AsyncIterator[bytes]:
    for _ in range(number):
        yield MEGABYTE
    if breaks:
        raise LookupError("broken off")


async def size_of(files: Files, path: str) -> int:
    return sum([len(chunk) async for chunk in files.read(path)])


async def test_a_file_is_read_as_it_was_written(files: Files) -> None:
    await files.write("a/one.tar", megabytes(12))
    assert await size_of(files, "a/one.tar") == 12_000_000
    await files.write("a/one.tar", megabytes(1))
    assert await size_of(files, "a/one.tar") == 1_000_000


async def test_what_breaks_off_leaves_nothing(files: Files) -> None:
    with pytest.raises(LookupError):
        await files.write("a/two.tar", megabytes(12, breaks=True))
    with pytest.raises(FileNotFoundError):
        await size_of(files, "a/two.tar")


async def test_a_deleted_file_is_gone_and_may_be_deleted_again(files: Files) -> None:
    await files.write("a/three.tar", megabytes(1))
    for _ in range(2):
        await files.delete("a/three.tar")
    with pytest.raises(FileNotFoundError):
        await size_of(files, "a/three.tar")


async def test_a_large_file_is_not_held_in_memory(tmp_path: Path) -> None:
    files = Files.at(tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await files.write("large", megabytes(300))
    assert await size_of(files, "large") == 300_000_000
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100 * 1024


async def test_a_path_does_not_leave_the_directory(tmp_path: Path) -> None:
    files = Files.at(tmp_path / "files")
    with pytest.raises(ValueError, match="path"):
        await files.write("../outside", megabytes(1))
    assert not (tmp_path / "outside").exists()


async def test_a_directory_is_its_owners_alone(tmp_path: Path) -> None:
    files = Files.at(tmp_path / "files")
    assert not (tmp_path / "files").exists()
    await files.write("a", megabytes(1))
    assert (tmp_path / "files").stat().st_mode & 0o777 == 0o700


async def test_a_bucket_that_is_away_is_told_as_such(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bucket
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    files = Files.at("s3://elsewhere")
    with pytest.raises((Overloaded, FileNotFoundError)):
        await size_of(files, "a")
