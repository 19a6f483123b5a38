"""
`python -m tests.node.stand_in_worker --supervised` is `sgseg-node work --supervised` with the stand-in's pipeline.

STAND_IN_RESUME_SECONDS is the pause between looks for jobs that nobody runs.
"""

import os

from node import app, cli
from node.work import workflows
from tests.node import stand_in

if __name__ == "__main__":
    if seconds := os.environ.get("STAND_IN_RESUME_SECONDS"):
        workflows.Workflows.resume_seconds = float(seconds)
    cli.run_supervised(lambda config, stop, ready: app.work(config, stop, ready, load=stand_in.load))
