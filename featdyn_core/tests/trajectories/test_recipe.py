"""Recipes: reading, refusing, and the laws of the digest."""

import copy
import dataclasses
import datetime
import itertools
import json
import math
import tomllib
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from featdyn_core.data.sources import KNOWN
from featdyn_core.errors import RecipeError
from featdyn_core.networks.factory import from_factory
from featdyn_core.networks.names import NETWORKS
from featdyn_core.networks.zoo import build_model
from featdyn_core.trajectories.recipe import Recipe, load_recipe, parse_recipe, recipes_folder, restore_recipe
from featdyn_core.trajectories.specs import DataSpec, LabelSpec, NetworkSpec, OptimizerSpec, ScheduleSpec, TrainingSpec

MINIMAL: dict[str, Any] = {
    "schema": 1,
    "data": {"set": "digits"},
    "network": {"name": "mlp"},
    "optimizer": {"name": "sgd", "learning_rate": 0.1},
    "training": {"epochs": 4, "batch_size": 50, "checkpoints": [[0, 4, 2]]},
}
DEFAULTS: dict[str, Any] = {
    "data": {"augmentation": "none"},
    "labels": {"randomized": 0.0, "permuted": False, "file": "", "column": "", "sha256": ""},
    "optimizer": {"momentum": 0.0, "weight_decay": 0.0},
    "schedule": {"milestones": [], "factor": 0.1},
    "training": {"precision": "fp32"},
}

VALUES = {
    DataSpec: {
        "set": st.sampled_from(sorted(KNOWN)),
        "subset": st.none() | st.integers(1, 1000),
        "augmentation": st.sampled_from(["none", "crop-flip"]),
    },
    LabelSpec: {"randomized": st.floats(0, 1), "permuted": st.booleans()},
    NetworkSpec: {
        "name": st.sampled_from(NETWORKS),
        "options": st.dictionaries(
            st.sampled_from(["width", "hidden", "dropout"]),
            st.integers(1, 9) | st.lists(st.integers(1, 9)),
            max_size=2,
        ),
    },
    OptimizerSpec: {
        "name": st.sampled_from(["sgd", "adam"]),
        "learning_rate": st.floats(0, 10),
        "momentum": st.sampled_from([0.0, 0.5, 0.9]),
        "weight_decay": st.floats(0, 1),
    },
    ScheduleSpec: {
        "milestones": st.lists(st.integers(1, 9), unique=True, max_size=3).map(lambda ms: tuple(sorted(ms))),
        "factor": st.floats(0.01, 2),
    },
    TrainingSpec: {
        "epochs": st.integers(1, 9),
        "batch_size": st.integers(1, 99),
        "checkpoints": st.sets(st.integers(0, 8)).map(lambda epochs: tuple(sorted(epochs))),
        "precision": st.sampled_from(["fp32", "bf16"]),
    },
}
HUMAN = LabelSpec(
    file="cifar10n_labels.npz",
    column="worse_label",
    sha256="a64d887522cf6d8f4966912a1536ea2d890600929a8465a7f307cdca2501847b",
)
OF_A_FILE = {"file", "column", "sha256"}
"""Of these the content alone is in the digest, which has a test of its own."""

FIELDS = [(kind, field.name) for kind in VALUES for field in dataclasses.fields(kind) if field.name not in OF_A_FILE]


def table_of(kind: type) -> str:
    """Return the name of the recipe's table of this kind."""
    return next(field.name for field in dataclasses.fields(Recipe) if field.type is kind)


def changed(document: dict[str, Any], table: str, **values: Any) -> dict[str, Any]:
    """Return a copy of a document in which a table has other or more values; None removes one."""
    document = copy.deepcopy(document)
    entry = {**document.get(table, {}), **values}
    document[table] = {name: value for name, value in entry.items() if value is not None}
    return document


def make(**tables: dict[str, Any]) -> Recipe:
    """Build a recipe from the values of each of its tables, its last checkpoint at its last epoch."""
    training = dict(tables["training"])
    last = training["epochs"]
    training["checkpoints"] = (*(epoch for epoch in training["checkpoints"] if epoch < last), last)
    values = tables | {"training": training}
    try:
        return Recipe(name="some", **{table_of(kind): kind(**values[table_of(kind)]) for kind in VALUES})
    except RecipeError:
        assume(False)  # a combination that is not a recipe, such as adam with momentum
        raise


def test_every_shipped_recipe_loads_and_its_network_can_be_built():
    paths = sorted(recipes_folder().glob("*.toml"))
    assert paths
    for path in paths:
        recipe = load_recipe(path)
        assert recipe == load_recipe(path.stem), path.name
        assert recipe.name == path.stem
        known = KNOWN[recipe.data.set]
        name, options = recipe.network.name, recipe.network.options
        if recipe.adopted:
            assert len(from_factory(name, options, mean=(0.5,), std=(0.5,)).cuts) == len(options["cuts"]), path.name
            continue
        network = build_model(name, image=known.shape, classes=known.classes, **options)
        if recipe.branch:
            assert {recipe.branch.keep, recipe.branch.freeze} <= {"", *network.cuts}, path.name


SHIPPED = {
    "cifar10-paper-continued": "bec01ebd1b331c50e1e3f83d22888ad00bc04c39885133bc089ea65b6cb1fd1f",
    "cifar10-paper-frozen1": "3ca4e94e930a38c078003a63035083f61384310f049554e383f8cfb0bd910060",
    "cifar10-paper-frozen2": "d218a2aa66eda64753a55b47007f55042dbb1995374fffd8e99b238cdac1ca2a",
    "cifar10-paper-frozen3-late": "775a666fa557e74c3d7ccb6823db57e1190bbe1e02747abb56327014acc819ad",
    "cifar10-paper-frozen3": "cf5bd86bfb83e9107cea8ed644cc16eeae885fdd0295a481d779b135bd64cd87",
    "cifar10-paper-mlp": "3982fdea5ea6bc56fd7325daafb001e1e1b056238404ece3664e36968fab88dc",
    "cifar10-paper-noisy": "cb645481ec3ec400f7d93004a017fbe4c061b446126bae32fe002c339747e36a",
    "cifar10-paper-permuted": "3f457e57559439c9c04e11a70df3dae769a83f658dd9dfbcc954134489487252",
    "cifar10-paper-reinit1": "19287fe6f6b4fe01faf4dce52138a4e8e4c941d7a7990dc284a3d24b3675adf6",
    "cifar10-paper-reinit2": "3d7743974dfb8679a1735616c3b49ab69f2607b62fb1c74471b32443571ebe42",
    "cifar10-paper-retrained": "a47b338063c2b48d29f44b4c937795e3e516ed4ac3750b91fe4c30c311799044",
    "cifar10-paper": "45346ae6482178185336bea0e788bc2c2d618e997e0e15f7447fc4f1f7e80f48",
    "cifar10-reduced-continued": "76aa53b93c8f5ba3e6d02dbb7998926b61384318edee316355815587702105a5",
    "cifar10-reduced-frozen1": "1d9d8f34d00e5027dabb9b4b0b77bb2b11bc46cd41cb1ef113e3f031f1a766d0",
    "cifar10-reduced-frozen2": "aa19d58903656bbde9f0398d1e8daa9af34b7b74d122047eb8fd244f76a1e4e1",
    "cifar10-reduced-frozen3-late": "946ad3bac1b8d389454f9cdc746533ad39ccbd5e2ad80806a13da6e689f80e0d",
    "cifar10-reduced-frozen3": "4931afffe2640727190b360b9a1f0b702996f1f449a469ff906fbe9aa67e3294",
    "cifar10-reduced-mlp": "d4da2c9a80402266d386f8c8f3d1425abb39d64c2c51ef216ce9b290208e0f73",
    "cifar10-reduced-noisy": "5c826cff90e32ea0708ee66f9b3531aa02cba7b1273c203527a85cf6358575d4",
    "cifar10-reduced-permuted": "70883f5a59c6dc4eaebc0e2d6f8a75221c3e3b20cbcb8cc2e502115703fa9e27",
    "cifar10-reduced-reinit1": "9e1bd0e67514a9f75fa1c92f2246d7fe1324678f1540e904dfe5e529ca7808a5",
    "cifar10-reduced-reinit2": "ab0f2c2cdd9bde0c83d1c570d6de0b14da3903b231bb12b13122dcb7f83d8c2f",
    "cifar10-reduced-retrained": "e35de2543663b694d906a7fb748dd227332e747cde68e5310cec4fa7d2434e7c",
    "cifar10-strangers": "b8a1f0050e3addad1cdcbe948b978b553106c2b20cdd92dbb61179a7e33852f3",
    "mnist-stranger-a": "b96779a53761e889879d1aa5a61a6ffaeb8225fb85e3268ccc4909b2d64a9e86",
    "mnist-stranger-b": "30404267c0a683d66df34c184779d7ca3674e3c345191460fad2be069674d859",
    "cifar10-reduced": "f3838604ff391176a9fd29bcda8aa8972febf86ab53f4dee6e1d0e5d649a22d9",
    "cifar100-paper": "d07e8495b287d6a9d994dafee2bb61136aff93945273095dede5cb7c9f8b7c33",
    "digits-small-continued": "24128795150f3a5df5503d9a254cc3099d244c371e2e6eb593635201dd19582b",
    "digits-small-frozen1": "4226262275dc569be16fcee6455c32ffdfcc23f50bca1ae4cc84f6f23817543c",
    "digits-small-frozen2": "5c5b838f8ed721f8ebc84b3f9e134e3f89786e9ec8bc06427342fb1c51c7eb1c",
    "digits-small-frozen3-late": "fe2beba3db1680ee7012a838248148bc144da89733b30ea9f62a49fbb2af98ba",
    "digits-small-frozen3": "33b59a333452d88cdae2c1d67972785cab0b561849a086134325e9cec5f4a966",
    "digits-small-mlp": "86017ecc6b6f029e4ac6b84ad1865c50e1437c9d44f1ed247354bde3364a08dd",
    "digits-small-noisy": "fc7a193076d8c77b5ff32e1ccf73f79b4515aeeb41c9cdd53de28887b7d190fd",
    "digits-small-permuted": "71d71579f67393aab86802fc56ded2a0158a6a1b30e8e92f5f7c1e452ecc62b9",
    "digits-small-reinit1": "24a60dc1b0e23c85c2442bfafa73ad04977e2c8b0479d51c17c0debe789b37a3",
    "digits-small-reinit2": "db9afacdfcf8d00179dfdaf865e66b1b73e95e4dc6f46e75799a70cdec0a8dd8",
    "digits-small-retrained": "24128795150f3a5df5503d9a254cc3099d244c371e2e6eb593635201dd19582b",
    "digits-small": "6423a3b2b0bf7bf29d96dc72c5fc6342c0cca06cc0cd2e91d84ebadc0f25639c",
    "mnist-paper": "c204be7caf5424b1e5164d1980f3c9803f03649c5d47e3fef2eb6714bf3ee9bb",
    "stl10-paper": "f7cfeaebca90d4a4a54db5361010a204ce46808bd4c9dcf752d2c56c7da6e3ce",
    "svhn-paper": "820607690ada82ad262762af790f7ad884a6becadda8ad344262d749473dd61f",
    "cifar10-paper-constant": "cc9062df064284a18c74f81dd4b38febaa4d7319ae7a1c0712eca69593f6c43d",
    "cifar10-reduced-constant": "f8556edf860aed0ab88c84c22144c89c6f2e149a772c770bfe30799c69177e1e",
    "digits-small-induction": "502dee95d31b05549c684ad5da274d35dda739115344a2e2d0efb4ec67a53d4a",
    "mnist-paper-induction": "11fd6774aebd55ac6d2ffc197017be222aa6f43f35056d3735771a1a2701e60a",
    "cifar10-paper-horizon": "b31a75fbcc64fae92c37ab713d139dcf4c6b1d52fe135a10684e8136df198eb0",
    "cifar10-reduced-last-continued": "c545c89cc671d1d72063f46c5d5bbeda0a2bfd37ec34238cc8c41011f4fea1e4",
    "cifar10-reduced-last-frozen1": "6c8e42b55fcacae3ed01e6e9a745e20ea8c5e589e1af79a6f98a6a03ca61f372",
    "cifar10-reduced-last-frozen2": "b1dda75ae1ec9caaca5e7e9d89e063b9bd9bb40e8e3bce457828c27ad6e3d5c7",
    "cifar10-reduced-last-frozen3": "9031c1ec26910600e8d5229dba831fa42d830685eb0f31cc4daa6de6d2f864c3",
    "cifar10-reduced-human": "86fcf4953a7ecb6129065256e6fd701c76344c5769184667c007dc3a8a39a4ea",
    "cifar10-reduced-as-many": "39efa1d59b9bb6757d65263ebb818ad35fbf5da551a3ffe4dfe36b6a1eb96517",
    "cifar10-reduced-matched": "3fe16f7325ab3d4d49d25b62812d198ae1f4b75366574d275f1a096bcf95a80f",
    "digits-small-matched": "7b42356f925e08cfb896ae06931f283ba0eb7ce151c15ef7f28a539153e55be4",
    "digits-small-noise20": "d21ca4957c8787616b3dd7d4a438839580aeecb5c22bd6577805efa2b7e020db",
    "digits-small-noise60": "f175efbde042a6675a0c750a21b98f20de8784d840a3799af268af6d1dcbed06",
    "digits-small-noise80": "edc7e6667896a22962ef6e410f7df905b434c242c6af60a3106a4a3d8ab31585",
}
"""Name to digest: another value means that every trajectory and record of that recipe is lost."""


def test_shipped_recipes_keep_their_published_digests():
    assert {path.stem: load_recipe(path).digest for path in recipes_folder().glob("*.toml")} == SHIPPED
    twice = {SHIPPED[name] for name in ("digits-small-continued", "digits-small-retrained")}  # two claims, one training
    assert len(twice) == 1
    assert len(set(SHIPPED.values())) == len(SHIPPED) - 1


def test_fields_are_where_the_file_puts_them(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        """
        schema = 1
        [data]
        set = "digits"
        subset = 100
        augmentation = "crop-flip"
        [labels]
        randomized = 1
        [network]
        name = "resnet8"
        width = 4
        [optimizer]
        name = "sgd"
        learning_rate = 1e-1
        [schedule]
        milestones = [2, 3]
        [training]
        epochs = 10
        batch_size = 50
        checkpoints = [[0, 4, 1], [4, 10, 3]]
        """,
        encoding="utf-8",
    )
    assert load_recipe(path) == Recipe(
        name="mine",
        data=DataSpec("digits", subset=100, augmentation="crop-flip"),
        labels=LabelSpec(randomized=1.0),
        network=NetworkSpec("resnet8", {"width": 4}),
        optimizer=OptimizerSpec("sgd", 0.1),
        schedule=ScheduleSpec(milestones=(2, 3)),
        training=TrainingSpec(epochs=10, batch_size=50, checkpoints=(0, 1, 2, 3, 4, 7, 10)),
    )
    assert isinstance(load_recipe(path).labels.randomized, float)


def test_learning_rate_falls_at_the_milestones():
    recipe = parse_recipe(MINIMAL | {"schedule": {"milestones": [1, 3], "factor": 0.5}}, "some")
    assert [recipe.learning_rate(epoch) for epoch in range(4)] == [0.1, 0.05, 0.05, 0.025]


@pytest.mark.parametrize(("kind", "field"), FIELDS, ids=lambda part: getattr(part, "__name__", part))
@given(data=st.data())
@settings(max_examples=6, deadline=None)
def test_digest_changes_with_every_field_and_only_with_a_field(kind, field, data):
    tables = {table_of(each): {name: data.draw(values) for name, values in VALUES[each].items()} for each in VALUES}
    other = copy.deepcopy(tables)
    other[table_of(kind)][field] = data.draw(VALUES[kind][field])
    first, second = make(**tables), make(**other)
    assert (first.digest == second.digest) == (first == second)


@given(st.from_regex(r"[A-Za-z0-9._-]{1,100}", fullmatch=True))
@settings(max_examples=10, deadline=None)
def test_digest_does_not_change_with_the_name(name):
    recipe = parse_recipe(MINIMAL, "some")
    assert recipe.replace(name=name).digest == recipe.digest


@pytest.mark.parametrize(("table", "field"), [(table, field) for table, values in DEFAULTS.items() for field in values])
def test_digest_does_not_change_when_a_default_is_written_out(table, field):
    written = parse_recipe(changed(MINIMAL, table, **{field: DEFAULTS[table][field]}), "some")
    assert written == parse_recipe(MINIMAL, "some")
    assert written.digest == parse_recipe(MINIMAL, "some").digest


def test_list_of_defaults_is_complete():
    recipe = parse_recipe(MINIMAL, "some")
    optional = {
        (table.name, field.name)
        for table in dataclasses.fields(Recipe)
        if dataclasses.is_dataclass(table.type)
        for field in dataclasses.fields(table.type)
        if field.default is not dataclasses.MISSING and getattr(recipe, table.name) is not None
    }
    written = {(table, field) for table, values in DEFAULTS.items() for field in values}
    assert optional == written | {("data", "subset")}  # TOML cannot write None


def test_dictionary_holds_nothing_that_is_at_its_default():
    # A field that a later version adds leaves the digests of today's recipes as they are.
    written = {table: values for table, values in MINIMAL.items() if table != "training"}
    training = {"epochs": 4, "batch_size": 50, "checkpoints": (0, 2, 4)}
    assert parse_recipe(MINIMAL, "some").to_dict() == written | {"training": training}


def test_digest_does_not_change_with_the_order_of_fields():
    def turned(document):
        if not isinstance(document, dict):
            return document
        return {name: turned(document[name]) for name in reversed(document)}

    recipe = parse_recipe(changed(MINIMAL, "network", hidden=[3], dropout=0.5), "some")
    other = parse_recipe(turned(changed(MINIMAL, "network", hidden=[3], dropout=0.5)), "some")
    assert list(other.network.options) != list(recipe.network.options)
    assert other.digest == recipe.digest


def test_checkpoints_written_in_another_way_are_the_same_recipe():
    other = changed(MINIMAL, "training", checkpoints=[[2, 2, 1], [4, 4, 7], [0, 2, 2]])
    assert parse_recipe(other, "some").digest == parse_recipe(MINIMAL, "some").digest


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_dictionary_loses_nothing(data):
    recipe = make(
        **{table_of(kind): {name: data.draw(values) for name, values in VALUES[kind].items()} for kind in VALUES}
    )
    document = json.loads(json.dumps(recipe.to_dict()))
    network = document["network"]
    document["network"] = {"name": network["name"], **network.get("options", {})}
    document["training"]["checkpoints"] = [[epoch, epoch, 1] for epoch in document["training"]["checkpoints"]]
    assert parse_recipe(document, "some") == recipe


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "has schema None; this version reads schema = 1"),
        (MINIMAL | {"schema": 2}, "has schema 2; this version reads schema = 1"),
        (changed(MINIMAL, "data", set=None), "data: field 'set' is missing"),
        (
            {name: table for name, table in MINIMAL.items() if name != "optimizer"},
            "field 'optimizer' is missing",
        ),
        (changed(MINIMAL, "network", name=None), "network: field 'name' is missing"),
        (
            MINIMAL | {"optimiser": {}},
            "unknown field 'optimiser'; did you mean 'optimizer'\\? its fields are data, network, optimizer",
        ),
        (
            changed(MINIMAL, "optimizer", lr=1),
            "optimizer: unknown field 'lr'; its fields are name, learning_rate",
        ),
        (MINIMAL | {"name": "other"}, "unknown field 'name'; the name of a recipe is that of its file"),
        (MINIMAL | {"network": "mlp"}, "network: expected a table, found 'mlp'"),
        (MINIMAL | {"network": 3}, "network: expected a table, found 3"),
        (MINIMAL | {"data": "digits"}, "data: expected a table, found 'digits'"),
        (MINIMAL | {"training": 3}, "training: expected a table, found 3"),
        (changed(MINIMAL, "data", set=3), "data, set: expected str, found 3"),
        (changed(MINIMAL, "data", subset=1.5), "data, subset: expected int, found 1.5"),
        (changed(MINIMAL, "training", epochs="4"), "training, epochs: expected int, found '4'"),
        (changed(MINIMAL, "training", epochs=True), "training, epochs: expected int, found True"),
        (changed(MINIMAL, "labels", permuted=1), "labels, permuted: expected bool, found 1"),
        (changed(MINIMAL, "schedule", milestones=[1.5]), "milestones, item 1: expected int, found 1.5"),
        (changed(MINIMAL, "schedule", milestones=3), "milestones: expected a list of int, found 3"),
        (changed(MINIMAL, "training", checkpoints=[0, 4, 1]), r"0 is not \[first, last, step\]"),
        (changed(MINIMAL, "training", checkpoints=4), r"checkpoints: 4 is not \[first, last, step\]"),
        (changed(MINIMAL, "training", checkpoints=[[0, 4]]), r"\[0, 4\] is not \[first, last, step\]"),
        (changed(MINIMAL, "training", checkpoints=[[0, 4, 0]]), r"\[0, 4, 0\] is not \[first, last, step\]"),
        (changed(MINIMAL, "training", checkpoints=[[0, 4, 1.0]]), r"\[0, 4, 1.0\] is not"),
        (changed(MINIMAL, "training", checkpoints=[[0, 4, 1], [3, 2, 1]]), r"\[3, 2, 1\] is not"),
        (changed(MINIMAL, "training", checkpoints=[]), "the last must be the last epoch, 4"),
        (changed(MINIMAL, "training", checkpoints=[[0, 3, 1]]), "the last must be the last epoch, 4"),
        (changed(MINIMAL, "training", checkpoints=[[0, 5, 1]]), "the last must be the last epoch, 4"),
        (changed(MINIMAL, "training", checkpoints=[[-1, 4, 1]]), "checkpoints: ascending epochs from 0"),
        (changed(MINIMAL, "training", epochs=0, checkpoints=[[0, 0, 1]]), "epochs: at least 1"),
        (changed(MINIMAL, "training", batch_size=0), "batch_size: at least 1"),
        (changed(MINIMAL, "training", precision="fp16"), "precision: fp32 or bf16"),
        (changed(MINIMAL, "network", name="vgg"), "network, name: unknown; use one of resnet20"),
        (changed(MINIMAL, "network", classes=5), "network, classes: not an option; it follows from data"),
        (changed(MINIMAL, "data", augmentation="flip"), "augmentation: none or crop-flip"),
        (changed(MINIMAL, "data", subset=0), "subset: a positive number of images"),
        (changed(MINIMAL, "labels", randomized=1.01), "randomized: a fraction from 0 to 1"),
        (changed(MINIMAL, "labels", randomized=float("nan")), "randomized: a fraction from 0 to 1"),
        (changed(MINIMAL, "optimizer", name="lion"), "optimizer, name: sgd or adam"),
        (changed(MINIMAL, "optimizer", learning_rate=-0.1), "learning_rate: finite, not negative"),
        (changed(MINIMAL, "optimizer", learning_rate=float("inf")), "learning_rate: finite, not negative"),
        (changed(MINIMAL, "optimizer", momentum=1), "momentum: from 0 to below 1"),
        (changed(MINIMAL, "optimizer", momentum=-0.1), "momentum: from 0 to below 1"),
        (changed(MINIMAL, "optimizer", name="adam", momentum=0.9), "momentum: only sgd has it"),
        (changed(MINIMAL, "optimizer", weight_decay=-1e-4), "weight_decay: finite, not negative"),
        (changed(MINIMAL, "schedule", factor=0.0), "factor: finite, positive"),
        (changed(MINIMAL, "schedule", factor=1e200, milestones=[1, 2]), "schedule: after its milestones"),
        (changed(MINIMAL, "schedule", milestones=[3, 2]), "milestones: ascending epochs from 1"),
        (changed(MINIMAL, "schedule", milestones=[0]), "milestones: ascending epochs from 1"),
    ],
)
def test_what_is_no_recipe_is_refused(document, message):
    with pytest.raises(RecipeError, match=f"^recipe 'some'.*{message}"):
        parse_recipe(document, "some")


def test_replacing_checks_as_reading_does():
    recipe = parse_recipe(MINIMAL, "some")
    with pytest.raises(RecipeError, match="recipe 'some': labels, randomized"):
        recipe.replace(labels=LabelSpec(randomized=2.0))


@pytest.mark.parametrize(
    "name", ["../../x", "a/b", "nul\0", "x" * 101, "x" * 5000, "", "zwei Worte", "[/b]", "数字", "a\n"]
)
def test_a_name_that_is_no_file_name_is_refused(name):
    with pytest.raises(RecipeError, match=r"^recipe '.{0,200}.*: name: at most 100 letters .*; give it another name$"):
        parse_recipe(MINIMAL, "some").replace(name=name)


def test_a_name_of_earlier_versions_is_restored_as_a_file_name():
    tables = json.loads(json.dumps(parse_recipe(MINIMAL, "some").to_dict()))
    assert restore_recipe(tables, "../" + "ü" * 200).name == ".._" + "_" * 97


# Labels of a file


def test_digest_has_of_labels_in_a_file_their_content_alone():
    def of(**changes):
        return load_recipe("cifar10-reduced").replace(labels=dataclasses.replace(HUMAN, **changes))

    assert of().identity == of(file="elsewhere.npz", column="worse").identity
    assert of().digest != of(sha256="0" * 64).digest
    assert of().digest != load_recipe("cifar10-reduced").digest


def test_labels_of_a_file_are_in_the_dictionary_with_their_place():
    tables = load_recipe("cifar10-reduced-human").to_dict()
    assert tables["labels"] == {"file": HUMAN.file, "column": HUMAN.column, "sha256": HUMAN.sha256}


# Images of one's own


def saved(folder, text="own.npz", name="mine"):
    """Write a recipe with a path of images."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_text(f"""
schema = 1
data = {{ set = {json.dumps(str(text))} }}
network = {{ name = "mlp" }}
optimizer = {{ name = "sgd", learning_rate = 0.1 }}
training = {{ epochs = 2, batch_size = 5, checkpoints = [[0, 2, 1]] }}
""")
    return folder / f"{name}.toml"


def test_images_are_where_the_file_that_names_them_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    here, place = tmp_path / "here", str(tmp_path / "here" / "own.npz")
    for text in ("own.npz", "./own.npz", "../here/own.npz", place):
        path = saved(here, text)
        for working in (tmp_path, here):
            monkeypatch.chdir(working)
            assert load_recipe(path).data.set == place, f"{text!r}, read in {working}"
    assert load_recipe("mine.toml").data.set == place
    assert load_recipe(saved(here, "~/own.npz")).data.set == str(tmp_path / "home" / "own.npz")
    saved(tmp_path / "home")
    assert load_recipe("~/mine.toml").data.set == str(tmp_path / "home" / "own.npz")


def test_digest_does_not_change_with_the_place_of_the_images(tmp_path):
    first, second, third = (saved(tmp_path / name) for name in ("a", "b", "c"))
    saved(third.parent, "./own.npz")
    recipes = [load_recipe(path) for path in (first, second, third)]
    assert len({recipe.digest for recipe in recipes}) == 1
    assert len({recipe.identity for recipe in recipes}) == 3
    assert recipes[0].digest == recipes[0].replace(data=DataSpec("own.npz")).digest  # as a bare name always had it
    assert recipes[0].digest != load_recipe(saved(tmp_path / "d", "other.npz")).digest
    assert restore_recipe(json.loads(json.dumps(recipes[0].to_dict())), "mine") == recipes[0]


def test_a_recipe_names_its_source_which_determines_nothing(tmp_path, monkeypatch):
    path = saved(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert load_recipe("mine.toml").source == str(path)
    named = load_recipe("digits-small")
    assert named.source == "digits-small"
    assert named == load_recipe(recipes_folder() / "digits-small.toml")
    assert named.replace(name="other").source == ""
    with pytest.raises(RecipeError, match="unknown field 'source'"):
        parse_recipe(MINIMAL | {"source": "x"}, "some")


def test_unknown_recipe_lists_the_known_ones(tmp_path, monkeypatch):
    (tmp_path / "claims" / "register").mkdir(parents=True)  # what makes it a project
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "fixtures" / "recipes"
    folder.mkdir(parents=True)
    with pytest.raises(RecipeError, match=r"unknown recipe 'mine'; .*recipes holds: none"):
        load_recipe("mine")
    for name in ("b", "a"):
        (folder / f"{name}.toml").touch()
    with pytest.raises(RecipeError, match=r"unknown recipe 'mine'; .*recipes holds: a, b$"):
        load_recipe("mine")
    with pytest.raises(RecipeError, match=r"unknown recipe '.*mine\.toml'; .*recipes holds: a, b$"):
        load_recipe(folder / "mine.toml")
    for name in ("x" * 5000, "nul\0"):
        with pytest.raises(RecipeError, match=r"unknown recipe '.*; .*recipes holds: a, b$"):
            load_recipe(name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"schema = ", ": not a TOML file"),
        (b"\xff", ": not a TOML file: .*; save it as UTF-8"),
        (b"\xef\xbb\xbfschema = 1", r" begins with a byte order mark \(BOM\), .*; save it as UTF-8 without"),
        (b"schema = " + b"9" * 5000, ": an integer of more than 64 bits; write a smaller one"),
        (b"schema = " + b"[" * 5000 + b"]" * 5000, ": tables and lists .* levels deep"),
    ],
    ids=["half", "no UTF-8", "BOM", "digits", "deep"],
)
def test_what_is_not_toml_is_refused(tmp_path, content, message):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=rf"mine\.toml{message}"):
        load_recipe(path)


@pytest.mark.parametrize(
    "text", ["schema = 0x" + "f" * 5000, "schema = 9223372036854775808", "n.o = [[{a = -9223372036854775809}]]"]
)
def test_an_integer_of_more_than_64_bits_is_refused(text):
    with pytest.raises(RecipeError, match=r"recipe 'some', (schema|n, o, a): an integer of more than 64 bits"):
        parse_recipe(tomllib.loads(text), "some")


def test_what_is_nested_by_its_names_is_refused():
    document = tomllib.loads(f"schema = 1\n{'.'.join('a' * 5000)} = 1")
    with pytest.raises(RecipeError, match="levels deep; a recipe needs four") as found:
        parse_recipe(document, "some")
    assert len(str(found.value)) < 400


@pytest.mark.parametrize(
    "ranges", [[[0, 100_000_000, 1]], [[0, 99_999, 1]] * 2, [[-(2**63), 2**63 - 1, 1]]], ids=["long", "many", "longest"]
)
def test_endless_checkpoints_are_refused_before_they_are_counted(ranges):
    with pytest.raises(RecipeError, match=r"training, checkpoints: .* checkpoints; keep at most 100,000"):
        parse_recipe(changed(MINIMAL, "training", checkpoints=ranges), "some")


@pytest.mark.parametrize(
    "option", [datetime.date(2020, 1, 1), [datetime.time()], object()], ids=["date", "time", "object"]
)
def test_an_option_that_is_no_plain_value_is_refused(option):
    message = "recipe 'some', network, hidden: .* is a .*; write a number, text, true or false, or a list"
    with pytest.raises(RecipeError, match=message):
        parse_recipe(changed(MINIMAL, "network", hidden=option), "some")
    with pytest.raises(RecipeError, match=message):
        parse_recipe(MINIMAL, "some").replace(network=NetworkSpec("mlp", {"hidden": option}))


def test_a_message_does_not_repeat_a_long_value():
    with pytest.raises(RecipeError, match="data, set: expected str") as found:
        parse_recipe(changed(MINIMAL, "data", set=list("x" * 100_000)), "some")
    assert len(str(found.value)) < 400


@pytest.mark.parametrize("path", sorted(recipes_folder().glob("*.toml")), ids=lambda path: path.stem)
def test_recipe_is_restored_from_what_a_manifest_holds(path):
    recipe = load_recipe(path)
    tables = json.loads(json.dumps(recipe.to_dict()))
    assert restore_recipe(tables, name=recipe.name) == recipe
    with pytest.raises(RecipeError, match="has schema 0"):
        restore_recipe(tables | {"schema": 0}, name=recipe.name)


# The paper's settings

TABLE_2 = {
    "cifar10-paper": ("resnet20", OptimizerSpec("sgd", 0.1, 0.9, 1e-4), 128, (100, 150)),
    "cifar100-paper": ("resnet20", OptimizerSpec("sgd", 0.1, 0.9, 1e-4), 128, (100, 150)),
    "mnist-paper": ("mlp", OptimizerSpec("sgd", 0.01, 0.9, 1e-4), 200, (80, 120)),
    "svhn-paper": ("svhn-convnet", OptimizerSpec("adam", 0.001), 200, (80, 120)),
    "stl10-paper": ("stl10-convnet", OptimizerSpec("adam", 0.001, weight_decay=0.001), 200, (80, 120)),
}
"""Recipe to network, optimiser, batch size and milestones (App. H, Table 2)."""


@pytest.mark.parametrize("name", TABLE_2)
def test_paper_recipes_are_those_of_the_paper(name):
    recipe = load_recipe(name)
    found = recipe.network.name, recipe.optimizer, recipe.training.batch_size, recipe.schedule.milestones
    assert found == TABLE_2[name]
    assert (recipe.data.set, recipe.data.subset) == (name.removesuffix("-paper"), None)
    assert (recipe.data.augmentation == "crop-flip") == name.startswith("cifar")
    assert recipe.schedule.factor == 0.1
    assert recipe.training.epochs == (300 if name == "cifar10-paper" else 1000)
    assert recipe.training.precision == ("bf16" if name == "cifar10-paper" else "fp32")


@pytest.mark.parametrize("name", [*TABLE_2, "cifar10-reduced"])
def test_checkpoints_are_dense_early_and_around_rate_steps(name):
    recipe = load_recipe(name)
    kept = set(recipe.training.checkpoints)
    assert set(range(7)) <= kept
    if name != "mnist-paper":  # trained before that was asked for
        assert all({milestone - 1, milestone, milestone + 1} <= kept for milestone in recipe.schedule.milestones)
        assert max(later - earlier for earlier, later in itertools.pairwise(sorted(kept))) <= 10


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("cifar10-paper-noisy", {"labels": LabelSpec(randomized=0.4)}),
        ("cifar10-paper-permuted", {"labels": LabelSpec(permuted=True)}),
        ("cifar10-reduced-noisy", {"labels": LabelSpec(randomized=0.4)}),
        ("cifar10-reduced-permuted", {"labels": LabelSpec(permuted=True)}),
        ("cifar10-reduced-human", {"labels": HUMAN}),
        ("cifar10-reduced-as-many", {"labels": LabelSpec(randomized=0.447)}),
    ],
)
def test_variants_differ_from_the_plain_recipe_as_named(name, changed):
    plain, variant = load_recipe("-".join(name.split("-")[:2])), load_recipe(name)
    same = plain.replace(name=name, training=variant.training, **changed)
    assert variant == same
    assert set(variant.training.checkpoints) <= set(plain.training.checkpoints)


def test_a_matched_recipe_is_the_plain_one_at_equal_image_counts():
    plain, matched = load_recipe("cifar10-reduced"), load_recipe("cifar10-reduced-matched")
    images = plain.training.epochs * plain.data.subset
    assert matched.training.epochs == round(images / matched.data.subset)

    def scaled(epochs):  # a half goes up
        return tuple(int(epoch * matched.training.epochs / plain.training.epochs + 0.5) for epoch in epochs)

    assert matched == plain.replace(
        name=matched.name,
        data=dataclasses.replace(plain.data, subset=matched.data.subset),
        schedule=dataclasses.replace(plain.schedule, milestones=scaled(plain.schedule.milestones)),
        training=dataclasses.replace(
            plain.training, epochs=matched.training.epochs, checkpoints=scaled(plain.training.checkpoints)
        ),
    )


def test_matched_recipe_of_digits_takes_as_many_steps():
    plain, matched = load_recipe("digits-small"), load_recipe("digits-small-matched")
    steps = math.ceil(1200 / plain.training.batch_size)  # an epoch; of the matched one it is one
    few = matched.data.subset
    assert matched == plain.replace(
        name=matched.name,
        data=dataclasses.replace(plain.data, subset=few),
        training=dataclasses.replace(
            plain.training,
            batch_size=few,
            epochs=steps * plain.training.epochs,
            checkpoints=tuple(steps * epoch for epoch in plain.training.checkpoints),
        ),
    )
