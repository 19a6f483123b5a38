"""Judges images in processes of their own, which can be killed: nothing that an image does harms another one."""
