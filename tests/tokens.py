"""A token of SoftHSM2, in a directory of its own."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from tillkeeper.domains.signing.pkcs11 import Token

_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)


def is_to_be_had() -> bool:
    """Tell whether SoftHSM2 is on this machine; `make test` installs it where it may."""
    return _module() is not None and shutil.which("softhsm2-util") is not None


def make_token(directory: Path) -> Token:
    """Initialize a token; the module reads its configuration once in a process."""
    module = _module()
    assert module is not None
    stored = directory / "tokens"
    stored.mkdir()
    configuration = directory / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {stored}\nlog.level = ERROR\n", "utf-8")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    pin = secrets.token_hex(8)
    command = ["softhsm2-util", "--init-token", "--free", "--label", "tests"]
    subprocess.run([*command, "--pin", pin, "--so-pin", pin], check=True, capture_output=True)  # noqa: S603 - our own words
    return Token(module, "tests", pin)


def _module() -> str | None:
    return next((module for module in _MODULES if Path(module).exists()), None)
