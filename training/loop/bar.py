"""The progress bar of a training: loss, Dice and the time that the whole run still takes."""

import time
from datetime import timedelta

import lightning
from lightning.pytorch.callbacks import TQDMProgressBar


class Bar(TQDMProgressBar):
    """
    Lightning's bar of an epoch, with the loss of the step, micro Dice of the last validation, and the time left.

    The time left is that of all epochs, from the steps of this start: it includes validation.
    """

    def __init__(self) -> None:
        super().__init__(refresh_rate=10)
        self._began = (0.0, 0)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Remember where this start began."""
        super().on_train_start(trainer, pl_module)
        self._began = (time.monotonic(), trainer.global_step)

    def get_metrics(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Give what stands behind the bar."""
        shown: dict[str, int | str | float | dict[str, float]] = {}
        for name, key in (("loss", "loss"), ("dice", "valid/dice_micro")):
            if (value := trainer.callback_metrics.get(key)) is not None:
                shown[name] = f"{float(value):.3f}"
        began, step = self._began
        if done := trainer.global_step - step:
            still = max(0, getattr(pl_module, "steps", 0) - trainer.global_step)
            seconds = round((time.monotonic() - began) / done * still)
            shown["left"] = str(timedelta(seconds=seconds))
        return shown
