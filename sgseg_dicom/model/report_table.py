"""Embedded reports for the decoder: the text encoder, and the table of all 64 reports that replaces it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sgseg_dicom.zones import REPORT_COUNT, ZONES, report_of, zones_at

TOKENS = 24
"""Length of every report in tokens, padding included. The longest report of the captions' grammar has 22."""


class TextEncoder(nn.Module):
    """
    A frozen BERT (paper: CXR-BERT; compact: MiniLM), token by token.

    It runs in training and at export only. At inference the table replaces it.
    """

    def __init__(self, bert: nn.Module, tokenizer: Any) -> None:
        super().__init__()
        self.bert = bert.eval().requires_grad_(False)
        self.tokenizer = tokenizer

    @torch.inference_mode()
    def forward(self, reports: Sequence[str]) -> Tensor:
        """
        Embed reports -> (B, 24, width). Padding positions are 0, so that they add nothing later.

        Raises:
            ValueError: a report has more than 24 tokens.
        """
        states, present = self.states_and_mask(reports)
        return states * present

    @torch.inference_mode()
    def states_and_mask(self, reports: Sequence[str]) -> tuple[Tensor, Tensor]:
        """
        Embed reports -> (B, 24, width), and a mask (B, 24, 1): 1 for a token, 0 for padding.

        Raises:
            ValueError: a report has more than 24 tokens.
        """
        tokens = self.tokenizer(list(reports), padding="max_length", max_length=TOKENS, return_tensors="pt")
        if tokens["input_ids"].shape[1] > TOKENS:
            raise ValueError(f"a report has {tokens['input_ids'].shape[1]} tokens; at most {TOKENS} fit")
        present: Tensor = tokens["attention_mask"]
        states: Tensor = self.bert(input_ids=tokens["input_ids"], attention_mask=present).last_hidden_state
        return states, present.unsqueeze(-1)


class ReportTable(nn.Module):
    """
    The embeddings of all 64 reports, (64, 24, width), in the order of `sgseg_dicom.zones.index_of`.

    The grammar knows 64 reports, and the text encoder is frozen. To look a report up is therefore the same as to
    encode it, and the expectation over all reports is differentiable. No text encoder runs at inference.
    """

    embeddings: Tensor
    bits: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("embeddings", torch.zeros(REPORT_COUNT, TOKENS, width))
        bits = torch.tensor([zones_at(index) for index in range(REPORT_COUNT)], dtype=torch.float32)
        self.register_buffer("bits", bits, persistent=False)

    @torch.no_grad()
    def fill(self, encoder: TextEncoder) -> None:
        """Embed the 64 reports with *encoder*, rounded to half precision as in a weights file."""
        reports = [report_of(zones_at(index)) for index in range(REPORT_COUNT)]
        self.embeddings.copy_(encoder(reports).half())

    def soft(self, zone_logits: Tensor) -> Tensor:
        """
        Give the expected embedding E[T] = sum_v P(v) T(v) over the 64 reports.

        Args:
            zone_logits: (B, 6); P(v) is the product of the six zones' probabilities.

        Returns:
            (B, 24, width)
        """
        # In full precision also where the rest is not: a product of six probabilities has no room for rounding.
        with torch.autocast(zone_logits.device.type, enabled=False):
            logits = zone_logits.float()
            present, absent = nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits)
            log_p = present @ self.bits.T + absent @ (1 - self.bits).T
            return torch.einsum("bv,vtd->btd", log_p.exp(), self.embeddings)

    def hard(self, zones: Tensor) -> Tensor:
        """Look up the report of zones (B, 6), 0 or 1 -> (B, 24, width)."""
        place = 2 ** torch.arange(len(ZONES), device=zones.device)
        return self.embeddings[(zones.long() * place).sum(dim=1)]

    def none(self, batch: int) -> Tensor:
        """Give the empty report, all padding -> (batch, 24, width)."""
        return torch.zeros_like(self.embeddings[:1]).expand(batch, -1, -1)
