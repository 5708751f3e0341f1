"""The check of links finds what leads nowhere, and the repository's pages pass it."""

from pathlib import Path

import pytest

from tools.check_links import broken_links, broken_paths, main

ROOT = Path(__file__).parent.parent


def _write(folder, body):
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text(f"<html><body>{body}</body></html>")
    (folder / "other.html").write_text('<h1 id="here">Other</h1><a href="index.html">back</a>')
    return folder


def test_good_links_pass(tmp_path):
    body = (
        '<a href="#">top</a> <a href="other.html#here">other</a> '
        '<a href="https://example.org/nowhere">out</a> <h2 id="a">A</h2><a href="#a">a</a>'
    )
    assert broken_links(_write(tmp_path / "html", body)) == []


@pytest.mark.parametrize("link", ["missing.html", "other.html#gone", "#gone"])
def test_broken_links_are_listed(tmp_path, link):
    folder = _write(tmp_path / "html", f'<a href="{link}">a</a>')
    assert broken_links(folder) == [f"index.html: {link}"]
    assert main([str(folder)]) == 1


def test_missing_pictures_are_listed(tmp_path):
    folder = _write(tmp_path / "html", '<img src="gone.png">')
    assert broken_links(folder) == ["index.html: gone.png"]


def test_a_folder_that_was_not_built_is_refused(tmp_path, capsys):
    assert main([str(tmp_path / "html")]) == 2
    assert "build the documentation first" in capsys.readouterr().out


def test_broken_paths_of_a_markdown_page(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("[a](README.md) [b](gone.md#part) [c](https://example.org)")
    assert broken_paths(page) == ["README.md: gone.md"]


def test_the_pages_of_the_repository_have_no_broken_paths():
    pages = sorted(ROOT.glob("*.md"))
    assert pages
    assert [line for page in pages for line in broken_paths(page)] == []
