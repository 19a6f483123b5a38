"""
BLEU and ROUGE-L of the generated sentences, as in the published code (torchmetrics, corpus BLEU).

The caption is the truth. The sentence has the words and the order of the captions. Both name the patient's sides; if
both named the image's sides, the scores would be the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from torchmetrics.functional.text import rouge_score
from torchmetrics.text import BLEUScore

from sgseg_dicom.zones import ZoneBits
from training.data import Item
from training.data.captions import caption_of

_LONGEST = 4  # words in an n-gram


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ReportCounts:
    """
    Numbers of each pair of sentences: enough for the scores of any choice of images.

    Attributes:
        patients: (N,) the patient of the image.
        matched, ngrams: (N, 4) n-grams of the sentence that the caption has too, and all n-grams of the sentence.
        words, true_words: (N,) lengths of sentence and caption.
        rouge_l: (N,) F-measure of the longest common subsequence.
    """

    patients: NDArray[np.str_]
    matched: NDArray[np.float64]
    ngrams: NDArray[np.float64]
    words: NDArray[np.float64]
    true_words: NDArray[np.float64]
    rouge_l: NDArray[np.float64]

    def take(self, places: NDArray[np.int64]) -> "ReportCounts":
        """Give the images at *places*; a place may occur more than once."""
        return ReportCounts(**{name: getattr(self, name)[places] for name in self.__slots__})


def count_reports(items: Sequence[Item], zones: Sequence[ZoneBits]) -> ReportCounts:
    """Compare the sentence for each image's *zones* with the caption of its item; every item must have one."""
    pairs = [
        _compare(caption_of(named), " ".join(item.caption.lower().split()))
        for item, named in zip(items, zones, strict=True)
    ]
    matched, ngrams, words, true_words, rouge = map(np.array, zip(*pairs, strict=True))
    return ReportCounts(
        patients=np.array([item.patient for item in items]),
        matched=matched,
        ngrams=ngrams,
        words=words,
        true_words=true_words,
        rouge_l=rouge,
    )


def report_metrics(counts: ReportCounts) -> dict[str, float]:
    """Give bleu_1 to bleu_4 over all sentences together, and the mean rouge_l."""
    words, true_words = counts.words.sum(), counts.true_words.sum()
    brevity = 0.0 if words >= true_words else 1 - true_words / max(1, words)
    # Where every sentence is shorter than n words, BLEU-n is 0, as in torchmetrics.
    precision = counts.matched.sum(axis=0) / np.maximum(1, counts.ngrams.sum(axis=0))
    with np.errstate(divide="ignore"):
        bleu = np.exp(brevity + np.cumsum(np.log(precision)) / np.arange(1, _LONGEST + 1))
    return {
        **{f"bleu_{n}": float(score) for n, score in enumerate(bleu, start=1)},
        "rouge_l": float(counts.rouge_l.mean()),
    }


@cache
def _compare(
    sentence: str, caption: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float, float]:
    bleu = BLEUScore(n_gram=_LONGEST)
    bleu.update([sentence], [[caption]])
    rouge = rouge_score(sentence, caption, rouge_keys="rougeL")["rougeL_fmeasure"]
    return (
        bleu.numerator.double().numpy(),
        bleu.denominator.double().numpy(),
        float(bleu.preds_len),
        float(bleu.target_len),
        float(rouge),
    )
