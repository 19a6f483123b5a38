"""Which commit this code is: runs and weights say it."""

import subprocess
from pathlib import Path


def commit_of_checkout() -> str:
    """Give the commit of this checkout, "-dirty" where files are changed; "unknown" outside one."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
