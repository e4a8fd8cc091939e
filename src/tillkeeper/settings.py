"""What an installation may set: one frozen struct, read once from TILLKEEPER_*."""

import os
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from tillkeeper.core.mail import Route, parse_route, parse_sender
from tillkeeper.core.networks import Network, parse_networks
from tillkeeper.core.rates import Lane, Rate

PREFIX = "TILLKEEPER_"


class SettingsRefusal(Exception):
    """A setting is unknown or wrong; the sentence says which and what would be right."""


def _default_data_dir() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/tillkeeper")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "tillkeeper"


class Settings(Struct, frozen=True, kw_only=True):
    """Each field is TILLKEEPER_ and its name in capitals; see docs/operations.md."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    data_dir: Path = field(default_factory=_default_data_dir)
    database_url: str | None = None
    """An external PostgreSQL 15 to 18; without it an embedded one runs in `data_dir`."""
    pg_bin: Path | None = None
    """Directory of other PostgreSQL binaries for the embedded server."""
    pool_size: Annotated[int, Meta(ge=1, le=100)] = 10
    pepper: str | None = None
    """Instead of the key file: `1:<64 hex digits>`, older versions behind commas."""
    access_token_seconds: Annotated[int, Meta(ge=60, le=86_400)] = 86_400
    refresh_token_seconds: Annotated[int, Meta(ge=60, le=172_800)] = 172_800
    public_url: str | None = None
    """How clients reach the service, when that differs from host and port."""
    trusted_proxies: str = ""
    """Networks behind commas whose X-Forwarded-For is believed; without any it is ignored."""
    mail: str = ""
    """`console`, a directory, smtp://user:password@host:587 (smtps://…), or `none`; without it
    the directory `mailbox` in `data_dir`."""
    mail_from: str = "Tillkeeper <tillkeeper@localhost>"
    """Who mail is from."""
    rate_actor: str = "100/500"
    """So many requests a second and so many at once per key or person; 0 switches it off."""
    rate_organization: str = "500/2500"
    """The same for all keys and people of an organization together."""
    rate_bulk: str = "10/50"
    """The same for calls that create in bulk, per organization and apart from the others."""
    rate_address: str = "50/500"
    """The same for requests without a genuine token, per address."""
    rate_login: str = "0.1/20"
    """The same for failures to log in, per key or mail address."""
    rate_export: str = "0.2/12"
    """The same for looks at one export and, apart from them, for downloads of it."""
    rate_tx_list: str = "0.3334/20"
    """The same for lists of the transactions of one TSS."""
    signing_unit: Literal["software", "pkcs11"] = "software"
    """Where the keys of TSS are: sealed in the database, or in a token behind PKCS#11."""
    signing_curve: Literal["P-256", "P-384"] = "P-256"
    """Of keys that are made from now on; those there are keep theirs."""
    pkcs11_module: Path | None = None
    pkcs11_token: str | None = None
    pkcs11_pin: str | None = None
    files: str = ""
    """Where files are kept: a directory, or s3://bucket/prefix; without it `files` in
    `data_dir`."""
    log_level: str = "info"
    access_log: bool = False
    """One line a request: costs a fifth of a short request."""

    def __post_init__(self) -> None:
        """Refuse what would be noticed too late: networks, mail servers, rates and places."""
        _check("trusted_proxies", parse_networks, self.trusted_proxies)
        _check("mail", parse_route, self.mail)
        _check("mail_from", parse_sender, self.mail_from)
        for lane in Lane:
            _check(f"rate_{lane}", Rate.parse, getattr(self, f"rate_{lane}"))
        _check("files", _read_place, self.files)

    def __repr__(self) -> str:
        """Leave the values out: pepper, PIN and the database's password are among them."""
        return "Settings(…)"

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks of `trusted_proxies`."""
        return parse_networks(self.trusted_proxies)

    @property
    def mail_route(self) -> Route:
        """Where mail goes."""
        return parse_route(self.mail) if self.mail else self.data_dir / "mailbox"

    @property
    def rates(self) -> dict[Lane, Rate]:
        """What is allowed in each lane that is not switched off."""
        found = {lane: Rate.parse(getattr(self, f"rate_{lane}")) for lane in Lane}
        return {lane: rate for lane, rate in found.items() if rate is not None}

    @property
    def files_place(self) -> Path | str:
        """The directory, or the address of the bucket, where files are kept."""
        return _read_place(self.files) if self.files else self.data_dir / "files"

    @property
    def base_url(self) -> str:
        """The address that is printed for people."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


def _check(name: str, read: Callable[[str], object], text: str) -> None:
    try:
        read(text)
    except ValueError as error:
        raise ValueError(f"{error} - at `$.{name}`") from error


def _read_place(text: str) -> Path | str:
    if text.startswith("s3://"):
        return text
    if "://" in text:
        raise ValueError("should be a directory or s3://bucket/prefix")
    return Path(text).expanduser()


def read_settings(environ: Mapping[str, str], **overrides: object) -> Settings:
    """Return the settings; an unknown name is refused with the nearest right one."""
    names = {f"{PREFIX}{name.upper()}": name for name in Settings.__struct_fields__}
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(PREFIX):
            continue
        if variable not in names:
            raise SettingsRefusal(_unknown(variable, sorted(names)))
        if text:
            values[names[variable]] = text
    values |= {name: value for name, value in overrides.items() if value is not None}
    try:
        return msgspec.convert(values, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise SettingsRefusal(f"The settings are wrong: {_in_capitals(str(error))}") from error


def _decode(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value)).expanduser()
    raise NotImplementedError(kind)


def _in_capitals(sentence: str) -> str:
    field_name = sentence.rpartition("$.")[2].rstrip("`")
    return sentence.replace(f"$.{field_name}", f"{PREFIX}{field_name.upper()}")


def _unknown(variable: str, names: list[str]) -> str:
    near = get_close_matches(variable, names, n=1, cutoff=0.0)
    return f"There is no setting {variable}: did you mean {near[0]}?"
