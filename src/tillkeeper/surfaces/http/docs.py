"""The API reference: one page and its assets, all served from here."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Final

from msgspec import json

# Scalar puts its style sheet and its theme into style elements, hence the inline styles. Its one
# `new Function("")`, a probe inside a try, is refused by this policy, which costs nothing.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; "
    "script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; "
    "connect-src 'self'; "
    "img-src 'self' data:; "
    "font-src 'self'; "
    "base-uri 'none'; "
    "frame-ancestors 'none'; "
    "form-action 'none'"
)

_STATIC: Final = Path(__file__).with_name("static")
_OWN: Final = ("docs.js", "docs.css", "favicon.svg")
_UI: Final = "vendor/scalar.js"
_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tillkeeper API</title>
<link rel="icon" href="/docs/static/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/docs/static/docs.css">
</head>
<body>
{body}
</body>
</html>
"""

_REFERENCE: Final = """<div id="reference" data-sources="{sources}"></div>
<noscript>{note}</noscript>
<script src="/docs/static/vendor/scalar.js"></script>
<script src="/docs/static/docs.js"></script>"""

_NOTE: Final = """<main class="note">
<h1>Tillkeeper API</h1>
<p>{reason} The documents themselves are here:</p>
<ul>
{links}
</ul>
</main>"""


def reference_page(documents: Mapping[str, str]) -> bytes:
    """Show the OpenAPI documents, given as title to path; the first one is open.

    Without the vendored UI the page says how to get it and links the documents.
    """
    if _UI in _names():
        body = _REFERENCE.format(
            sources=escape(_sources(documents)),
            note=_note("This page needs JavaScript.", documents),
        )
    else:
        missing = "The reference UI is not installed: run <code>make setup</code>."
        body = _note(missing, documents)
    return _PAGE.format(body=body).encode()


def static_file(name: str) -> tuple[bytes, str] | None:
    """Return content and media type of an asset below `/docs/static/`, None for any other name."""
    if name not in _names():
        return None
    path = _STATIC / name
    return path.read_bytes(), _MEDIA_TYPES[path.suffix]


def _names() -> frozenset[str]:
    """List what may be served; a name is looked up here before it ever becomes a path."""
    vendored = (_STATIC / "vendor").glob("*")
    return frozenset(_OWN) | {f"vendor/{path.name}" for path in vendored if _is_asset(path)}


def _is_asset(path: Path) -> bool:
    return path.suffix in _MEDIA_TYPES and path.is_file()


def _sources(documents: Mapping[str, str]) -> str:
    sources = [
        {"title": title, "slug": Path(path).stem, "url": path} for title, path in documents.items()
    ]
    return json.encode(sources).decode()


def _note(reason: str, documents: Mapping[str, str]) -> str:
    links = (
        f'<li><a href="{escape(path)}">{escape(title)}</a></li>'
        for title, path in documents.items()
    )
    return _NOTE.format(reason=reason, links="\n".join(links))
