"""``python -m casita_columns.service``: the hub service ``columns``."""

import os

from casita.serving import serve
from casita_columns.service.application import Service, build
from casita_columns.settings import ServiceSettings

VARIABLE = "CASITA_COLUMNS_SERVICE"

if __name__ == "__main__":
    given = ServiceSettings.model_validate_json(os.environ.pop(VARIABLE))
    os.chdir("/")
    serve(build(Service(given)), given.port)
