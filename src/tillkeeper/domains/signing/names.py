"""What a unit of ours is called where somebody could take it for a certified one."""

from importlib.metadata import version
from typing import Final
from uuid import UUID

ORGANIZATION: Final = "Tillkeeper"
SIMULATOR: Final = "simulator, not certified"
MANUFACTURER: Final = f"{ORGANIZATION} ({SIMULATOR})"
BSI_CERTIFICATION_ID: Final = "SIMULATOR-NOT-CERTIFIED"
"""Where others have the number of a certificate."""


def unit_version(unit_name: str) -> str:
    """Return the name and version of what signs."""
    return f"Tillkeeper {unit_name} unit {version('tillkeeper')}, {SIMULATOR}"


def default_description(tss_id: UUID) -> str:
    """Return how a TSS is described whose maker has nothing to say about it."""
    return f"Tillkeeper {SIMULATOR} ({tss_id})"


def info_csv(description: str, unit_name: str) -> bytes:
    """Return the one line, without an end of line, that tells an export's reader what signed it."""
    fields = {
        "description:": description,
        "manufacturer:": MANUFACTURER,
        "version:": unit_version(unit_name),
    }
    words = (word.replace('"', '""') for pair in fields.items() for word in pair)
    return ",".join(f'"{word}"' for word in words).encode()
