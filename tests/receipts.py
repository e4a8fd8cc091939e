"""QR texts of receipts that real TSS have signed, one of 2021 and one of 2026."""

from typing import NamedTuple

REAL = (
    (
        "V0;ERS 8cb8e2de-4052-481b-945b-118022951944;Kassenbeleg-V1;"
        "Beleg^21.42_0.00_0.00_0.00_0.00^21.42:Unbar;1;31;2021-08-23T14:36:27.000Z;"
        "2021-08-23T14:36:33.000Z;ecdsa-plain-SHA256;unixTime;"
        "TGnWiq3ZW7gi4Vs+DxLGsJZj9v271dHmhQAcb057F3oWkdKJ61UW2LLVTZQhW673yLa53Mm6oPeMU1Ns3ZOH7w==;"
        "BGFKQP7EENf3s5hTDXvlh+xyJ1Q9BNIa9LyYbYK+pTAKAGQ2fmI40p5QOrpHpvb+UuOrNQJdhzggHNfyyyDyf/g="
    ),
    (
        "V0;UT-TEST-101bd1cd-286c-4c3b-9ae5-43d4fad02f08;Kassenbeleg-V1;"
        "Beleg^4.20_0.00_0.00_0.00_0.00^4.20:Unbar;1;27;2026-08-18T18:38:19.000Z;"
        "2026-08-18T18:38:19.000Z;ecdsa-plain-SHA256;unixTime;"
        "kHCYf4/f/zz+51m5XlzLtuEOFvVyAF3wrzsz+p+iyQcxzICkza8O9m/P45pRDQRWwEvxYzYZQWR3wGqEsSf2iA==;"
        "BAVHkwS3tptbKRK2Z8E6a8u8N/Qkw/6gBr89NivYZciYJVpF5uQPQTpgb64I3STVhUpLVc/ZCZOz7eaBol+qUnY="
    ),
)


class Fields(NamedTuple):
    """What stands in a QR text."""

    version: str
    client: str
    process_type: str
    process_data: str
    number: str
    counter: str
    start: str
    end: str
    algorithm: str
    time_format: str
    signature: str
    key: str


def split(text: str) -> Fields:
    return Fields(*text.split(";"))
