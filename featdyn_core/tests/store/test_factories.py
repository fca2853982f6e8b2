"""Trainings and records of a user's network depend on its code."""

import importlib
import json
import os
import sys
import zipfile
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from featdyn_core.errors import MissingRecordError, OtherCodeError, StoreError
from featdyn_core.records.request import Request
from featdyn_core.store import factories
from featdyn_core.store.conditions import FACTORY
from featdyn_core.store.documents import seal
from featdyn_core.store.factories import factory_source
from featdyn_core.store.measurements import Measurements
from featdyn_core.store.records import Record
from featdyn_core.store.supply import Store
from featdyn_core.store.verification import NotCheckedError, verify_store, verify_trainings
from featdyn_core.tests.store.made import COLUMN
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.specs import NetworkSpec
from featdyn_core.trajectories.training import Training

NAME = "ownnets.tall:make"
RECIPE = tiny_recipe(name="own", network=NetworkSpec(NAME, {"cuts": ["1"]}))
REQUEST = Request(RECIPE, 0, "column", COLUMN | {"shallow": [1, 2]})

FILES = {
    "ownnets/__init__.py": '"""Networks."""\n',
    "ownnets/tall.py": "from torch import nn\n\nfrom .parts import activation\n\nUNUSED = 1\n\n\ndef make():\n"
    "    return nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(64, 8), activation()), nn.Linear(8, 10))\n",
    "ownnets/parts.py": "from torch.nn import ReLU\n\n\ndef activation():\n    return ReLU()\n",
    "ownnets/other.py": "A = 1\n",
}


def begin_anew():
    """Forget what this process has imported and read, like a new process."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "ownnets"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    factories._known.clear()


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Return the folder of a package with a network, and forget it afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two texts of one second and one length have one bytecode
    (tmp_path / "ownnets").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    begin_anew()
    yield tmp_path
    begin_anew()


def edit(own: Path, name: str, before: str, after: str) -> None:
    """Replace a text in a file, and forget imports."""
    replace(own / name, before, after)
    begin_anew()


def replace(path: Path, before: str, after: str) -> None:
    """Replace a text in a file, which gets another time, as if it was edited later."""
    text, old = path.read_text(), path.stat().st_mtime_ns
    assert before in text
    path.write_text(text.replace(before, after))
    os.utime(path, ns=(old + 1, old + 1))


def test_an_edited_activation_never_meets_what_was_stored(own, tmp_path):
    store = Store(tmp_path / "store", device="cpu")
    before = Measurements(store).get(REQUEST)
    edit(own, "ownnets/parts.py", "ReLU", "Tanh")
    with pytest.raises(
        OtherCodeError, match=f"was trained with other code of {NAME}, which was edited since; restore "
    ):
        Measurements(Store(store.root, device="cpu")).get(REQUEST)
    edit(own, "ownnets/parts.py", "Tanh", "ReLU")
    again = Measurements(Store(store.root, device="cpu"), train=False, measure=False).get(REQUEST)
    assert again.content == before.content


def test_what_was_trained_by_other_code_is_not_checked(own, tmp_path):
    store = Store(tmp_path / "store", device="cpu")
    store.get(RECIPE, 0)
    edit(own, "ownnets/tall.py", "8", "9")
    (by_recipe,), (by_folder,) = verify_trainings(store, [Training(RECIPE, 0)]), verify_store(store)
    assert (by_recipe.problems, by_folder.problems) == ([], [])
    assert "restore the code" in by_recipe.unchecked
    assert NotCheckedError.__name__ not in by_folder.unchecked
    assert "runs only for its own recipe" in by_folder.unchecked


def test_a_resumption_by_edited_code_is_refused(own, tmp_path, monkeypatch):
    monkeypatch.setattr("featdyn_core.training.loop.RESUME_SECONDS", 0.0)

    def stop(_key, _recipe, _seed, record):
        if record.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Store(tmp_path / "store", device="cpu", watch=stop).get(RECIPE, 0)
    edit(own, "ownnets/parts.py", "ReLU", "Tanh")
    with pytest.raises(StoreError, match="which gives other bits; continue with the first conditions"):
        Store(tmp_path / "store", device="cpu").get(RECIPE, 0)


def forget_the_code(store: Store, record: Record) -> None:
    """Make a trajectory and its record like those of earlier versions, which did not name the code."""
    path = store.folder(RECIPE, 0) / "manifest.json"
    manifest = json.loads(path.read_text())
    assert manifest["conditions"].pop(FACTORY) == record.facts["factory"]
    path.write_bytes(seal({name: value for name, value in manifest.items() if name != "seal"}))
    description = (store.root / "records" / record.facts["file"]).with_suffix(".json")
    description.write_bytes(seal({name: value for name, value in record.facts.items() if name != "factory"}))


@pytest.mark.usefixtures("own")
def test_a_trajectory_of_an_earlier_version_is_read(tmp_path):
    store = Store(tmp_path / "store", device="cpu")
    forget_the_code(store, Measurements(store).get(REQUEST))
    assert Store(store.root, device="cpu").open(RECIPE, 0).epochs == (0, 1, 2, 3)


def test_a_record_that_names_no_code_is_measured_again(own, tmp_path):
    """It may come from the code before an edit."""
    store = Store(tmp_path / "store", device="cpu")
    before = Measurements(store).get(REQUEST)
    forget_the_code(store, before)
    edit(own, "ownnets/parts.py", "ReLU", "Tanh")
    with pytest.raises(MissingRecordError, match="run featdyn measure"):
        Measurements(Store(store.root, device="cpu"), train=False, measure=False).get(REQUEST)
    again = Measurements(Store(store.root, device="cpu"), train=False).get(REQUEST)
    assert again.facts["factory"] == factory_source(NAME)
    assert again.content != before.content


def test_records_are_judged_where_the_code_is_not(own, tmp_path):
    store = Store(tmp_path / "store", device="cpu")
    before = Measurements(store).get(REQUEST)
    for path in (own / "ownnets").iterdir():
        path.unlink()
    (own / "ownnets").rmdir()
    begin_anew()
    assert factory_source(NAME) == ""
    found = Measurements(Store(store.root, device="cpu"), train=False, measure=False).get(REQUEST)
    assert found.content == before.content


@pytest.mark.parametrize(
    ("name", "before", "after", "other"),
    [
        ("ownnets/tall.py", "64, 8", "64, 6", True),
        ("ownnets/parts.py", "ReLU", "Tanh", True),
        ("ownnets/tall.py", "UNUSED = 1", "UNUSED = 2", False),
        ("ownnets/other.py", "A = 1", "A = 2", False),
        ("ownnets/parts.py", "\n", "\r\n", False),
        ("ownnets/parts.py", "ReLU()", "ReLU()  # a remark", True),  # stores hold trainings under the whole text
    ],
)
def test_the_source_is_what_the_function_needs(own, name, before, after, other):
    source = factory_source(NAME)
    assert source
    edit(own, name, before, after)
    assert (factory_source(NAME) != source) == other


EDITS = {
    "a layer": ("ownnets/tall.py", "64, 8", "64, 6"),
    "a function of another file": ("ownnets/parts.py", "ReLU()", "ReLU(inplace=True)"),
    "a default": ("ownnets/tall.py", "width=8", "width=6"),
    "a constant": ("ownnets/tall.py", "UNUSED = 1", "UNUSED = 2"),
    "a method": ("ownnets/tall.py", "return x", "return 2 * x"),
    "a constant of a class": ("ownnets/tall.py", "SCALE = 1", "SCALE = 1.0"),
}


@pytest.fixture
def imported(own):
    """Return the folder of a package with every kind of code, after this process has imported it."""
    with (own / "ownnets/tall.py").open("a") as file:
        file.write("\n\nclass Net(nn.Module):\n    SCALE = 1\n\n    def forward(self, x, width=8):\n        return x\n")
    importlib.import_module("ownnets.tall")
    return own


@pytest.mark.parametrize(("name", "before", "after"), EDITS.values(), ids=list(EDITS))
def test_code_edited_after_its_import_is_refused_until_reloaded(imported, name, before, after):
    replace(imported / name, before, after)
    with pytest.raises(OtherCodeError, match=f"{Path(name).name} was edited after this process imported it"):
        factory_source(NAME)
    begin_anew()
    importlib.import_module("ownnets.tall")
    assert factory_source(NAME)


@pytest.mark.parametrize(("name", "before", "after"), EDITS.values(), ids=list(EDITS))
def test_the_source_is_that_of_the_running_code(imported, name, before, after):
    source = factory_source(NAME)
    replace(imported / name, before, after)
    assert factory_source(NAME) == source
    for module in ("ownnets.parts", "ownnets.tall"):  # as IPython's autoreload does
        importlib.reload(sys.modules[module])
    assert (factory_source(NAME) != source) == (before not in ("UNUSED = 1", "return x", "SCALE = 1", "width=8"))


def test_a_function_that_runs_earlier_code_has_no_source(imported):
    """The module that defines it is imported again, and the one that uses it is not."""
    assert factory_source(NAME)
    replace(imported / "ownnets/parts.py", "ReLU()", "ReLU(inplace=True)")
    importlib.reload(sys.modules["ownnets.parts"])
    with pytest.raises(OtherCodeError, match=r"parts\.py was edited"):
        factory_source(NAME)


@pytest.mark.parametrize("text", ["# a remark\n", "def other():\n    return 1\n", "calls = 0\n"])
def test_an_edit_of_nothing_that_runs_is_accepted(imported, text):
    path = imported / "ownnets/tall.py"
    path.write_text(text + path.read_text())
    assert factory_source(NAME)


def test_code_that_a_loader_rewrites_is_not_compared(imported):
    """For example, pytest rewrites assertions, so its functions always differ from the file."""

    class Rewriting(SourceFileLoader):
        pass

    module = sys.modules["ownnets.tall"]
    module.__loader__ = Rewriting(module.__name__, module.__file__)
    replace(imported / "ownnets/tall.py", "64, 8", "64, 6")
    assert factory_source(NAME)


def test_nothing_is_imported_to_know_it(own):
    (own / "ownnets/__init__.py").write_text("raise RuntimeError\n")
    assert factory_source(NAME)
    assert "ownnets" not in sys.modules


def test_a_function_of_a_package_has_a_source(own):
    (own / "ownnets/__init__.py").write_text('"""Networks."""\n\nfrom .tall import make\n')
    begin_anew()
    source = factory_source("ownnets:make")
    edit(own, "ownnets/parts.py", "ReLU", "Tanh")
    assert source != factory_source("ownnets:make") != ""


@pytest.mark.parametrize("text", ["def make(:\n", "globals()['make'] = print\n"])
def test_a_module_that_tells_of_no_function_has_a_source(own, text):
    sources = set()
    for end in ("", "A = 1\n"):
        (own / "ownnets/tall.py").write_text(text + end)
        begin_anew()
        sources.add(factory_source(NAME))
    assert "" not in sources
    assert len(sources) == 2


@pytest.mark.parametrize("name", ["mlp", "torch.nn:Linear", "json:loads", "nowhere.at.all:make", "sys:exit"])
def test_what_is_not_the_users_own_has_none(name):
    assert factory_source(name) == ""


def test_networks_of_this_package_have_none():
    assert factory_source("featdyn_core.networks.strangers:two_blocks") == ""


def test_a_star_import_leads_to_the_source_of_its_file(own):
    (own / "ownnets/tall.py").write_text("from ownnets.parts import *\nfrom ownnets.other import *\n")
    source = factory_source("ownnets.tall:activation")
    edit(own, "ownnets/parts.py", "ReLU", "Tanh")
    assert factory_source("ownnets.tall:activation") != source


def test_a_module_beside_the_function_is_part_of_its_source(own):
    (own / "ownnets_beside.py").write_text("def width():\n    return 8\n")
    (own / "ownnets/tall.py").write_text(
        "def make():\n    import ownnets_beside\n\n    return ownnets_beside.width()\n"
    )
    begin_anew()
    importlib.import_module("ownnets.tall")
    source = factory_source(NAME)
    replace(own / "ownnets_beside.py", "8", "16")  # it is imported only when a network is made
    later = factory_source(NAME)
    assert later != source
    importlib.import_module("ownnets_beside")
    assert factory_source(NAME) == later
    replace(own / "ownnets_beside.py", "16", "32")
    assert factory_source(NAME) == later
    sys.modules.pop("ownnets_beside")


def test_the_source_is_that_of_the_imported_module(imported, tmp_path, monkeypatch):
    """Another folder with a module of this name may come first by now."""
    source = factory_source(NAME)
    other = tmp_path / "elsewhere/ownnets"
    other.mkdir(parents=True)
    (other / "tall.py").write_text("def make():\n    return 1\n")
    (other / "__init__.py").touch()
    monkeypatch.syspath_prepend(other.parent)
    assert factory_source(NAME) == source
    begin_anew()
    assert factory_source(NAME) != source
    assert imported


def test_a_file_that_is_written_later_is_found(own):
    assert factory_source("ownnets.later:make") == ""
    (own / "ownnets/later.py").write_text("def make():\n    return 1\n")
    importlib.invalidate_caches()
    assert factory_source("ownnets.later:make")


def test_links_of_other_names_have_a_source(own, tmp_path):
    real = tmp_path / "real/nets-2"
    real.mkdir(parents=True)
    (own / "ownnets/tall.py").rename(real / "tall-2.py")
    (own / "ownnets/tall.py").symlink_to(real / "tall-2.py")
    source = factory_source(NAME)
    importlib.import_module("ownnets.tall")
    edit(own, "ownnets/parts.py", "ReLU", "Tanh")
    assert factory_source(NAME) != source != ""


@pytest.mark.parametrize("text", ["def make(:\n", None])
def test_an_imported_file_that_cannot_be_read_now_is_refused(imported, text):
    path = imported / "ownnets/tall.py"
    path.write_text(text) if text else path.unlink()
    importlib.invalidate_caches()
    with pytest.raises(OtherCodeError, match=r"tall\.py was edited"):
        factory_source(NAME)


def test_a_module_inside_an_archive_has_no_source(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "nets.zip", "w") as archive:
        archive.writestr("ownnets/zipped.py", "def make():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path / "nets.zip")
    begin_anew()
    assert factory_source("ownnets.zipped:make") == ""


@pytest.mark.parametrize("before", ["return 1", "k=1", "SCALE = 2", "w=3"])
def test_code_that_is_replaced_in_place_has_its_new_source(own, before):
    """IPython's autoreload compiles a function alone, a method in a class of its own, and imports nothing again."""
    text = (
        "from __future__ import annotations\n\nSCALE = 2\n\n\nclass Net:\n    def forward(self, x: int, k=1):\n"
        '        """Double.\n\n        More.\n        """\n        return 1\n\n\n'
        "def make(w=3):\n    return Net().forward(SCALE)\n"
    )
    path = own / "ownnets/tall.py"
    path.write_text(text)
    begin_anew()
    module = importlib.import_module("ownnets.tall")
    source = factory_source(NAME)
    replace(path, before, before[:-1] + "7")
    assert factory_source(NAME) == source
    patched = {}
    body = path.read_text().partition("class Net:\n")[2].partition("\n\n\n")
    exec(
        compile("class __autoreload_class__:\n" + body[0].replace("\n        ", "\n            "), path, "exec"),
        patched,
    )
    exec(compile(body[2], path, "exec"), patched)
    for old, new in (
        (module.Net.forward, patched["__autoreload_class__"].forward),
        (module.make, patched["make"]),
    ):
        old.__code__, old.__defaults__ = new.__code__, new.__defaults__
    module.SCALE = int(path.read_text().partition("SCALE = ")[2][0])
    assert factory_source(NAME) != source


def test_a_file_saved_while_it_is_read_is_found_later(own, monkeypatch):
    taken = factories.digest_of

    def save(parts):
        replace(own / "ownnets/tall.py", "64, 8", "64, 6")
        monkeypatch.setattr(factories, "digest_of", taken)
        return taken(parts)

    monkeypatch.setattr(factories, "digest_of", save)
    assert factory_source(NAME) != factory_source(NAME)
