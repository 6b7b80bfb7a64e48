"""Datasets of the facility's own, in coffea's form."""

import gzip
import json
import os

import pytest
import yaml

from casita_columns.finders import BadName, Found, LookupFailed, NotThere, registry

TTBAR = {
    "files": {
        "root://host//store/b.root": "Events",
        "root://host//store/a.root": {
            "object_path": "Events",
            "num_entries": 1000,
            "steps": [[0, 1000]],
            "uuid": "5d5f4b1e-0f0c-11ef-8b5e-0242ac110002",
            "size": 4096,
            "checksum": "adler32:c9600ebc",
            "replicas": ["https://mirror/a.root"],
        },
        "/data/c.root": {"object_path": "Events", "num_entries": None, "checksum": "md5:00"},
    },
    "metadata": {"xsec": 729.84},
}
FOUND = [
    Found(("root://host//store/b.root",)),
    Found(("root://host//store/a.root", "https://mirror/a.root"), 4096, 1000, "c9600ebc"),
    Found(("/data/c.root",)),
]


def catalogue(datasets=None, **table):
    return registry({"catalogue": table}, datasets or {})["catalogue"]


def test_a_dataset_of_the_configuration(context):
    assert list(catalogue({"ttbar": TTBAR}).find("ttbar", context)) == FOUND


@pytest.mark.parametrize(
    "files", [["/d/b.root", "/d/a.root"], {"/d/b.root": "t", "/d/a.root": "t"}]
)
def test_shorter_forms(context, files):
    for dataset in ({"files": files}, files if isinstance(files, list) else {"files": files}):
        assert list(catalogue({"x": dataset}).find("x", context)) == [
            Found(("/d/b.root",)),
            Found(("/d/a.root",)),
        ]


WRITERS = {
    "sets.json": lambda content: json.dumps(content).encode(),
    "sets.json.gz": lambda content: gzip.compress(json.dumps(content).encode()),
    "sets.yaml": lambda content: yaml.safe_dump(content, sort_keys=False).encode(),
    "sets.yml": lambda content: yaml.safe_dump(content, sort_keys=False).encode(),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("folder", [True, False])
def test_a_dataset_of_a_file_that_may_change(tmp_path, context, name, folder):
    file = tmp_path / name
    file.write_bytes(WRITERS[name]({"ttbar": TTBAR}))
    (tmp_path / "notes.txt").write_text("no catalogue")
    finder = catalogue(path=tmp_path if folder else file)
    assert list(finder.find("ttbar", context)) == FOUND
    file.write_bytes(WRITERS[name]({"zjets": {"files": ["/data/z.root"]}}))
    os.utime(file, (1, 1))
    assert list(finder.find("zjets", context)) == [Found(("/data/z.root",))]
    with pytest.raises(NotThere, match="no dataset 'ttbar'"):
        list(finder.find("ttbar", context))


def test_the_configuration_comes_before_files_and_those_before_other_services(
    tmp_path, make_context
):
    asked = []

    def fetch(name):
        asked.append(name)
        known = {name: {"files": {f"/fetched/{name}.root": "Events"}}}
        return known if name.startswith("f") else None

    (tmp_path / "sets.json").write_text(
        json.dumps({name: {"files": [f"/file/{name}.root"]} for name in "ab"})
    )
    finder = catalogue({"a": {"files": ["/own/a.root"]}}, path=tmp_path)
    context = make_context(fetch_fileset=fetch)
    assert [next(finder.find(name, context)).paths[0] for name in ("a", "b", "far")] == [
        "/own/a.root",
        "/file/b.root",
        "/fetched/far.root",
    ]
    assert asked == ["far"]
    with pytest.raises(NotThere):
        list(finder.find("nowhere", context))


@pytest.mark.parametrize("name", ["a/b", "../x", "ttbar?file=1"])
def test_what_can_be_no_name_is_refused(context, name):
    with pytest.raises(BadName):
        list(catalogue({"ttbar": TTBAR}).find(name, context))


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        (3, "write files"),
        ({"files": "x.root"}, "write files"),
        ({"metadata": {}}, "write files"),
        ({"files": ["relative.root"]}, "'relative.root' is no file"),
        ({"files": [7]}, "7 is no file"),
        ({"files": [["/a.root"]]}, r"\['/a.root'\] is no file"),
        ({"files": {"/a.root": {"replicas": ["nowhere"]}}}, "is no file"),
    ],
)
def test_a_dataset_of_another_form_is_an_error(context, dataset, said):
    with pytest.raises(LookupFailed, match=said):
        list(catalogue({"x": dataset}).find("x", context))


def test_a_dataset_without_files_is_empty(context):
    with pytest.raises(NotThere, match="dataset x: has no files"):
        list(catalogue({"x": {"files": {}}}).find("x", context))


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.json", b"{"), ("x.yaml", b"a: [b"), ("x.json.gz", b"no gzip"), ("x.json", b"[1]")],
)
def test_a_file_that_can_not_be_read_is_an_error_and_told_by_name_only(
    tmp_path, context, name, content
):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LookupFailed, match=name) as failed:
        list(catalogue(path=tmp_path).find("x", context))
    assert str(tmp_path) not in str(failed.value)
    # What needs no file is found all the same.
    finder = catalogue({"ttbar": TTBAR}, path=tmp_path)
    assert list(finder.find("ttbar", context)) == FOUND


def test_a_catalogue_that_is_not_there(tmp_path, context):
    with pytest.raises(LookupFailed, match=r"gone.json: can't be read"):
        list(catalogue(path=tmp_path / "gone.json").find("x", context))
