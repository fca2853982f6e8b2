"""Display of objects: a prompt shows a short line and a notebook a small table, instead of all arrays."""

from collections.abc import Mapping, Sequence
from html import escape


class Displayed:
    """An object that prints as one line and appears in a notebook as a table, with the same facts."""

    def _facts(self) -> Mapping[str, object]:
        """Return the facts to show, by name; lists appear in the table only, item by item."""
        raise NotImplementedError

    def __repr__(self) -> str:
        said = (f"{name} {value}" for name, value in self._facts().items() if not isinstance(value, list))
        return f"<{type(self).__name__}: {', '.join(said)}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{'<br>'.join(escape(str(item)) for item in _items(value))}</td></tr>"
            for name, value in self._facts().items()
        )
        return f"<table><caption>{escape(type(self).__name__)}</caption>{rows}</table>"


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def html_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table with a row of titles; every cell is plain text."""
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def span(epochs: Sequence[int]) -> str:
    """Return a number of epochs with the first and the last, such as ``14 (0 to 28)``."""
    ends = f" ({epochs[0]} to {epochs[-1]})" if len(epochs) > 1 else f" ({epochs[0]})" if len(epochs) else ""
    return f"{len(epochs)}{ends}"
