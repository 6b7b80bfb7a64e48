"""Requests of very many files: what is told of them takes little memory at a time."""

import re
import tracemalloc
from types import SimpleNamespace

import pytest
from sqlalchemy import func, update
from tests.columns.live import running, settings
from tests.columns.test_records import request

from casita_columns.records.datasets import File
from casita_columns.records.tables import COMPLETE, FAILURE, SUCCESS, Request, Result
from casita_columns.service.application import PREFIX
from casita_columns.store.bucket_list import Asked, listed
from casita_columns.store.shelf import Shelf

FILES = 30_000
MOST_BYTES = 25_000_000


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A service, and a request of which half of the files were delivered, the others not."""
    given = settings(tmp_path_factory.mktemp("many"), {"executor": "cluster"})
    with running(given) as client:
        records = client.service.records
        made = records.new_dataset("ada", "user", "many", "many")
        files = (File((f"root://far.org//store/{number}.root",)) for number in range(FILES))
        one = request(records, records.fill_dataset(made.id, files), executor="cluster")
        records.begin(one.id)
        odd = Result.number % 2 == 1
        with records._writing() as session:
            session.execute(
                update(Result).values(
                    state=SUCCESS,
                    created=1_000_000 + Result.number,
                    name=func.printf("%06d-name.parquet", Result.number),
                    key=func.printf("k/%06d", Result.number),
                )
            )
            session.execute(
                update(Result).where(odd).values(state=FAILURE, name=None, trouble="it is gone")
            )
            half = FILES // 2
            session.execute(update(Request).values(state=COMPLETE, completed=half, failed=half))
        yield SimpleNamespace(client=client, id=one.id, dataset=made.id)


def answered(client, method, url, **more):
    """Return an answer's length, first 100 and last 10 bytes, and what making it took."""
    tracemalloc.start()
    try:
        length, first, last = 0, b"", b""
        with client.stream(method, url, **more) as answer:
            assert answer.status_code == 200
            for part in answer.iter_raw():
                length += len(part)
                first, last = (first + part)[:100], (last + part)[-10:]
        return length, first, last, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "path",
    ["servicex/transformation/{id}/results", "requests/{id}/files", "servicex/datasets/{dataset}"],
)
def test_lists_of_files_are_whole_and_take_little_memory(many, path):
    url = f"{PREFIX}/{path.format_map(vars(many))}"
    found = many.client.get(url).json()
    found = found if isinstance(found, list) else found.get("results") or found["files"]
    assert len(found) == (FILES // 2 if path.endswith("/files") else FILES)
    length, _, _, peak = answered(many.client, "GET", url)
    assert length > 100 * len(found)
    assert peak < MOST_BYTES, peak


def test_addresses_of_many_files(many):
    url = f"{PREFIX}/servicex/transformation/file-urls"
    names = [f"{number:06d}-name.parquet" for number in range(0, FILES, 2)]
    body = {"request_id": many.id, "file_list": names}
    uris = many.client.post(url, json=body).json()["uris"]
    assert list(uris) == names
    assert len({one[0] for one in uris.values()}) == len(names)
    assert answered(many.client, "POST", url, json=body)[3] < MOST_BYTES
    body["file_list"] = [*names, "000001-name.parquet"]  # it failed
    answer = many.client.post(url, json=body)
    assert answer.status_code == 404
    assert "000001-name.parquet" in answer.json()["message"]


def test_a_bucket_is_listed_page_by_page(many):
    shelf, token, found, peaks = Shelf(many.client.service.records), "", [], []
    while True:
        asked = Asked.of({"list-type": "2", "continuation-token": token})
        tracemalloc.start()
        page = listed(many.id, shelf.list(many.id, asked.first), asked)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        found += re.findall("<Key>(.*?)</Key>", page)
        if not (more := re.search("<NextContinuationToken>(.*?)<", page)):
            break
        token = more[1]
    assert found == [f"{number:06d}-name.parquet" for number in range(0, FILES, 2)]
    assert len(peaks) == FILES // 2 // 1000
    assert max(peaks) < 10_000_000, peaks


def test_the_page_shows_the_first_failures(many):
    page = many.client.get(f"{PREFIX}/servicex/transformation/{many.id}").json()["log-url"]
    text = many.client.get(page).text
    assert text.count("it is gone") == 200
    assert f"and {FILES // 2 - 200} more" in text
    assert answered(many.client, "GET", page)[3] < 5_000_000
