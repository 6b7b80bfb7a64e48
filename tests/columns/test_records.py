"""What the service remembers, and that it does so whatever happens in between."""

import threading
import time
from functools import partial

import pytest

from casita.errors import ConfigError, MissingError
from casita_columns.records.database import open_engine
from casita_columns.records.datasets import File
from casita_columns.records.outcomes import Outcome, QuotaError
from casita_columns.records.requests import Records
from casita_columns.records.tables import Request, now


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'columns.sqlite'}"
    return request.getfixturevalue("postgresql_server").new()


@pytest.fixture
def records(url):
    records = Records(open_engine(url))
    yield records
    records.close()


def files(count, size=10):
    return [
        File((f"root://one//{number}.root", f"root://two//{number}.root"), size, 5)
        for number in range(count)
    ]


def dataset(records, count=3, owner="ada", name="data"):
    made = records.new_dataset(owner, "xrootd", name, f"xrootd://{name}")
    return records.fill_dataset(made.id, files(count))


def request(records, of=None, owner="ada", **more):
    of = of or dataset(records, owner=owner)
    values = {
        "owner": owner,
        "title": "t",
        "did": of.asked,
        "dataset_id": of.id,
        "selection": "[]",
        "codegen": "uproot-raw",
        "form": "parquet",
        "destination": "object-store",
        "executor": "local",
        "query": "q",
        "state": "Submitted",
        "submitted": now(),
    }
    return records.add(Request(**values | more))


def outcome(result, size=100):
    name = f"{result.number:06d}.parquet"
    return Outcome(name, f"{result.request_id}/{name}", size, 5, 10, 1000, 0.5)


def test_files_are_handed_out_once_and_in_order(records):
    one = request(records)
    records.begin(one.id)
    taken = [records.next_waiting("local", {}, 0) for _ in range(3)]
    assert [result.number for result in taken] == [0, 1, 2]
    assert taken[0].paths == "root://one//0.root\nroot://two//0.root"
    assert records.next_waiting("local", {}, 0) is None


def test_a_request_is_complete_after_its_last_file_and_never_before_its_results_are_there(records):
    one = request(records)
    records.begin(one.id)
    for done in range(1, 4):
        result = records.next_waiting("local", {}, 0)
        assert records.succeed(result.id, outcome(result))
        found = records.request("ada", one.id)
        assert found.completed == len(records.results_after(one.id, 0)) == done
    assert found.state == "Complete"
    assert (found.size, found.events, found.events_in, found.bytes_in) == (300, 15, 30, 3000)


def test_times_of_results_increase_strictly_whatever_the_clock_says(records, monkeypatch):
    one = request(records, dataset(records, 20))
    records.begin(one.id)
    monkeypatch.setattr("casita_columns.records.outcomes.now", lambda: 1_800_000_000.0)
    seen, last = [], 0
    while result := records.next_waiting("local", {}, 0):
        records.succeed(result.id, outcome(result))
        new = records.results_after(one.id, last)
        seen += new
        last = max(result.created for result in new)
    assert len(seen) == 20
    assert len({result.created for result in seen}) == 20


def test_failures_are_counted_and_the_first_is_told(records):
    one = request(records)
    records.begin(one.id)
    for number in range(3):
        result = records.next_waiting("local", {}, 0)
        if number == 1:
            records.fail(result.id, "no such file\nline one\nline two")
        else:
            records.succeed(result.id, outcome(result))
    found = records.request("ada", one.id)
    assert (found.state, found.completed, found.failed) == ("Complete", 2, 1)
    assert found.trouble == "no such file"
    (failure,) = records.results(one.id, "failure")
    assert failure.trouble.endswith("line two")


def test_a_result_counts_once(records):
    one = request(records, dataset(records, 1))
    records.begin(one.id)
    result = records.next_waiting("local", {}, 0)
    assert records.succeed(result.id, outcome(result))
    assert not records.succeed(result.id, outcome(result))
    assert not records.fail(result.id, "late")
    assert records.request("ada", one.id).completed == 1


def test_an_older_version_s_database_is_told(url):
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE requests DROP COLUMN reads")
    engine.dispose()
    with pytest.raises(ConfigError, match="older version's: requests has no reads"):
        open_engine(url)


def test_who_would_exceed_the_quota_is_not_noted(records):
    """However many are stored at the same time."""
    one = request(records)
    records.begin(one.id)
    first, second = (records.next_waiting("local", {}, 0) for _ in range(2))
    assert records.succeed(first.id, outcome(first), 150)
    with pytest.raises(QuotaError):
        records.succeed(second.id, outcome(second), 150)
    assert records.usage("ada") == 100
    assert records.succeed(second.id, outcome(second), 200)


def test_after_cancelling_nothing_is_handed_out_or_counted(records):
    one = request(records)
    records.begin(one.id)
    result = records.next_waiting("local", {}, 0)
    assert records.cancel(one.id)
    assert not records.cancel(one.id)
    assert records.next_waiting("local", {}, 0) is None
    assert not records.succeed(result.id, outcome(result))
    assert records.request("ada", one.id).completed == 0


def test_only_what_will_be_read_waits(records):
    one, two = request(records), request(records)
    records.begin(one.id)
    records.begin(two.id)
    records.next_waiting("local", {}, 0)
    assert records.waiting() == 5
    records.cancel(one.id)
    assert records.waiting() == 3


def test_a_request_begins_once(records):
    one = request(records)
    records.begin(one.id)
    records.begin(one.id)
    assert records.request("ada", one.id).files == 3
    assert sum(1 for _ in iter(lambda: records.next_waiting("local", {}, 0), None)) == 3


def test_what_was_handed_out_when_the_service_ended_is_handed_out_again(records, url):
    one = request(records)
    records.begin(one.id)
    first = records.next_waiting("local", {}, 0)
    records.succeed(first.id, outcome(first))
    lost = records.next_waiting("local", {}, 0)
    after = Records(open_engine(url))
    after.resume()
    assert [one.id for one in after.unfinished()] == [one.id]
    again = after.next_waiting("local", {}, 0)
    assert (again.id, again.attempts) == (lost.id, 2)
    after.close()


def test_who_waits_longest_of_those_with_least_comes_next(records):
    ada = request(records, dataset(records, 5), owner="ada")
    bob = request(records, dataset(records, 5, owner="bob"), owner="bob")
    for one in (ada, bob):
        records.begin(one.id)
    owners = {ada.id: "ada", bob.id: "bob"}
    in_flight, order = {}, []
    for _ in range(6):
        result = records.next_waiting("local", in_flight, 0)
        owner = owners[result.request_id]
        order.append(owner)
        in_flight[owner] = in_flight.get(owner, 0) + 1
    assert order == ["ada", "bob"] * 3


def test_a_loan_that_is_not_heard_of_is_given_back(records):
    one = request(records, executor="cluster")
    records.begin(one.id)
    assert records.next_waiting("local", {}, 0) is None
    assert records.take_of("bob", "cluster", 60) is None
    kept = records.take_of("ada", "cluster", 60)
    lost = records.take_of("ada", "cluster", 0.01)
    assert records.keep_taken(kept.id, 60)
    time.sleep(0.02)
    assert records.give_back_lost(3) == 1
    assert records.take_of("ada", "cluster", 60).id == lost.id
    records.cancel(one.id)
    assert not records.keep_taken(kept.id, 60)


def test_files_that_nobody_is_at_are_handed_out_again(records):
    one = request(records)
    records.begin(one.id)
    first, second = (records.next_waiting("local", {}, 0) for _ in range(2))
    assert records.give_back_forgotten("local", {first.id}) == 1
    assert records.give_back_forgotten("local", {first.id}) == 0
    assert records.next_waiting("local", {}, 0).id == second.id


def test_a_file_that_loses_its_takers_is_given_up(records):
    one = request(records, dataset(records, 1), executor="cluster")
    records.begin(one.id)
    for _ in range(3):
        assert records.take_of("ada", "cluster", 0.001)
        time.sleep(0.005)
        records.give_back_lost(3)
    assert records.take_of("ada", "cluster", 60) is None
    found = records.request("ada", one.id)
    assert (found.state, found.failed) == ("Complete", 1)
    assert "lost 3 times" in found.trouble


def test_an_upstream_may_find_more_files(records):
    one = request(records, executor="upstream")
    records.set_files(one.id, 1)
    assert records.add_remote(one.id, 70, 0, "/a", Outcome("a", "k/a", 1, 1, 1, 1, 1.0))
    records.set_files(one.id, 2)
    assert records.request("ada", one.id).state != "Complete"
    assert records.add_remote(one.id, 71, 1, "/b", "it failed there")
    records.complete(one.id)
    found = records.request("ada", one.id)
    assert (found.state, found.completed, found.failed) == ("Complete", 1, 1)


def test_others_requests_and_datasets_are_not_there(records):
    one = request(records)
    for ask in (
        lambda: records.request("bob", one.id),
        lambda: records.request("ada", "no-such"),
        lambda: records.dataset("bob", one.dataset_id),
    ):
        with pytest.raises(MissingError):
            ask()
    assert records.requests("bob") == []
    assert records.datasets("bob") == []


def test_shared_results_outlive_the_request_that_made_them(records):
    of = dataset(records)
    first = request(records, of)
    records.begin(first.id)
    while result := records.next_waiting("local", {}, 0):
        records.succeed(result.id, outcome(result))
    (found,) = records.same("q", of.version)
    second = request(records, dataset(records, owner="bob"), owner="bob")
    assert records.share(second.id, found.id)
    shared = records.request("bob", second.id)
    assert (shared.state, shared.completed, shared.source) == ("Complete", 3, first.id)
    assert len(records.results_after(second.id, 0)) == 3
    assert records.delete(first.id) == []  # bob's refer to them
    assert len(records.delete(second.id)) == 3


def test_only_whole_results_of_the_same_files_are_the_same(records):
    of = dataset(records)
    one = request(records, of)
    records.begin(one.id)
    assert records.same("q", of.version) == []
    other = records.new_dataset("ada", "xrootd", "x", "xrootd://x")
    assert records.fill_dataset(other.id, files(3, size=11)).version != of.version
    again = records.new_dataset("ada", "xrootd", "y", "xrootd://y")
    assert records.fill_dataset(again.id, files(3)).version == of.version


def test_many_threads_take_every_file_once(records):
    one = request(records, dataset(records, 60))
    records.begin(one.id)
    taken, lock = [], threading.Lock()

    def work():
        while result := records.next_waiting("local", {}, 0):
            with lock:
                taken.append(result.number)
            records.succeed(result.id, outcome(result))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(60))
    assert records.request("ada", one.id).state == "Complete"


def at_once(*calls):
    """Call all at the same time; returns what each returned."""
    gate, came = threading.Barrier(len(calls)), {}

    def call(number, what):
        gate.wait(10)
        try:
            came[number] = what()
        except Exception as error:
            came[number] = error

    threads = [threading.Thread(target=call, args=one) for one in enumerate(calls)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return [came[number] for number in range(len(calls))]


def test_whoever_writes_does_so_alone(records):
    of = dataset(records, 1)
    for _ in range(10):
        one = request(records, of)
        begin = partial(records.begin, one.id)
        _, _, cancelled = at_once(begin, begin, partial(records.cancel, one.id))
        assert cancelled
        assert records.request("ada", one.id).state == "Canceled"

        one = request(records, of, executor="cluster")
        records.begin(one.id)
        taken = records.take_of("ada", "cluster", 60)
        done = partial(records.succeed, taken.id, outcome(taken))
        came = at_once(done, done, partial(records.fail, taken.id, "it failed"))
        assert sorted(came) == [False, False, True]
        found = records.request("ada", one.id)
        assert found.completed + found.failed == 1

        one = request(records, of, executor="cluster")
        records.begin(one.id)
        taken = records.take_of("ada", "cluster", 60)
        keys, noted = at_once(
            partial(records.delete, one.id), partial(records.succeed, taken.id, outcome(taken))
        )
        assert len(keys) == noted  # who was first says which object is to go


def test_results_are_shared_or_gone(records):
    of = dataset(records, 1)
    for _ in range(10):
        source, other = request(records, of), request(records, of)
        records.begin(source.id)
        taken = records.next_waiting("local", {}, 0)
        records.succeed(taken.id, outcome(taken))
        shared, keys = at_once(
            partial(records.share, other.id, source.id), partial(records.delete, source.id)
        )
        assert len(keys) == (not shared)
        assert len(records.results(other.id)) == shared


def test_text_that_databases_do_not_take_is_noted(records):
    one = request(records, dataset(records, 1))
    records.begin(one.id)
    taken = records.next_waiting("local", {}, 0)
    assert records.fail(taken.id, "bad \0 text \ud800")
    assert records.request("ada", one.id).trouble == "bad \N{REPLACEMENT CHARACTER} text ?"
    assert records.known("\0") is None


def test_names_may_be_long(records):
    name = "".join(f"{number:x}" for number in range(3000))  # 10 kB that can't be made shorter
    of = dataset(records, 1, name=name)
    assert records.dataset_of("ada", of.asked, 0).id == of.id


def test_a_dataset_is_found_again_until_it_is_old_or_taken_back(records):
    of = dataset(records)
    assert records.dataset_of("ada", of.asked, 0).id == of.id
    assert records.dataset_of("ada", of.asked, now() + 1) is None
    assert records.dataset_of("bob", of.asked, 0) is None
    records.make_stale(of.id)
    assert records.dataset_of("ada", of.asked, 0) is None
    assert records.datasets("ada") == []
    assert len(records.datasets("ada", stale=True)) == 1


def test_a_hundred_thousand_files_are_taken_in_at_once(records):
    of = dataset(records, 100_000)
    assert (of.files, of.size, of.events) == (100_000, 1_000_000, 500_000)
    one = request(records, of)
    records.begin(one.id)
    assert records.request("ada", one.id).files == 100_000
    assert records.next_waiting("local", {}, 0).number == 0


def test_objects_come_by_name_whatever_the_database_s_language(records, monkeypatch):
    """In the order of S3: that of UTF-8."""
    monkeypatch.setattr("casita_columns.records.outcomes.PAGE", 2)
    names = ["a-1", "Z", "ü", "a_1", "ä-", "_", "a", "😀", "b"]
    one = request(records, dataset(records, len(names) + 1))
    records.begin(one.id)
    for name in names:
        result = records.next_waiting("local", {}, 0)
        records.succeed(result.id, Outcome(name, f"{one.id}/{name}", 1, 1, 1, 1, 0.5))
    records.fail(records.next_waiting("local", {}, 0).id, "no")

    def listed(first):
        return [each.name for page in records.pages_by_name(one.id, first) for each in page]

    assert listed("") == sorted(names)
    assert listed("a") == ["a", "a-1", "a_1", "b", "ä-", "ü", "😀"]


def test_old_requests_and_datasets_nobody_uses_are_forgotten(records):
    one = request(records)
    assert records.older(now() + 10) == []
    records.cancel(one.id)
    assert records.older(now() - 10) == []
    assert records.older(now() + 10) == [one.id]
    records.forget_datasets(now() + 10)
    assert len(records.datasets("ada")) == 1  # the request refers to it
    records.delete(one.id)
    records.forget_datasets(now() + 10)
    assert records.datasets("ada") == []


def test_objects_are_known_before_they_are_in_the_store(records, monkeypatch):
    one = request(records)
    records.begin(one.id)
    for number in range(2):
        result = records.next_waiting("local", {}, 0)
        came = outcome(result)
        records.promise(came.key)
        records.promise(came.key)  # it was tried before
        if number:
            records.succeed(result.id, came)
    assert records.leftovers() == []
    tomorrow = now() + 100_000
    monkeypatch.setattr("casita_columns.records.requests.now", lambda: tomorrow)
    (left,) = records.leftovers()
    assert left.endswith("000000.parquet")
    records.removed([left])
    assert records.leftovers() == []
