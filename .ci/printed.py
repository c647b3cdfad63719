"""Check that what a page says its commands print is what they printed.

python3 .ci/printed.py PAGE OUTPUT

Of the page those blocks are looked for in the output that have `<!-- printed -->` above them. Lines
may be broken elsewhere, and dates are those of another day.
"""

import re
import sys
from pathlib import Path

BLOCK = re.compile(r"^<!-- printed -->\n\n?```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Name the blocks that weren't printed; return the exit status."""
    page, output = (Path(name).read_text("utf-8") for name in sys.argv[1:])
    printed = words(output)
    missing = [block for block in BLOCK.findall(page) if words(block) not in printed]
    for block in missing:
        print(f"{sys.argv[1]}: its commands don't print\n{block}")
    return int(bool(missing))


def words(text: str) -> str:
    """Return a text without dates, on one line, each column set apart by one blank."""
    text = re.sub(r"\d{4}-\d\d-\d\d", "DATE", text)
    text = re.sub(r"-+(?=[\s|:])|(?<=[|:])-+", "-", text)  # rules are as wide as their columns
    return " ".join(text.split())


if __name__ == "__main__":
    sys.exit(main())
