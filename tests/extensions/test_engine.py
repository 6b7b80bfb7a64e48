"""What can be said of clusters without asking anybody."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from casita.errors import CasitaError
from casita_clusters import engine
from casita_clusters.models import (
    Adaptive,
    Cluster,
    ClusterLogs,
    Limit,
    Limits,
    NewCluster,
    Option,
    ProcessLog,
)
from casita_clusters.wire import Packages

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CORES = Option(field="worker_cores", label="Cores", default=1, type="int", min=1, max=4)
MEMORY = Option(field="worker_memory", label="Memory", default=2.0, type="float")
PLACE = Option(field="environment", label="Where", default="a", type="select", choices=["a", "b"])
FLAG = Option(field="flag", label="Flag", default=False, type="bool")


def cluster(name, **more):
    return Cluster(name=name, status="running", started=NOW, **more)


def logs(reason="", **texts):
    found = [ProcessLog(process=name, text=text) for name, text in texts.items()]
    return ClusterLogs(logs=found, status="FAILED", reason=reason)


def test_options_take_the_type_that_the_gateway_wants():
    given_ones = ["worker_cores=2", "worker_memory=1.5", "environment=b=c", "flag=yes"]
    assert engine.parse_options(given_ones, [CORES, MEMORY, PLACE, FLAG]) == {
        "worker_cores": 2,
        "worker_memory": 1.5,
        "environment": "b=c",
        "flag": True,
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("worker_cores", "'worker_cores' is no cluster option"),
        ("cores=2", "'cores=2' is no cluster option"),
        ("worker_cores=two", "worker_cores is 'two'"),
        ("worker_memory=", "worker_memory is ''"),
    ],
)
def test_wrong_options_are_named(text, sentence):
    with pytest.raises(CasitaError) as caught:
        engine.parse_options([text], [CORES, MEMORY])
    assert sentence in caught.value.message
    assert caught.value.hint


def test_ranges():
    assert engine.parse_range("0:4") == (0, 4)
    for text in ("4", "4:0", "a:b", ":4", "0:4:5", "-1:4", ""):
        with pytest.raises(CasitaError, match="is no range of workers"):
            engine.parse_range(text)


def test_a_cluster_is_picked_by_its_name_or_the_beginning_of_it():
    mine = [cluster("ab"), cluster("abc"), cluster("xyz")]
    assert engine.pick(mine, "x").name == "xyz"
    assert engine.pick(mine, "ab").name == "ab"
    for name, sentence in (
        ("a", "several clusters are called a..."),
        ("q", "you have no cluster 'q'"),
        ("", "no cluster is named"),
    ):
        with pytest.raises(CasitaError) as caught:
            engine.pick(mine, name)
        assert sentence in caught.value.message
    with pytest.raises(CasitaError, match="no cluster is named"):
        engine.pick([cluster("only")], "")


def test_a_cluster_is_picked_by_its_label_too():
    mine = [cluster("ab1", label="fit"), cluster("ab2", label="fits"), cluster("fi", label="ab1")]
    assert engine.pick(mine, "fit").name == "ab1"  # the whole label before a beginning
    assert engine.pick(mine, "fits").name == "ab2"
    assert engine.pick(mine, "ab1").name == "ab1"  # a name before a label
    assert engine.pick([cluster("ab1", label="top fit")], "top").name == "ab1"
    with pytest.raises(CasitaError) as caught:
        engine.pick([cluster("a", label="fit"), cluster("b", label="fit")], "fit")
    assert caught.value.hint == "one of: a (fit), b (fit)"
    with pytest.raises(LookupError):
        engine.pick(mine, "zz")


def test_a_failure_shows_the_log_that_is_likeliest_to_tell():
    both = {"scheduler": "all is well", "worker-1": "x\nMemoryError"}
    said = engine.failure("c", logs("3 workers in a row failed to start", **both))
    assert said.endswith("the end of its worker-1 log:\nx\nMemoryError")
    said = engine.failure("c", logs("the scheduler ended with status 1", **both))
    assert said.endswith("all is well")
    assert engine.failure("c", logs()) == "cluster c failed: the gateway gives no reason"


def test_a_failure_for_a_panel():
    text = "\n".join(["line"] * 20 + ["ModuleNotFoundError: No module named 'x'"])
    found = engine.failed(
        cluster("c", label="mine"), logs("the scheduler ended with status 1", scheduler=text)
    )
    assert (found.name, found.label, found.started) == ("c", "mine", NOW)
    assert found.reason == "the scheduler ended with status 1"
    assert found.process == "scheduler"
    assert len(found.tail.splitlines()) == 12
    assert "a module is missing" in found.hint
    bare = engine.failed(cluster("c"), logs())
    assert (bare.process, bare.tail, bare.hint) == ("", "", "")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("distributed.nanny: Worker exceeded 95% memory budget", "out of memory"),
        ("ModuleNotFoundError: No module named 'coffea'", "a module is missing"),
        ("[Errno 2] No such file or directory: '/opt/x/bin/dask'", "has no dask"),
        ("ValueError: unsupported pickle protocol: 5", "different versions"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("nothing that is known", ""),
    ],
)
def test_hints(text, advice):
    assert advice in engine.hint(logs(scheduler=text))
    assert bool(engine.hint(logs(scheduler=text))) is bool(advice)


def test_ages_and_sizes():
    for seconds, text in ((0, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (90000, "1 d")):
        assert engine.age(NOW, NOW + timedelta(seconds=seconds)) == text
    assert engine.age(NOW, NOW - timedelta(seconds=5)) == "0 s"
    assert engine.sizes({"worker_cores": 2, "worker_memory": 0.5}, 3) == (6, 3 * 2**29)
    assert engine.sizes({}, None) == (None, None)


def test_the_most_workers_that_limits_allow():
    kind = cluster("c", options={"worker_cores": 2, "worker_memory": 4.0})
    several = Limit(used=0, limit=9)
    limits = Limits(clusters=several, cores=several, memory=Limit(used=0, limit=12 * 2**30))
    assert engine.most_workers(kind, limits) == 3
    assert engine.most_workers(cluster("c"), limits) == 9


@given(
    some.lists(some.sampled_from("ab")), some.lists(some.sampled_from("abc")), some.integers(1, 9)
)
def test_new_lines_complete_what_was_seen(old, more, window):
    before, now = old[-window:], (old + more)[-window:]
    fresh = list(engine.new_lines(before, now))
    assert now[len(now) - len(fresh) :] == fresh
    if len(old) + len(more) <= window:
        assert fresh == more  # nothing was cut: exact, whatever repeats
    assert len(fresh) <= len(more)


def test_what_is_left_of_the_limits():
    limits = Limits(
        clusters=Limit(used=1, limit=4),
        cores=Limit(used=2, limit=8),
        memory=Limit(used=0, limit=8 * 2**30),
    )
    known = [CORES, MEMORY]
    assert engine.room(NewCluster(workers=4), known, limits) == ""
    said = engine.room(NewCluster(workers=5), known, limits)
    assert said.startswith("5 workers are more than you may have: your clusters use 2 of 8 cores")
    assert "take at most 4" in said
    large = NewCluster(workers=4, options={"worker_cores": 2, "worker_memory": 0.5})
    assert "take at most 3" in engine.room(large, known, limits)
    wide = Adaptive(minimum=1, maximum=99)  # its maximum may be out of reach
    assert engine.room(NewCluster(adaptive=wide), known, limits) == ""
    assert engine.room(NewCluster(adaptive=Adaptive(minimum=9)), known, limits)
    for wrong in ("x", None, [1], -1, 0):  # the gateway's own words are better
        assert (
            engine.room(NewCluster(workers=1, options={"worker_cores": wrong}), known, limits) == ""
        )


def test_pages_of_a_dashboard():
    plots = ["individual-gpu-memory", "individual-scheduler-system", "individual-task-stream",
             "individual-compute-time-per-key"]  # fmt: skip
    found = engine.pages([f"/{one}" for one in plots])
    titles = [one.title for one in found]
    assert found[0].path == "individual-task-stream"
    assert titles[0] == "Task stream"
    assert titles[-2:] == ["Scheduler system", "GPU memory"]
    assert "Progress" not in titles  # this dashboard does not offer it
    assert not any("per key" in one for one in titles)  # it would show nothing
    assert "Status (whole page)" in titles
    assert engine.pages([]) == []  # they are still being loaded


def test_differences_between_environments():
    here = {"numpy": "2.0", "Awkward_Array": "1", "mine": "0.1", "python": "3.11.2"}
    there = {"numpy": "2.1", "awkward-array": "1", "theirs": "9", "python": "3.11.2"}
    found = [(one.package, one.here, one.there) for one in engine.differences(here, there)]
    assert found == [("mine", "0.1", None), ("numpy", "2.0", "2.1")]
    remote = Packages(prefix="/there", python="3.11.2", packages=there)
    assert remote.compared("/here", here).shared is False
    assert len(remote.compared("/here", here).differences) == 2
    assert remote.compared("/there", {}).model_dump() == {"shared": True, "differences": []}


def test_a_line_read_while_it_was_written_repeats_nothing_else():
    before = [*(f"line {number}" for number in range(5)), "par"]
    now = [*(f"line {number}" for number in range(2, 5)), "partial line", "next", "end"]
    assert engine.new_lines(before, now) == ["partial line", "next", "end"]
    assert engine.new_lines(now, [*now, "more"]) == ["more"]
    assert engine.new_lines(now, now) == []
