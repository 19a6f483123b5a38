"""The data of a run: for each epoch one loader of augmented batches, and the valid split."""

from collections.abc import Sequence

import lightning
import torch
from torch.utils.data import DataLoader

from sgseg_dicom.errors import ConfigError
from training.data import Item
from training.loop.batches import VALID_BATCH, AugmentedBatches, Batch, LoadedItems, PlainBatches, Share
from training.loop.epoch_sampling import places_of_epoch
from training.recipe import Recipe
from training.teacher_predictions import TeacherPredictions


class Epochs(lightning.LightningDataModule):
    """For each epoch one loader, with the images and the size that the recipe says."""

    def __init__(
        self,
        recipe: Recipe,
        train: Sequence[Item],
        valid: Sequence[Item],
        teacher_predictions: TeacherPredictions | None = None,
    ) -> None:
        super().__init__()
        self.recipe = recipe
        self.train, self.valid = LoadedItems(train, teacher_predictions), LoadedItems(valid)
        self.items = tuple(train)

    @property
    def steps(self) -> int:
        """
        Optimizer steps of the whole run.

        Raises:
            ConfigError: there are fewer images than one batch has.
        """
        return self.recipe.epochs * self.steps_of_epoch

    @property
    def steps_of_epoch(self) -> int:
        """
        Optimizer steps of each epoch.

        Raises:
            ConfigError: there are fewer images than one batch has.
        """
        images, batch = len(places_of_epoch(self.items, self.recipe, 0)), self.recipe.batch_size
        if images < batch:
            raise ConfigError(f"{images} images make no batch of {batch}; lower the recipe's batch_size")
        return images // batch

    def train_dataloader(self) -> DataLoader[Batch]:
        """Give the batches of the trainer's current epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        batches = self.batches_of(epoch, self.recipe.seed, device)
        if self.trainer:
            batches.share = Share(self.trainer.global_rank, self.trainer.world_size)
        return DataLoader(batches, batch_size=None)

    def batches_of(self, epoch: int, seed: int, device: torch.device) -> AugmentedBatches:
        """Give the batches of *epoch*, drawn with *seed* and augmented on *device*."""
        phase = self.recipe.phase_at(epoch)
        return AugmentedBatches(
            self.train,
            places_of_epoch(self.items, self.recipe, epoch),
            epoch=epoch,
            sizes=(phase.size, *phase.other_sizes),
            batch_size=self.recipe.batch_size,
            seed=seed,
            strength=phase.augmentation,
            device=device,
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        """
        Give the valid split without augmentation; every device gets all of it.

        With unequal shares the devices would hang: DDP broadcasts the batch statistics at every forward pass.
        """
        return DataLoader(PlainBatches(self.valid, batch_size=VALID_BATCH), batch_size=None)
