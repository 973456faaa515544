"""Tables of measurements between their marks in a document."""


def put(text: str, name: str, table: str) -> str:
    """Return the document with a table between its marks."""
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, _, rest = text.partition(begin)
    if end not in rest:
        raise ValueError(f'the document has no marks for "{name}". Write {begin.strip()} and {end.strip()}')
    return before + begin + table + end + rest.partition(end)[2]


def grid(columns: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; all columns except the first are aligned to the right."""
    head = [columns, ["---", *["---:"] * (len(columns) - 1)]]
    return "\n".join(f"| {' | '.join(row)} |" for row in [*head, *rows])
