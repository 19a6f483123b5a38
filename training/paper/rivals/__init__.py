"""
The rivals of the paper's Table 1 that no library has, written anew from their papers over parts of timm.

None of their original code is here. DECISIONS.md (2026-11-30, the rivals of Table 1) says where a form departs.
"""
