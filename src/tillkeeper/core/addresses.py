"""Mail addresses: one spelling for comparing, the other for writing."""

import unicodedata


def compact_email(email: str) -> str:
    """Return the form in which two spellings of one address are equal."""
    return unicodedata.normalize("NFKC", email.strip()).casefold()
