"""Errors in both forms: the facility's, and ServiceX's ``{"message": ...}``."""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from casita.errors import CasitaError
from casita.serving import CODES, error_answer, status_of, what_is_invalid
from casita_columns.records.database import AWAY

logger = logging.getLogger("casita.columns")


def add_answers(app: FastAPI) -> None:
    """Have errors answered so that both kinds of client can read them."""
    app.add_exception_handler(CasitaError, _explain)
    app.add_exception_handler(RequestValidationError, _explain_validation)
    app.add_exception_handler(HTTPException, _explain_http)
    for one in AWAY:
        app.add_exception_handler(one, _explain_database)
    app.add_exception_handler(Exception, _explain_bug)


def both(status: int, code: str, message: str, hint: str = "") -> Response:
    """Return an error in both forms; the official client shows ``message`` alone."""
    answer = error_answer(status, code, message, hint)
    said = f"{message} ({hint})" if hint else message
    body = json.loads(bytes(answer.body)) | {"message": said}
    headers = {key: value for key, value in answer.headers.items() if key != "content-length"}
    return Response(json.dumps(body), status, headers, "application/json")


async def _explain(request: Request, error: Exception) -> Response:
    assert isinstance(error, CasitaError)
    return both(*status_of(error), error.message, error.hint)


async def _explain_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # 400, not 422: the official client shows the message of this one alone.
    return both(400, "invalid", what_is_invalid(error.errors()))


async def _explain_http(request: Request, error: Exception) -> Any:
    assert isinstance(error, HTTPException)
    code = CODES.get(error.status_code, "failed")
    return both(error.status_code, code, str(error.detail))


async def _explain_database(request: Request, error: Exception) -> Response:
    logger.error("the database: %s", error.__cause__ or error)
    message = "nothing could be noted: the disk is full, or the database does not answer"
    return both(503, "unavailable", message, "try again; `casita doctor` tells its operator more")


async def _explain_bug(request: Request, error: Exception) -> Response:
    return both(500, "failed", "the service made a mistake", "its log says which")
