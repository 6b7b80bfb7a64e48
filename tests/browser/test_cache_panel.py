"""The Facility panel's section of the cache, in a real browser at a real facility."""

import re

import numpy
import pytest
import uproot
from tests.browser.notebooks import run_first_cell
from tests.extensions.servers import frozen

from casita import supervisor

expect = pytest.importorskip("playwright.sync_api").expect

TREE = "Events"
FILES = {
    "nano/ttbar_2018_1.root": 150_000,
    "nano/ttbar_2018_2.root": 50_000,
    "nano/DYJetsToLL_M-50_TuneCP5_13TeV-amcatnloFXFX-pythia8_2018_1.root": 20_000,
    "nano/2016/dy_1.root": 1000,
}
TTBAR, DY = "Top quark pairs", "Drell-Yan to two leptons, with all that a long title may say"


def fill(store):
    rng = numpy.random.default_rng(4)
    for name, entries in FILES.items():
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        with uproot.recreate(store / name) as out:
            out.mktree(TREE, {"x": "float64"}).extend({"x": rng.random(entries)})


@pytest.fixture(scope="module")
def cached(caching):
    with caching(fill) as facility:
        facility.files = [f"{facility.origin}//store/{name}" for name in FILES]
        one, two, dy, old = facility.files
        gone = f"{facility.origin}//store/nano/gone.root"
        facility.catalogue(
            {
                "ttbar": {"files": dict.fromkeys((one, two), TREE), "metadata": {"title": TTBAR}},
                "dy": {
                    "files": dict.fromkeys((one, dy, old), TREE),
                    "metadata": {"title": DY, "generator": "amcatnlo"},
                },
                "broken": {"files": dict.fromkeys((old, gone), TREE)},
                "far": {
                    "files": {"root://far.example.org//x.root": TREE},
                    "metadata": {"title": "On another server"},
                },
            }
        )
        yield facility


@pytest.fixture(scope="module")
def lab(new_lab, cached):
    lab = new_lab(cached)
    section(lab).get_by_role("searchbox").wait_for()
    return lab


@pytest.fixture(autouse=True)
def tidy(lab, cached):
    """No console errors, nothing cached, nothing pinned."""
    cached.casita("cache", "unpin", *cached.files)
    cached.casita("cache", "purge", "-y")
    lab.errors.clear()
    yield
    errors = list(lab.errors)
    lab.page.keyboard.press("Escape")
    if lab.page.locator("#jp-main-dock-panel .lm-TabBar-tab").count() > 1:
        lab.start_over()
    assert errors == []


def section(lab):
    return lab.page.locator(".casita-Cache")


def dataset(lab, title):
    return section(lab).locator(".casita-Dataset", has_text=title)


def file(lab, name):
    return section(lab).locator(".casita-File", has_text=name)


def folder(lab, name):
    return section(lab).get_by_role("button", name=re.compile(f"^{name}( |$)"))


def press(row, label):
    """Press one of a row's buttons, which show when it is pointed at."""
    row.hover()
    row.get_by_role("button", name=label).click()


def choose(lab, row, item):
    """Choose from the row's menu."""
    press(row, "More…")
    lab.page.locator(".lm-Menu-item", has_text=item).click()


def part(row):
    return row.get_by_role("meter")


def opened(lab, *names):
    """Open folders, from the origin down."""
    for name in names:
        button = folder(lab, name)
        if button.get_attribute("aria-expanded") == "false":
            button.click()
        expect(button).to_have_attribute("aria-expanded", "true")


# ---- looking


def test_origins_datasets_and_files_are_shown(lab, cached):
    origin = section(lab).locator("[data-origin=local]")
    expect(origin).to_contain_text("0 of 100 GiB")
    expect(origin.locator(".casita-State")).to_have_text("up")
    expect(dataset(lab, TTBAR)).to_contain_text("Top quark pairs ttbar")
    expect(dataset(lab, "On another server")).to_contain_text("no cache for its servers")
    opened(lab, "local", "store", "nano")
    expect(file(lab, "ttbar_2018_1.root")).to_contain_text("0 %")
    expect(file(lab, "ttbar_2018_1.root")).to_have_attribute("title", re.compile("^root://"))
    lab.shot("cache-empty")
    lab.page.locator(".casita-Cache .casita-File").last.scroll_into_view_if_needed()
    lab.shot("cache-files")
    assert lab.inaccessible(".casita-FacilityPanel") == []
    assert not lab.overflows()


def test_datasets_are_searched_by_all_of_their_metadata(lab):
    box = section(lab).get_by_role("searchbox", name="Search datasets")
    box.fill("amcatnlo")
    expect(section(lab).locator(".casita-Dataset")).to_have_count(1)
    expect(dataset(lab, DY)).to_be_visible()
    expect(section(lab).get_by_text("1 of 4 datasets")).to_be_visible()
    lab.shot("cache-search")
    box.fill("nonsense")
    expect(section(lab).get_by_text("No dataset holds these words")).to_be_visible()
    assert lab.inaccessible(".casita-FacilityPanel") == []
    box.fill("")
    expect(section(lab).locator(".casita-Dataset")).to_have_count(4)


# ---- doing


def test_a_prefetch_runs_and_the_bars_fill(lab, cached):
    opened(lab, "local", "store", "nano")
    cached.casita("cache", "prefetch", cached.files[0])
    row = dataset(lab, DY)
    with frozen(cached):
        press(row, "Prefetch")
        job = section(lab).locator(".casita-Job", has_text="Drell-Yan")
        expect(job.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "33")
        expect(job).to_contain_text("1 of 3 files")
        expect(row).to_contain_text("is being fetched")
        job.scroll_into_view_if_needed()
        lab.shot("cache-prefetch")
        assert lab.inaccessible(".casita-FacilityPanel") == []
    expect(job.locator(".casita-State")).to_have_text("done")
    expect(part(row)).to_have_attribute("aria-valuenow", "100", timeout=15_000)
    # Open folders are asked for again, but not at each change.
    filled = part(file(lab, "ttbar_2018_1.root"))
    expect(filled).to_have_attribute("aria-valuenow", "100", timeout=15_000)
    filled = part(file(lab, "DYJetsToLL"))
    expect(filled).to_have_attribute("aria-valuenow", "100", timeout=15_000)
    expect(part(file(lab, "ttbar_2018_2.root"))).to_have_attribute("aria-valuenow", "0")
    lab.shot("cache-filled")
    assert not lab.overflows()


def test_a_prefetch_is_cancelled(lab, cached):
    with frozen(cached):
        press(dataset(lab, TTBAR), "Prefetch")
        job = section(lab).locator(".casita-Job[data-state=running]")
        job.get_by_role("button", name="Cancel this prefetch").click()
    expect(section(lab).locator(".casita-Job[data-state=cancelled]")).to_be_visible()
    section(lab).get_by_role("button", name="Dismiss").first.click()


def test_files_that_could_not_be_had_are_listed_until_they_are_dismissed(lab):
    press(dataset(lab, "broken"), "Prefetch")
    job = section(lab).locator(".casita-Job[data-state=failed]")
    expect(job).to_contain_text("gone.root: there is no such file")
    lab.shot("cache-failed")
    assert lab.inaccessible(".casita-FacilityPanel") == []
    job.get_by_role("button", name="Dismiss").click()
    expect(job).to_have_count(0)


def test_a_dataset_is_pinned_and_unpinned(lab):
    row = dataset(lab, TTBAR)
    choose(lab, row, "Pin")
    expect(row.get_by_label("Pinned: it stays")).to_be_visible()
    # XCache writes down now and then what it has of files that are open.
    expect(part(row)).to_have_attribute("aria-valuenow", "100", timeout=40_000)
    press(row, "More…")
    evict = lab.page.locator(".lm-Menu-item", has_text="Evict")
    expect(evict).to_have_class(re.compile("lm-mod-disabled"))
    lab.shot("cache-menu")
    lab.page.locator(".lm-Menu-item", has_text="Unpin").click()
    expect(row.get_by_label("Pinned: it stays")).to_have_count(0)


def test_a_file_is_evicted_after_a_question(lab, cached):
    cached.casita("cache", "prefetch", cached.files[0])
    opened(lab, "local", "store", "nano")
    row = file(lab, "ttbar_2018_1.root")
    expect(part(row)).to_have_attribute("aria-valuenow", "100", timeout=15_000)
    # A menu shows what the row knew as it was opened: let the row learn of the last unpinning.
    expect(row.get_by_label(re.compile("pinned", re.I))).to_have_count(0, timeout=15_000)
    choose(lab, row, "Evict")
    dialog = lab.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Evict ttbar_2018_1.root?")
    lab.shot("cache-evict")
    dialog.get_by_role("button", name="Keep").click()
    expect(part(row)).to_have_attribute("aria-valuenow", "100")
    choose(lab, row, "Evict")
    lab.page.get_by_role("dialog").get_by_role("button", name="Evict").click()
    expect(part(row)).to_have_attribute("aria-valuenow", "0")


def test_who_may_not_evict_is_told_which_right_is_missing(lab, cached):
    """The service's own refusal, as people without rights get it."""
    cached.casita("cache", "prefetch", "ttbar")
    message = "this token lacks the scope storage.stage:/store"
    refusal = {"error": {"code": "forbidden", "message": message, "hint": "ask your operator"}}
    lab.page.route(
        re.compile("/casita/cache/evict"), lambda one: one.fulfill(status=403, json=refusal)
    )
    expect(part(dataset(lab, TTBAR))).to_have_attribute("aria-valuenow", "100", timeout=10_000)
    choose(lab, dataset(lab, TTBAR), "Evict")
    lab.page.get_by_role("dialog").get_by_role("button", name="Evict").click()
    notice = lab.notice("lacks the scope storage.stage")
    expect(notice).to_contain_text(f"{TTBAR} was not evicted")
    lab.page.unroute_all()
    lab.shot("cache-refused")
    notice.get_by_role("button").first.click()
    assert any("403" in one for one in lab.errors)
    lab.errors.clear()


# ---- notebooks


def test_code_for_a_dataset_is_inserted_and_runs(lab, cached):
    press(dataset(lab, TTBAR), "Insert code")
    cell = lab.page.locator(".jp-Notebook .jp-Cell").first
    expect(cell.locator(".cm-content")).to_contain_text('casita_cache.fileset("ttbar")')
    files = "fileset['ttbar']['files'].items()"
    more = f"import uproot; sum(uproot.open(f)[t].num_entries for f, t in {files})"
    run_first_cell(lab.page, more)
    expect(cell.locator(".jp-OutputArea-output")).to_contain_text("200000")
    lab.shot("cache-notebook")
    expect(section(lab).locator("[data-origin=local]")).not_to_contain_text("Nothing cached yet")


def test_code_for_a_file_is_inserted(lab, cached):
    opened(lab, "local", "store", "nano")
    press(file(lab, "ttbar_2018_2.root"), "Insert code")
    cell = lab.page.locator(".jp-Notebook .jp-Cell").first
    expect(cell.locator(".cm-content")).to_contain_text(
        f'tree = uproot.open("{cached.files[1]}")["Events"]'
    )


def test_the_keyboard_is_enough(lab, cached):
    page = lab.page
    section(lab).get_by_role("searchbox").focus()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.ariaLabel") == "More…":
            break
    page.keyboard.press("Enter")
    expect(page.locator(".lm-Menu-item.lm-mod-active")).to_contain_text("Prefetch")
    lab.shot("cache-keyboard")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.ariaLabel") == "More…"
    assert lab.inaccessible(".casita-FacilityPanel") == []


# ---- looks, and what is down


def test_the_dark_theme_is_readable(lab, cached):
    with lab.dark():
        opened(lab, "local", "store", "nano")
        press(dataset(lab, "broken"), "Prefetch")
        expect(section(lab).locator(".casita-Job[data-state=failed]")).to_be_visible()
        dataset(lab, TTBAR).hover()
        lab.shot("cache-dark")
        assert lab.inaccessible(".casita-FacilityPanel") == []
        section(lab).get_by_role("button", name="Dismiss").first.click()


def test_a_cache_that_is_down_is_shown_as_down(lab, cached):
    origin = section(lab).locator("[data-origin=local]")
    with supervisor._remote(cached.site) as server:
        server.supervisor.stopProcess("cache-local", True)
        expect(origin.locator(".casita-State")).to_have_text("down")
        expect(origin).to_contain_text("This cache does not answer; notebooks read past it")
        lab.shot("cache-down")
        assert lab.inaccessible(".casita-FacilityPanel") == []
        server.supervisor.startProcess("cache-local", True)
    expect(origin.locator(".casita-State")).to_have_text("up")


def test_a_service_that_is_down_is_told_of_and_what_was_known_stays(lab, cached):
    with supervisor._remote(cached.site) as server:
        server.supervisor.stopProcess("cache", True)
        told = lab.page.locator(".casita-Cache > .casita-mod-warning")
        expect(told).to_contain_text("The service of the cache does not answer", timeout=10_000)
        expect(dataset(lab, TTBAR)).to_be_visible()
        lab.shot("cache-service-down")
        server.supervisor.startProcess("cache", True)
    expect(section(lab).locator(".casita-mod-warning")).to_have_count(0, timeout=20_000)
    lab.errors = [one for one in lab.errors if "50" not in one]  # of folders that were asked for


def test_a_facility_without_a_cache_says_so_kindly(new_lab, facility):
    lab = new_lab(facility)
    expect(section(lab)).to_contain_text("This facility has no cache")
    expect(section(lab)).to_contain_text("[backends.cache.origins.NAME]")
    lab.shot("cache-none")
    assert lab.inaccessible(".casita-FacilityPanel") == []
    assert lab.errors == []
