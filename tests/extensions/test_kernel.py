"""In a kernel: connect, ship modules of one's own, and the card."""

import importlib
import sys
import time
import zipfile

import dask.config
import pytest

from casita.client import operator
from casita.errors import CasitaError
from casita.testing import wait_for
from casita_clusters import connect, environment, ship
from casita_clusters.card import Card, dashboard, summary
from casita_clusters.client import Clusters
from casita_clusters.models import Difference, Environment
from casita_clusters.shipping import pack
from casita_clusters.wire import Packages


@pytest.fixture(scope="module")
def clusters(facility):
    with operator(facility.site).http() as http:
        yield Clusters(http, facility.site.gateway_url)


@pytest.fixture(scope="module")
def cluster(clusters):
    """One with a worker, called "kernel tests"."""
    name = clusters.create({"label": "kernel tests"})
    clusters.wait(name)
    clusters.scale(name, 1)
    clusters.wait(name, workers=1)
    yield name
    clusters.stop(name)


@pytest.fixture
def inside(facility, monkeypatch):
    """This process as a kernel of the facility."""
    found = operator(facility.site)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", found.token)
    monkeypatch.setenv("CASITA_URL", facility.url)
    monkeypatch.setenv("DASK_GATEWAY__ADDRESS", found.gateway)
    monkeypatch.setenv("DASK_GATEWAY__PROXY_ADDRESS", found.traffic)
    monkeypatch.setenv("DASK_GATEWAY__AUTH__TYPE", "jupyterhub")
    dask.config.refresh()
    yield found
    monkeypatch.undo()
    dask.config.refresh()


@pytest.fixture
def client(inside, cluster):
    with connect("kernel te") as connected:
        yield connected


def call(client, module, function):
    """Submit a function of a module, which travels by name, as it does from a notebook."""
    return client.submit(getattr(load(module), function), pure=False).result(30)


def load(module):
    sys.modules.pop(module, None)
    importlib.invalidate_caches()
    return importlib.import_module(module)


# ---- modules of one's own


def test_a_module_and_a_package_go_to_the_workers_and_an_edit_takes_effect(
    client, tmp_path, clusters, cluster, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # edits within one second
    (tmp_path / "shipped_alone.py").write_text("def answer(): return 1\n")
    package = tmp_path / "shipped_package"
    package.mkdir()
    (package / "__init__.py").write_text("from shipped_package.inner import answer\n")
    (package / "inner.py").write_text(
        "from pathlib import Path\n"
        "def answer(): return Path(__file__).with_name('value.txt').read_text()\n"
    )
    (package / "value.txt").write_text("first")
    (package / ".hidden").write_text("secret")
    ship(client, tmp_path / "shipped_alone.py", package)
    assert call(client, "shipped_alone", "answer") == 1
    assert call(client, "shipped_package", "answer") == "first"

    (tmp_path / "shipped_alone.py").write_text("def answer(): return 2\n")
    (package / "inner.py").write_text("def answer(): return 'edited'\n")
    ship(client, tmp_path / "shipped_alone.py", package)
    assert call(client, "shipped_alone", "answer") == 2
    assert call(client, "shipped_package", "answer") == "edited"

    clusters.scale(cluster, 0)
    wait_for(lambda: clusters.get(cluster).workers == 0, 30)
    clusters.scale(cluster, 1)
    clusters.wait(cluster, workers=1)
    assert call(client, "shipped_package", "answer") == "edited"


def test_upload_is_part_of_connect(inside, cluster, tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as archive:
        archive.writestr("zipped_module.py", "def answer(): return 'zipped'\n")
    monkeypatch.syspath_prepend(tmp_path / "bundle.zip")
    with connect(cluster, upload=[tmp_path / "bundle.zip"]) as client:
        assert call(client, "zipped_module", "answer") == "zipped"


def test_what_can_not_be_shipped_is_said_in_a_sentence(tmp_path):
    def refused(name, content=None):
        path = tmp_path / name
        if content is not None:
            path.write_text(content)
        with pytest.raises(CasitaError) as error:
            pack(path)
        return str(error.value)

    assert "no such file" in refused("nothing.py")
    assert "can't be imported" in refused("my-module.py", "")
    assert "no Python module" in refused("table.csv", "")
    assert "module of Python itself" in refused("json.py", "")
    assert "a package called numpy is installed" in refused("numpy.py", "")
    assert "no zip archive" in refused("broken.zip", "x")
    (tmp_path / "empty").mkdir()
    assert "no Python file" in refused("empty")


def test_a_file_beside_the_notebook_does_not_stand_for_the_installed_one(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "uproot.py").write_text("")
    with pytest.raises(CasitaError, match="a package called uproot is installed"):
        pack(tmp_path / "uproot.py")


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "heavy").mkdir()
    (tmp_path / "heavy" / "__init__.py").write_text("")
    with (tmp_path / "heavy" / "data.bin").open("wb") as stream:
        stream.truncate(10**12)
    with pytest.raises(CasitaError, match="1000000 MB; at most 50 MB"):
        pack(tmp_path / "heavy")


def test_the_same_content_is_the_same_bundle(tmp_path):
    file = tmp_path / "stable.py"
    file.write_text("x = 1")
    first = pack(file).version
    file.touch()
    assert pack(file).version == first
    file.write_text("x = 2")
    assert pack(file).version != first


# ---- environments


def test_a_shared_environment_needs_no_warning(inside, cluster, recwarn):
    connect(cluster).close()
    assert [one for one in recwarn if "cluster" in str(one.message)] == []


def test_what_a_notebook_has_from_elsewhere_is_named(clusters, cluster, tmp_path, monkeypatch):
    info = tmp_path / "homemade-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: homemade\nVersion: 1.5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = environment.compare(clusters.packages(cluster))
    assert found == Environment(
        shared=True, differences=[Difference(package="homemade", here="1.5", there=None)]
    )
    assert "not on the cluster: homemade 1.5." in environment.warning(found)


def test_telling_packages_come_first_and_few_are_shown():
    there = Packages(prefix="/elsewhere", python="3.12.1", packages={"dask": "1", "b0": "1"})
    here = {"dask": "2", "python": "3.11.2", **{f"a{number}": "1" for number in range(20)}}
    said = environment.warning(there.compared("/here", here))
    assert said.startswith(
        "Other versions on the cluster: python 3.11.2 (cluster: 3.12.1), dask 2 (cluster: 1). "
        "In this notebook's environment, but not on the cluster: a0 1, "
    )
    assert "and 12 more" in said
    assert environment.warning(Environment(shared=True)) == ""


# ---- the card


def text(card):
    return card._state.value


def test_the_card_changes_the_cluster_and_follows_it(inside, client, clusters, cluster):
    card = Card(client, inside, cluster, warning="<mind> this")
    assert "&lt;mind&gt;" in card.box.children[1].value
    assert "kernel tests" in text(card)
    card.follow()
    card._workers.value = 2
    card._scale.click()
    wait_for(lambda: "2 workers" in text(card), 30)
    card._range.value = (1, 1)
    card._adapt.click()
    wait_for(lambda: "adapts, 1 to 1" in text(card), 30)
    card._fix.click()
    wait_for(lambda: "adapts" not in text(card), 30)
    card._workers.max = 500
    card._workers.value = 500
    card._scale.click()
    assert "more than you may have" in card._said.value
    clusters.scale(cluster, 1)
    clusters.wait(cluster, workers=1)
    slow = client.submit(time.sleep, 6)
    wait_for(lambda: "tasks: 1 run" in text(card), 10)
    slow.result()
    client.close()
    wait_for(lambda: "client is closed" in text(card), 10)
    assert card._handles.layout.display == "none"


def test_the_card_stops_a_cluster_at_the_second_click(inside, clusters):
    name = clusters.create()
    clusters.wait(name)
    with connect(name) as client:
        card = Card(client, inside, name)
        card.follow()
        card._stop.click()
        assert clusters.get(name).active
        card._stop.click()
        wait_for(lambda: "stopped" in text(card), 20)


def test_a_summary_is_safe_and_links_to_the_users_own_server(clusters, cluster, monkeypatch):
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    found = clusters.get(cluster).model_copy(update={"label": "<script>"})
    assert dashboard(found) == found.dashboard
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ann/")
    monkeypatch.setenv("CASITA_NAME", "casita")
    link = f"/user/ann/casita/clusters/{cluster}/dashboard/status"
    assert dashboard(found) == link
    said = summary(found, link)
    assert f'<a href="{link}"' in said
    assert "&lt;script&gt;" in said
    assert "<script>" not in said
