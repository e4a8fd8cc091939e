"""Which signing unit the settings ask for."""

from tillkeeper.core.secrets import Keyring
from tillkeeper.core.signing_units import Algorithm, SigningUnit
from tillkeeper.domains.signing.software import SoftwareUnit
from tillkeeper.settings import Settings, SettingsRefusal

_ALGORITHMS = {"P-256": Algorithm.P256, "P-384": Algorithm.P384}


def make_unit(settings: Settings, keyring: Keyring) -> SigningUnit:
    """Return the unit; a token is reached when it is first needed, so that nothing waits for it."""
    algorithm = _ALGORITHMS[settings.signing_curve]
    if settings.signing_unit == "software":
        return SoftwareUnit(keyring, algorithm)
    try:
        # An extra: it is not installed where no token is.
        from tillkeeper.domains.signing.pkcs11 import Pkcs11Unit, Token  # noqa: PLC0415
    except ImportError as error:
        raise SettingsRefusal(
            "TILLKEEPER_SIGNING_UNIT=pkcs11 needs the extra: pip install 'tillkeeper[hsm]'"
        ) from error
    module, label, pin = settings.pkcs11_module, settings.pkcs11_token, settings.pkcs11_pin
    if module is None or label is None or pin is None:
        raise SettingsRefusal(
            "TILLKEEPER_SIGNING_UNIT=pkcs11 needs TILLKEEPER_PKCS11_MODULE, "
            "TILLKEEPER_PKCS11_TOKEN and TILLKEEPER_PKCS11_PIN"
        )
    return Pkcs11Unit(Token(str(module), label, pin), algorithm)
