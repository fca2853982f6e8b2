"""The documentation's programs run."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def scripts(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_ones_own_checkpoints_are_measured_as_the_documentation_says(tmp_path, monkeypatch, capsys):
    (script,) = scripts("your-own.md")
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "your-own.md", "exec"), {"__name__": "__main__"})
    stem, body, isotropy = capsys.readouterr().out.splitlines()
    for line, cut in ((stem, "stem"), (body, "body")):
        assert re.fullmatch(rf"{cut}: agreement with epoch 4 \[[\d. ]+\], above 0.8 for [1-4] epochs", line), line
    assert float(isotropy.split(" = ")[1]) < 0.01
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"epoch{epoch}.pt" for epoch in range(5)]


def test_a_published_number_is_found_again_in_ten_lines(monkeypatch, capsys):
    recomputed, table = scripts("scripts.md")
    assert sum(bool(line.strip()) for line in recomputed.splitlines()) <= 10
    monkeypatch.chdir(DOCS.parent)
    names = {}
    exec(compile(recomputed, "scripts.md", "exec"), names)
    published, again = capsys.readouterr().out.splitlines()
    assert published == again
    exec(compile(table, "scripts.md", "exec"), names)
    assert set(names["frame"].verdict) >= {"SUPPORTED", "REFUTED"}
