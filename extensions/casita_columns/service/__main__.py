"""``python -m casita_columns.service``: the hub service ``columns``."""

import os
import sys

from casita.errors import CasitaError
from casita.serving import serve
from casita_columns.service.application import Service, build
from casita_columns.settings import ServiceSettings

VARIABLE = "CASITA_COLUMNS_SERVICE"

if __name__ == "__main__":
    given = ServiceSettings.model_validate_json(os.environ.pop(VARIABLE))
    os.chdir("/")
    try:
        service = Service(given)
    except CasitaError as error:
        sys.exit(f"error: {error}")
    serve(build(service), given.port)
