"""Real supervisord, real small processes: start, death, restart, sweep."""

import sys

import psutil
import pytest

from casita import supervisor, sweep
from casita.backend import Process
from casita.config import FacilityConfig
from casita.errors import ProcessError, StateError
from casita.files import tail
from casita.site import prepare
from casita.testing import wait_for

# A child in a session of its own, as a spawner starts a user's server.
LEAVES_A_CHILD = (
    "import subprocess, sys, time, os;"
    "env = {k: v for k, v in os.environ.items() if k != 'CASITA_PROCESS'};"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
    " start_new_session=True, env=env); time.sleep(600)"
)


@pytest.fixture
def site(tmp_path):
    site = prepare(FacilityConfig(), tmp_path / "state")
    yield site
    supervisor.shutdown(site, 20)
    sweep.end([one.process for one in sweep.belongings(site.instance)], 2)
    assert sweep.belongings(site.instance) == []


def sleeper(name="sleeper", code="import time; time.sleep(600)", **more):
    return Process(name=name, command=(sys.executable, "-c", code), **more)


def state_of(site, name):
    return next(one for one in supervisor.states(site) if one.name == name)


def test_a_killed_process_comes_back(site):
    supervisor.start(site, [sleeper()])
    first = wait_for(lambda: (s := state_of(site, "sleeper")).state == "running" and s.pid)
    psutil.Process(first).kill()
    second = wait_for(
        lambda: (s := state_of(site, "sleeper")).state == "running" and s.pid != first and s.pid
    )
    assert psutil.pid_exists(second)


def test_words_with_quotes_blanks_and_percent_arrive_unchanged(site):
    code = "import os, sys, time; print(sys.argv[1:], os.environ['ODD']); time.sleep(600)"
    odd = 'a "b" %(c)s \\d, e'
    process = Process(
        name="odd", command=(sys.executable, "-c", code, odd), environment={"ODD": odd}
    )
    supervisor.start(site, [process])
    text = wait_for(lambda: tail(supervisor.log_file(site, "odd")))
    assert text == f"{[odd]} {odd}"


def test_a_process_that_keeps_dying_becomes_fatal_and_its_log_stays(site):
    supervisor.start(site, [sleeper(code="raise SystemExit('no such luck')")])
    wait_for(lambda: state_of(site, "sleeper").state == "fatal", 60, "fatal")
    assert "no such luck" in supervisor.log_file(site, "sleeper").read_text()


def test_stopping_ends_everything_and_names_what_users_had(site):
    supervisor.start(site, [sleeper(code=LEAVES_A_CHILD)])
    wait_for(lambda: len(sweep.belongings(site.instance)) == 3, what="supervisord, process, child")
    supervisor.shutdown(site, 20)
    left = sweep.belongings(site.instance)
    assert [one.service for one in left] == [""]
    assert sweep.end([one.process for one in left]) == 1


def test_what_a_kill_9_leaves_is_found(site):
    daemon = supervisor.start(site, [sleeper(code=LEAVES_A_CHILD)])
    wait_for(lambda: len(sweep.belongings(site.instance)) == 3, what="supervisord, process, child")
    daemon.kill()
    daemon.wait(5)
    assert supervisor.daemon(site) is None
    left = sorted(one.service for one in sweep.belongings(site.instance))
    assert left == ["", "sleeper"]


def test_restarting_an_unknown_process_lists_the_known_ones(site):
    supervisor.start(site, [sleeper()])
    with pytest.raises(ProcessError, match="no process 'hubb'.*there are: sleeper"):
        supervisor.restart(site, "hubb")


def test_asking_nobody_says_what_to_type(site):
    with pytest.raises(StateError, match="no facility runs in .*casita up"):
        supervisor.states(site)
