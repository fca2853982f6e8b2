"""What commands print, read by the tests of several of them."""


def count(lines: list[str], word: str) -> int:
    """Return how many lines hold a word."""
    return sum(word in line for line in lines)


def states(lines: list[str]) -> dict[tuple[str, str], str]:
    """Return the state of each recipe and its seeds, in the table that status prints."""
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    return {(recipe, seeds): state for recipe, seeds, state in rows}
