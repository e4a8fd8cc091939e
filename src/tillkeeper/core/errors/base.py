"""What every refusal has, and the two kinds that many nouns have."""

from typing import ClassVar


class Refusal(Exception):
    """An answer that says no. Its sentence tells the caller what to do."""

    status: ClassVar[int]
    code: ClassVar[str | None]
    retry_after_seconds: int | None = None

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class NotFound(Refusal):
    status = 404


class Conflict(Refusal):
    status = 409
