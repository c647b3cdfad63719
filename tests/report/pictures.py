"""Takes a picture of a report, as README.md and docs/ show, of what a link into it shows.

python -m tests.report.pictures 'results/RUN/report.html#gallery&outcome=all' FILE.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.helpers.browser import started_browser

WIDTH, HEIGHT = 1366, 768


def main() -> int:
    """Take the picture that the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.report.pictures", description=__doc__)
    parser.add_argument("link", help="a report's file, with what stands behind # in its address")
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    take(options.link, options.picture)
    return 0


def take(link: str, picture: Path) -> None:
    """Store as a PNG file what a window shows that opens a link into a report's file."""
    path, _, fragment = link.partition("#")
    with started_browser() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(f"{Path(path).resolve().as_uri()}#{fragment}")
        page.wait_for_timeout(500)  # until all of it is drawn
        page.screenshot(path=picture)


if __name__ == "__main__":
    sys.exit(main())
