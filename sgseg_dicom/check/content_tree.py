"""The content tree of a structured report, read once: every item with its codes and its path (PS3.3 C.17.3)."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom import Dataset

from sgseg_dicom.check.attributes import NO_CODE, Code, code, items, text

_VALUE = {"TEXT": "TextValue", "UIDREF": "UID"}


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """
    One content item.

    Attributes:
        path: codes of the concept names from the root, for example "126010/125007[2]"; "" at the root.
        type: Value Type (0040,A040).
        relation: Relationship Type (0040,A010).
        name: Concept Name; NO_CODE where there is none.
        code: what a CODE item says; NO_CODE elsewhere.
        text: what a TEXT or UIDREF item says; "" elsewhere.
        ds: the data set itself.
        children: the items under it.
    """

    path: str
    type: str
    relation: str
    name: Code
    code: Code
    text: str
    ds: Dataset
    children: tuple["Item", ...]

    def all(self, name: Code) -> list["Item"]:
        """Give the children with this concept name."""
        return [child for child in self.children if child.name == name]

    def only(self, name: Code) -> "Item | None":
        """Give the one child with this concept name; None where there is none or more than one."""
        found = self.all(name)
        return found[0] if len(found) == 1 else None

    def text_under(self, name: Code) -> str:
        """Give the text of the one child with this concept name; "" where there is not exactly one."""
        child = self.only(name)
        return child.text if child else ""

    def walk(self) -> Iterator["Item"]:
        """Give this item and everything under it."""
        yield self
        for child in self.children:
            yield from child.walk()


def content_of(ds: Dataset, path: str = "") -> Item:
    """Read an item and everything under it; a root is an item too."""
    kind = text(ds, "ValueType")
    children, counts = [], dict[str, int]()
    for child in items(ds, "ContentSequence"):
        name = code(child, "ConceptNameCodeSequence")[0] or text(child, "ValueType")
        counts[name] = counts.get(name, 0) + 1
        place = f"{path}/{name}[{counts[name]}]" if path else f"{name}[{counts[name]}]"
        children.append(content_of(child, place))
    return Item(
        path=path,
        type=kind,
        relation=text(ds, "RelationshipType"),
        name=code(ds, "ConceptNameCodeSequence"),
        code=code(ds, "ConceptCodeSequence") if kind == "CODE" else NO_CODE,
        text=text(ds, _VALUE[kind]) if kind in _VALUE else "",
        ds=ds,
        children=tuple(children),
    )
