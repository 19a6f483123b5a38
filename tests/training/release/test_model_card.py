"""The card says what the weights came from, through every run on the way."""

from sgseg_dicom.release.image_check_manifest import packaged_image_check, read_image_check_manifest
from sgseg_dicom.release.manifest import packaged_weights, read_manifest
from training.recipe import load_recipe
from training.release.model_card import card_of, model_card

KNOWN = {"infected": 5712, "normal": 700, "digest": "825dd055926f2231" + "0" * 48}
PRIVATE = {"infected": 900, "normal": 0, "digest": "f" * 64}


def run_of(train, *, image_weights, started_from=None):
    recipe = load_recipe("compact").model_copy(update={"image_weights": image_weights})
    return {"train": train, "recipe": recipe.model_dump(mode="json"), "started_from": started_from}


def card_after(history, **metrics):
    manifest = read_manifest(packaged_weights())
    changed = {"training": history, "metrics": manifest.metrics | metrics, "members": 1}
    return model_card(manifest.model_copy(update=changed))


def test_the_origin_is_that_of_the_first_run():
    """`begin` elsewhere, or weights to start from: what the last run would have begun with says nothing."""
    begun = {"recipe": load_recipe("compact").model_dump() | {"image_weights": "runs/sam2"}, "steps_done": 0}

    card = card_after(run_of(KNOWN, image_weights="", started_from=begun | {"weights": "a" * 64}))

    assert "image encoder: runs/sam2" in card
    assert "QaTa-COV19 (train)" in card


def test_the_data_of_earlier_runs_are_named():
    """Weights that once learned from others' images are not known by those of the last run alone."""
    before = run_of(PRIVATE, image_weights="efficientnet-lite2") | {"weights": "a" * 64}

    card = card_after(run_of(KNOWN, image_weights="", started_from=before))

    assert "900 infected radiographs and 0 normal ones; data digest `ffffffffffffffff`" in card
    assert "this card does not know what these images show" in card
    assert "QaTa" not in card.split("## Limits")[0].split("micro Dice, valid")[1]


def test_the_card_names_the_precision():
    """Images that stand at a threshold are judged otherwise in another one."""
    assert "; computed in float16. The valid" in card_after(
        run_of(KNOWN, image_weights=""), precision="float16"
    )


def test_the_captions_are_those_that_were_compared():
    """Refined and original captions agree in 94 % of the bits: which they were changes the figure."""
    history = run_of(KNOWN, image_weights="")

    assert "against the original captions |" in card_after(history)
    refined = card_after(history, captions="refined", other_caption=3)
    assert "against the refined captions (3 images: the other ones) |" in refined


def test_the_card_that_ships_is_what_the_manifests_say():
    """The card is written once, at the export: a change of its words or of a figure must reach the shipped one."""
    shipped = (packaged_weights() / "MODEL_CARD.md").read_text()

    assert shipped == card_of(packaged_weights())


def test_the_image_check_is_described_by_its_own_manifest(monkeypatch):
    """An image check that was trained again has other figures: the card takes them from there."""
    manifest = read_image_check_manifest(packaged_image_check())
    measured = {
        "good": {"images": 400, "let_through": 399},
        "bad": {"mirrored": {"images": 200, "let_through": 25}},
    }
    other = manifest.model_copy(update={"metrics": measured})
    monkeypatch.setattr("training.release.model_card.read_image_check_manifest", lambda folder: other)

    card = card_of(packaged_weights())

    assert "refuses 0.2 % of good images, and lets 12.5 % of mirrored ones pass" in card
