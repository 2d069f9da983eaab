"""A text tower and its tokeniser out of OpenCLIP, to what runs without torch; held against it."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.transformer import TextTransformer, text_global_pool
from torch import Tensor, nn

from clip_ranker.errors import ImportRefusedError
from clip_ranker.importing import export, parity, tokeniser
from clip_ranker.importing.tokeniser import TEXTS
from clip_ranker.models import store
from clip_ranker.models.text import TextEncoder, TextTower, Tokenizer


class TextSource:
    """The text tower of an OpenCLIP model.

    Args:
        model: name that OpenCLIP knows.
        clip: both towers in torch.
    """

    def __init__(self, model: str, clip: Any) -> None:
        self._model = model
        self._clip = clip

    @cached_property
    def tokeniser(self) -> Any:
        """OpenCLIP's own.

        Raises:
            ImportRefusedError: it cannot be had.
        """
        try:
            return open_clip.get_tokenizer(self._model)
        except Exception as error:  # transformers and hub clients raise what they like
            reason = str(error).partition("\n")[0]
            raise ImportRefusedError(
                f"--text: the tokeniser of {self._model} cannot be had: "
                f"{type(error).__name__}: {reason}"
            ) from error

    @cached_property
    def key(self) -> str:
        """``TextTower.key`` of what would be stored; raises ImportRefusedError."""
        return self._tower(Path()).key

    def write(self, folder: Path) -> tuple[TextTower, float]:
        """Writes graph and tokeniser; answers also the worst cosine against OpenCLIP.

        Raises:
            ImportRefusedError: tokens or vectors are not OpenCLIP's.
        """
        tower = self._tower(folder)
        tower.tokenizer.write_text(tokeniser.of(self.tokeniser))
        tokeniser.check(Tokenizer(tower.tokenizer, tower.cleaning), self.tokeniser)
        for short, module in self._modules():
            tower = replace(tower, short=short)
            example = torch.ones((2, 16 if short else tower.context_length), dtype=torch.int64)
            sizes = ("batch", "length") if short else ("batch",)
            unit = export.UnitLength(module)
            export.export(unit, example, tower.graph, takes="tokens", dynamic=sizes)
            try:
                return tower, self.compare(tower)
            except ImportRefusedError as error:
                refused = error
        raise refused

    def _tower(self, folder: Path) -> TextTower:
        weights = hashlib.sha256()
        for name, weight in sorted(self._clip.state_dict().items()):
            if not name.startswith(("visual.", "logit_")):
                weights.update(name.encode())
                weights.update(weight.detach().contiguous().numpy().data)
        return TextTower(
            graph=folder / store.TEXT_GRAPH,
            tokenizer=folder / store.TOKENIZER,
            context_length=self.tokeniser.context_length,
            cleaning=tokeniser.cleaning(self.tokeniser),
            short=True,
            digest=weights.hexdigest(),
            tokenizer_digest=hashlib.sha256(tokeniser.of(self.tokeniser).encode()).hexdigest(),
        )

    def _modules(self) -> Iterator[tuple[bool, nn.Module]]:
        """Ways to its vectors, cheapest first; whether short batches may stay short."""
        text = getattr(self._clip, "text", self._clip)
        if isinstance(text, TextTransformer | open_clip.CLIP):
            if text.attn_mask is not None and getattr(text, "cls_emb", None) is None:
                yield True, _Causal(text)
        else:
            yield True, _Whole(self._clip)
        yield False, _Whole(self._clip)

    def compare(self, tower: TextTower) -> float:
        """The worst cosine against OpenCLIP; raises ImportRefusedError if it is not the same."""
        with torch.no_grad():
            wanted = self._clip.encode_text(self.tokeniser(list(TEXTS))).numpy()
        got = TextEncoder(tower)(TEXTS)
        worst = float(np.min([parity.cosine(*pair) for pair in zip(got, wanted, strict=True)]))
        if not worst >= parity.MIN_COSINE:  # NaN is no match either
            raise ImportRefusedError(
                f"--text: the export does not match its source on {len(TEXTS)} texts: worst "
                f"cosine {worst:.7f} (at least {parity.MIN_COSINE} is wanted); nothing was stored"
            )
        return worst


class _Whole(nn.Module):
    """OpenCLIP's own way."""

    def __init__(self, clip: Any) -> None:
        super().__init__()
        self.clip = clip

    def forward(self, tokens: Tensor) -> Tensor:
        features: Tensor = self.clip.encode_text(tokens)
        return features


class _Causal(nn.Module):
    """OpenCLIP's text transformer that looks back only: what fills up behind a text can go."""

    def __init__(self, text: Any) -> None:
        super().__init__()
        self.text = text
        self.pool = text.text_pool_type if isinstance(text, open_clip.CLIP) else text.pool_type
        self.end = text.text_eos_id if isinstance(text, open_clip.CLIP) else text.eos_id

    def forward(self, tokens: Tensor) -> Tensor:
        text, length = self.text, tokens.shape[1]
        states = text.token_embedding(tokens) + text.positional_embedding[:length]
        states = text.transformer(states, attn_mask=text.attn_mask[:length, :length])
        pooled: Tensor = text_global_pool(text.ln_final(states), tokens, self.pool, self.end)
        projection = text.text_projection
        if isinstance(projection, nn.Linear):
            pooled = projection(pooled)
        elif projection is not None:
            pooled = pooled @ projection
        return pooled
