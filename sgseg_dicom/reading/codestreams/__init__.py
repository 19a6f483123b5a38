"""
Compressed Pixel Data -> values, of whole codestreams only.

A decoder that only warns about missing or damaged data, or says nothing, has a check beside it here. What no check
can find, docs/damaged-streams.md says.
"""
