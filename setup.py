"""
The README as a package index shows it. Everything else stands in pyproject.toml.

Its links are relative to the repository. That is right in a clone and in the source distribution; on an index they
lead nowhere. Where pyproject.toml names the repository ([project.urls] Source), they become absolute; elsewhere text.
"""

import re
import tomllib
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
PLACES = (
    "\n> The documents that are named here come with the package: see `share/sgseg-dicom` in the environment "
    "that it is installed into, or the source distribution.\n"
)


def for_an_index(readme: str, source: str | None) -> str:
    """Give the README with links that lead somewhere. *source* is the address of the repository's main branch."""

    def link(found: re.Match[str]) -> str:
        picture, text, target = found["picture"], found["text"], found["target"]
        if target.startswith(("http:", "https:", "#")):
            return found[0]
        if source is None:
            return "" if picture else text
        return f"{picture}[{text}]({source.rstrip('/')}/{target})"

    text = re.sub(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^()\s]+)\)", link, readme)
    if source is not None:
        return re.sub(r'(<img src=")(?!https?:)', rf"\g<1>{source.rstrip('/')}/", text)
    text = re.sub(r"(?m)^<img [^>]*>\n\n(\*[^*]*\*\n\n)?", "", text)
    head, title, rest = text.partition("\n")
    return head + title + PLACES + rest


if __name__ == "__main__":
    project = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]
    setup(
        long_description=for_an_index(
            (HERE / "README.md").read_text("utf-8"), project.get("urls", {}).get("Source")
        ),
        long_description_content_type="text/markdown",
    )
