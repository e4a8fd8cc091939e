"""A TSS as its readers see it."""

from base64 import b64encode

from tillkeeper.access.policy import Grant
from tillkeeper.core.sign_wire import API_VERSION
from tillkeeper.core.signing_units import Algorithm
from tillkeeper.core.status import TssState
from tillkeeper.domains.signing.messages import TIMESTAMP_FORMAT, TRANSACTION_DATA_ENCODING
from tillkeeper.domains.signing.names import BSI_CERTIFICATION_ID
from tillkeeper.domains.tss.queries import Row
from tillkeeper.domains.tss.wire import MOST_ACTIVE_TRANSACTIONS, MOST_CLIENTS, Tss

_CERTIFIED = (TssState.UNINITIALIZED, TssState.INITIALIZED, TssState.DISABLED)


def shown(grant: Grant, row: Row) -> Tss:
    """Return a TSS without anything that opens it."""
    is_foreign = row.organization_id != grant.reader_id
    return Tss(
        id=row.id,
        type="TSS",
        env=row.env,
        version=API_VERSION,
        organization_id=row.organization_id if is_foreign else None,
        state=row.state,
        certificate=b64encode(row.certificate).decode(),
        serial_number=row.serial_number,
        public_key=b64encode(row.point).decode(),
        signature_algorithm=Algorithm.of_point(row.point),
        signature_timestamp_format=TIMESTAMP_FORMAT,
        transaction_data_encoding=TRANSACTION_DATA_ENCODING,
        max_number_registered_clients=MOST_CLIENTS,
        max_number_active_transactions=MOST_ACTIVE_TRANSACTIONS,
        supported_update_variants="SIGNED",
        metadata=row.metadata,
        description=row.description,
        bsi_certification_id=BSI_CERTIFICATION_ID if row.state in _CERTIFIED else None,
        signature_counter=str(row.signature_counter),
        transaction_counter=str(row.transaction_counter),
        number_registered_clients=row.registered_clients,
        number_active_transactions=row.active_transactions,
        time_creation=row.time_creation,
        time_uninit=row.time_uninit,
        time_init=row.time_init,
        time_defective=row.time_defective,
        time_disable=row.time_disable,
        replaces=row.replaces,
        replaced_by=row.replaced_by,
    )
