"""
Imports all that judging needs, but not the model: that is in a process of its own.

The server of `node.judge.pool` imports this once, and each judging process has it then.
"""

import node.judge.child
import node.judge.warm_up
import sgseg_dicom.inference.image_check
import sgseg_dicom.pipeline

__all__ = ["node", "sgseg_dicom"]
