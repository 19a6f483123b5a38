"""What a sender offered when nothing of it was accepted: else a scanner routed to us looks like a broken network."""

from pydicom import uid
from pynetdicom.association import Association


def why_nothing_was_accepted(association: Association) -> str:
    """Name the SOP classes of an association without any accepted presentation context; "" where it has one."""
    offered, accepted = association.requestor.requested_contexts, association.accepted_contexts
    if accepted or not offered:
        return ""
    names = sorted({_name_of(str(context.abstract_syntax)) for context in offered})
    return f"none of its SOP classes and transfer syntaxes is accepted here: {', '.join(names)}"


def _name_of(sop_class: str) -> str:
    """Give the name that DICOM has for a SOP class. Text that is no UID is not repeated: it may contain anything."""
    named = uid.UID(sop_class)
    return named.name if named.is_valid else "no UID"
