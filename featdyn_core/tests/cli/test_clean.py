"""``featdyn clean`` lists what it can remove before it removes anything."""

import pytest


def test_clean_says_what_it_would_free_before_it_frees_it(run, project):
    run("train", "--jobs", "1")
    run("measure", "--jobs", "1")
    (project / "store/partial/abc").mkdir(parents=True)
    (project / "store/partial/abc/epoch-0001.safetensors").write_bytes(bytes(2_000_000))
    (outdated,) = (project / "store/records").glob("toy-1-*/stranger-*.json")
    outdated.write_text(outdated.read_text().replace('"source": "', '"source": "of another '))
    for yes, last in (((), "would be freed; remove it with: featdyn clean --yes"), (("--yes",), "freed")):
        status, lines = run("clean", *yes)
        assert (status, lines[0]) == (0, "an interrupted training, abc: 2.0 MB")
        assert lines[1].startswith(f"a record measured by other code, {outdated.stem}: ")
        assert lines[-1] == f"2 things, 2.0 MB {last}"
    assert run("clean")[1] == ["0 things, 0.0 MB to be freed"]
    assert run("status")[1][-1] == "records: 8 of 9 measured"
    assert len(list((project / "store/records").glob("*/*.npz"))) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--store", "~nobody-of-that-name/there"], "the home folder ~ is unknown", id="home"),
        pytest.param(["--tier", "full"], "unrecognized arguments: --tier full", id="tier"),
    ],
)
def test_clean_refuses_in_one_line(refused, arguments, message):
    assert message in refused("clean", *arguments)
