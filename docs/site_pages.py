"""
A hook of mkdocs: the site has pages of the repository that lie outside docs/, and no link that leads nowhere.

In the repository every link is relative to its file, so that GitHub follows it. In the site the pages of docs/ have a
place, and those that the navigation names. A link to anything else (a folder, code, config.toml) becomes its text.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^()\s#]*)(#[^()\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that the navigation names and docs/ lacks; each keeps its path in the repository."""
    for path in _pages(config.nav):
        if files.get_file_from_path(path) is None and (ROOT / path).is_file():
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn each link of the repository into one of the site, or into its text where the site has no such page."""
    here = page.file.src_uri
    in_repository = here if page.file.generated_by else f"docs/{here}"

    def moved(link: re.Match[str]) -> str:
        picture, text, target, anchor = link[1], link[2], link[3], link[4] or ""
        if not target or ":" in target:
            return link[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(in_repository), target)).removeprefix(
            "docs/"
        )
        if files.get_file_from_path(path) is None:
            return text
        return f"{picture}[{text}]({posixpath.relpath(path, posixpath.dirname(here) or '.')}{anchor})"

    return _LINK.sub(moved, markdown)


def _pages(nav: Any) -> list[str]:
    """Give all paths of the navigation."""
    if isinstance(nav, str):
        return [nav]
    items = nav.values() if isinstance(nav, dict) else nav or []
    return [path for item in items for path in _pages(item)]
