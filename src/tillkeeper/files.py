"""Files that the service makes or keeps: in a directory of this machine, or in an S3 bucket."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import cached_property
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from tillkeeper.core.errors import Overloaded

_CHUNK_BYTES = 5 * 1024 * 1024
_PARTS_AT_ONCE = 2


class Files:
    """Whole files by path. What a writer has not finished nobody sees."""

    def __init__(self, open_store: Callable[[], ObjectStore]) -> None:
        self._open_store = open_store

    @classmethod
    def at(cls, where: Path | str) -> "Files":
        """Keep files in a directory, made by the first of them, or in `s3://bucket/prefix`.

        Credentials, region and another endpoint than Amazon's are read from the AWS_ variables.
        """
        if isinstance(where, str):
            return cls(lambda: from_url(where))
        return cls(lambda: _directory(where))

    @classmethod
    def in_memory(cls) -> "Files":
        """Keep files for as long as the process lives."""
        return cls(MemoryStore)

    @cached_property
    def _store(self) -> ObjectStore:
        return self._open_store()

    async def write(self, path: str, chunks: AsyncIterator[bytes]) -> None:
        """Write a file as it comes, holding ten megabytes of it at most; replace one that is there.

        When the chunks break off with an exception nothing is written, and it is raised.
        """
        try:
            await obstore.put_async(
                self._store,
                path,
                chunks,
                use_multipart=True,
                chunk_size=_CHUNK_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )
        except BaseError as error:
            raise Overloaded from error

    async def read(self, path: str) -> AsyncGenerator[bytes]:
        """Yield a file chunk by chunk; raise FileNotFoundError before the first one."""
        try:
            found = await obstore.get_async(self._store, path)
            async for chunk in found.stream(min_chunk_size=_CHUNK_BYTES):
                yield bytes(chunk)
        except BaseError as error:
            raise Overloaded from error

    async def delete(self, path: str) -> None:
        """Delete a file; one that is gone already is no fault."""
        try:
            await obstore.delete_async(self._store, path)
        except FileNotFoundError:
            return
        except BaseError as error:
            raise Overloaded from error


def _directory(path: Path) -> ObjectStore:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return LocalStore(path, automatic_cleanup=True)
