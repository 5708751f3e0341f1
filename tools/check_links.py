"""Check the links within the built documentation and between the repository's pages.

``python -m tools.check_links docs/_build/html README.md`` needs no network: it opens each page,
and looks for the file and the anchor behind each link that is not an address on the internet.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Pages that Sphinx writes for itself.
_GENERATED = {"genindex.html", "search.html", "py-modindex.html"}


class _Page(HTMLParser):
    """The links, the pictures and the anchors of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is None:
                continue
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            elif (tag == "a" and name == "href") or (tag == "img" and name == "src"):
                self.links.append(value)


def broken_links(folder: Path) -> list[str]:
    """Return the links of a folder of HTML pages that lead nowhere.

    Parameters
    ----------
    folder : Path
        What ``sphinx-build -b html`` has written.

    Returns
    -------
    broken : list of str
        ``page: link`` for each link to a page, picture or anchor that does not exist.
    """
    folder = folder.resolve()
    files = [file for file in folder.rglob("*.html") if "_static" not in file.parts]
    pages = {file: _Page(file.read_text(encoding="utf-8")) for file in sorted(files)}
    broken = []
    for file, page in pages.items():
        if file.name in _GENERATED:
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if target.is_dir():
                target /= "index.html"
            exists = target in pages or target.is_file()
            # The header has an empty anchor, "#", for the top of the page.
            anchor = unquote(parts.fragment)
            if not exists or (
                anchor and target in pages and anchor not in pages[target].anchors
            ):
                broken.append(f"{file.relative_to(folder)}: {link}")
    return broken


def broken_paths(page: Path) -> list[str]:
    """Return the links of a Markdown page to files that do not exist.

    Parameters
    ----------
    page : Path
        A page of the repository, such as its README.

    Returns
    -------
    broken : list of str
        ``page: link`` for each of them.
    """
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    paths = [urlsplit(link) for link in links]
    return [
        f"{page.name}: {parts.path}"
        for parts in paths
        if not parts.scheme and parts.path and not (page.parent / unquote(parts.path)).exists()
    ]


def main(arguments: list[str]) -> int:
    broken: list[str] = []
    for argument in map(Path, arguments):
        if not argument.exists():
            print(f"check_links: {argument} does not exist; build the documentation first.")
            return 2
        broken += broken_links(argument) if argument.is_dir() else broken_paths(argument)
    for line in broken:
        print(line)
    print(f"check_links: {len(broken)} broken" if broken else "check_links: all links ok")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
