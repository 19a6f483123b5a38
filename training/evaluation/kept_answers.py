"""Answers that are kept in a file while they are made, so that a stopped measurement goes on where it was."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from sgseg_dicom.errors import ConfigError
from training.evaluation.answers import Answer


class KeptAnswers:
    """
    A file of JSON lines: first what judges, then a line for each film.

    Args:
        path: of the file; None: nothing is kept.
        judge: identities of what judges. Answers of something else do not count.

    Raises:
        ConfigError: the file holds answers of something else, or is no such file.
    """

    def __init__(self, path: Path | None, judge: Mapping[str, str]) -> None:
        self.path = path
        self.answers: dict[str, Answer] = {}
        if path is None:
            return
        if path.is_file() and path.stat().st_size:
            self._read(path, judge)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(dict(judge)) + "\n")

    def add(self, keys: Sequence[str], answers: Sequence[Answer]) -> None:
        """Keep the answers to the films *keys*."""
        rows = list(zip(keys, answers, strict=True))
        self.answers |= dict(rows)
        if self.path is not None:
            with self.path.open("a") as file:
                file.writelines(json.dumps({"film": key} | asdict(answer)) + "\n" for key, answer in rows)

    def _read(self, path: Path, judge: Mapping[str, str]) -> None:
        whole = path.read_text().rsplit("\n", 1)[0].splitlines()  # a line that was cut off is made again
        try:
            first, *rows = [json.loads(line) for line in whole]
            self.answers = {row.pop("film"): _answer(row) for row in rows}
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{path} holds no answers of `evaluate --other`; name a new file") from None
        if first != dict(judge):
            raise ConfigError(
                f"{path} holds answers of other weights or another image check; name a new file"
            )
        path.write_text("".join(f"{line}\n" for line in whole))


def _answer(row: dict[str, object]) -> Answer:
    zones = row.pop("zones")
    return Answer(zones=tuple(zones), **row)  # type: ignore[arg-type]
