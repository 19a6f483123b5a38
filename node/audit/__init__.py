"""The audit trail: who sent what, when, what became of it, to whom it went, and who did something about it."""
