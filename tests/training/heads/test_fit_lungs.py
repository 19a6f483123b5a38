"""A lung decoder learns drawn lungs from the features of a small encoder."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sgseg_dicom.model_records import LEFT_LUNG, RIGHT_LUNG
from tests.support.networks import tiny_model
from tests.support.predictions import drawn_lungs
from tests.training.builders import STILL, draw
from training.data import Item
from training.heads import lung_views
from training.heads.encoder import FrozenEncoder, standardised
from training.heads.feature_cache import FilmCache
from training.heads.fit_lungs import Schedule, dice_of_lungs, encode_views, fit_lungs
from training.heads.lung_views import LungFilm, changed_views, load_batch

FILMS, LEFT_OUT = 20, 4
SCHEDULE = Schedule(epochs=20, batch=4, views=1, learning_rate=1e-2)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Dark lungs of several places and sizes, in grain."""
    folder, rng = tmp_path_factory.mktemp("lungs"), np.random.default_rng(4)
    made = []
    for number in range(FILMS):
        row, apart, high, wide = rng.integers((95, 44, 60, 26), (125, 58, 84, 38))
        lungs = drawn_lungs(right=(row, 112 - apart), left=(row, 112 + apart), size=(high, wide))
        image, drawn = folder / "image" / f"x__{number}.png", folder / "lungs" / f"x__{number}.png"
        draw(image, np.where(lungs > 0, 60, 170) + rng.integers(-20, 20, lungs.shape))
        draw(drawn, lungs)
        item = Item(name=image.stem, image=image, mask=None, zones=None)
        made.append(LungFilm(item=item, lungs=drawn, source="x"))
    return made


def encoder_of(members=1, *, flip=False, sizes=(96,)):
    manifest = SimpleNamespace(test_time_flip=flip, test_time_sizes=sizes)
    return FrozenEncoder([tiny_model(seed=seed) for seed in range(members)], manifest)


@pytest.fixture(scope="module")
def views(films, tmp_path_factory):
    return encode_views(
        films, encoder_of(), FilmCache(tmp_path_factory.mktemp("cache")), views=SCHEDULE.views
    )


def test_drawn_lungs_are_learned(views):
    """Of films that were left out, each lung on its side."""
    places = np.arange(FILMS)

    decoder = fit_lungs(views, places[LEFT_OUT:], SCHEDULE)

    assert dice_of_lungs(decoder, views[0], places[:LEFT_OUT]).mean() > 0.8
    assert not decoder.training


def test_the_same_seed_gives_the_same_decoder(views):
    """So that a release can be made again."""
    short = Schedule(epochs=1, batch=4, views=1)
    once, twice = (fit_lungs(views, np.arange(8), short).state_dict() for _ in range(2))

    assert all(torch.equal(tensor, twice[name]) for name, tensor in once.items())


def test_views_are_kept(films, tmp_path):
    """They take minutes: a second run asks no encoder."""

    class Counted:
        channels = encoder_of().channels
        calls = 0

        def __call__(self, images):
            self.calls += 1
            return [torch.zeros(len(images), width, 2, 2) for width in self.channels]

    encoder = Counted()
    first = encode_views(films[:3], encoder, FilmCache(tmp_path), views=1)
    again = encode_views(films[:3], encoder, FilmCache(tmp_path), views=1)

    assert encoder.calls == 2
    assert len(first) == len(again) == 2
    assert torch.equal(first[1].lungs, again[1].lungs)
    assert not torch.equal(first[0].lungs, first[1].lungs)


def test_a_mirrored_view_exchanges_the_lungs(films, monkeypatch):
    """The patient's right lung stays at the image's left: what lies there is called right, in whichever patient."""
    monkeypatch.setattr(lung_views, "STRENGTH", STILL)
    monkeypatch.setattr(lung_views, "_WHITE", 0.0)
    images, lungs = load_batch(films[:8])
    lungs[:, 0, :112] = 0  # the right lung alone loses its upper half

    changed, theirs = changed_views(images, lungs, torch.Generator().manual_seed(0))

    mirrored = [not torch.allclose(one, other, atol=1e-3) for one, other in zip(images, changed, strict=True)]
    assert 0 < sum(mirrored) < 8
    for place, is_mirrored in enumerate(mirrored):
        wanted = lungs[place].flip(-1).flip(0) if is_mirrored else lungs[place]
        assert (theirs[place] == wanted).float().mean() > 0.999
        assert (theirs[place, 0, :, 112:] == 0).all()
        assert theirs[place, 0].sum() > 0


def test_changed_views_keep_lungs_where_they_are(films):
    """Turned, cropped and whitened: right remains at the left, and an image stays one."""
    images, lungs = load_batch(films[:8])
    changed, theirs = changed_views(images, lungs, torch.Generator().manual_seed(1))

    columns = torch.arange(224.0)
    right, left = (
        (theirs[:, side].sum(1) * columns).sum(-1) / theirs[:, side].sum((1, 2)) for side in (0, 1)
    )
    assert (right < left).all()
    assert changed.shape == images.shape
    assert changed.isfinite().all()
    assert set(theirs.unique().tolist()) == {0.0, 1.0}
    assert (RIGHT_LUNG, LEFT_LUNG) == (1, 2)  # as the masks on disk have them


def test_the_largest_pass_over_the_image_itself_is_read():
    """Of two members that take turns it is the second one's; the maps come in strides 4 to 32 of that size."""
    encoder = encoder_of(2, flip=True, sizes=(64, 96))

    assert (encoder.member, encoder.size) == (1, 96)
    features = encoder(standardised(torch.rand(1, 1, 224, 224)))
    assert [one.shape[-1] for one in features] == [24, 12, 6, 3]
    assert [one.shape[1] for one in features] == encoder.channels


def test_images_are_standardised_as_the_node_does():
    """Mean 0 and deviation 1; a blank one is no division by zero."""
    images = standardised(torch.stack([torch.rand(1, 8, 8) * 7 + 3, torch.full((1, 8, 8), 5.0)]))

    assert images[0].mean().abs() < 1e-5
    assert images[0].std(correction=0) == pytest.approx(1, abs=1e-5)
    assert (images[1] == 0).all()
