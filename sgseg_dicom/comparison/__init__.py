"""Compared with before: whose film it is, when it was taken, and how an earlier film's shares differ from it."""
