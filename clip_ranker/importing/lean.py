"""Towers that do the same with less work. Exact in real numbers; the parity check holds them so.

The stored graph takes bytes, uint8 (batch, height, width, 3), so that no float pixels are made in
Python. For OpenCLIP's plain vision transformer with a class token there is more:

- normalisation and patch convolution become one matrix product;
- of the last block only the class token is computed, with neither keys nor values: nothing else is
  read (7.9 % of ViT-B/32's multiply-adds);
- the bias of the keys goes: it adds the same to all scores of a query, which softmax ignores;
- the bias of the values moves behind the output projection, because attention sums to one;
- the attention's scale moves into the weights of the queries;
- attention in the others is one operator of ONNX Runtime, without the copies between layouts.
"""

import torch
from open_clip import transformer as clip
from torch import Tensor, nn

from clip_ranker.importing import views
from clip_ranker.importing.sources import Source
from clip_ranker.models.preprocess import Preprocess


def towers(source: Source) -> dict[str, nn.Module]:
    """Towers from bytes to embeddings, leanest first, by name; the last fits every source."""
    if (one := source.view) is not None:
        return {name: views.Summed(of, one.preprocess) for name, of in towers(one).items()}
    found: dict[str, nn.Module] = {}
    visual = getattr(source.tower, "features", None)
    if isinstance(visual, clip.VisionTransformer) and _is_plain(visual, source.preprocess):
        found["lean"] = LeanViT(visual, source.preprocess)
    return found | {"plain": FromBytes(source.tower, source.preprocess)}


class FromBytes(nn.Module):
    """Any tower, with the normalisation inside."""

    def __init__(self, tower: nn.Module, preprocess: Preprocess) -> None:
        super().__init__()
        self.tower = tower
        mean, std = _mean_and_std(preprocess)
        self.scale = nn.Parameter((1 / (255 * std)).float())
        self.shift = nn.Parameter((-mean / std).float())

    def forward(self, pixels: Tensor) -> Tensor:
        channels_first = pixels.permute(0, 3, 1, 2).float()
        embeddings: Tensor = self.tower(channels_first * self.scale + self.shift)
        return embeddings


class LeanViT(nn.Module):
    """OpenCLIP's plain vision transformer with a class token; can be exported, not run."""

    def __init__(self, visual: clip.VisionTransformer, preprocess: Preprocess) -> None:
        super().__init__()
        mean, std = _mean_and_std(preprocess)
        convolution = visual.conv1.weight.detach().double()
        position = visual.positional_embedding.detach()
        self.patch_size = visual.patch_size
        # A patch lies in memory row by row, and in a row pixel by pixel.
        rows = (convolution / (255 * std)).permute(2, 3, 1, 0).flatten(0, 2)
        self.patches = nn.Parameter(rows.float().contiguous())
        shift = -(convolution * mean / std).sum((1, 2, 3))
        self.position = nn.Parameter((position[1:] + shift).float())
        self.first = nn.Parameter((visual.class_embedding.detach() + position[0])[None, None])
        self.ln_pre = visual.ln_pre
        *before, last = visual.transformer.resblocks
        self.blocks = nn.ModuleList(_ForAllTokens(block) for block in before)
        self.last = _ForClassToken(last)
        self.ln_post = visual.ln_post
        self.proj = visual.proj

    def forward(self, pixels: Tensor) -> Tensor:
        batch, height, width, _ = pixels.shape
        down, across = self.patch_size
        grid = pixels.reshape(batch, height // down, down, width // across, across, 3)
        patches = grid.transpose(2, 3).flatten(3).flatten(1, 2).float()
        tokens = patches @ self.patches + self.position
        tokens = self.ln_pre(torch.cat([self.first.expand(batch, -1, -1), tokens], dim=1))
        for block in self.blocks:
            tokens = block(tokens)
        pooled = self.ln_post(self.last(tokens)[:, 0])
        if self.proj is not None:
            pooled = pooled @ self.proj
        return nn.functional.normalize(pooled, dim=-1)


class _Block(nn.Module):
    """A residual attention block, but for its keys and values."""

    def __init__(self, block: clip.ResidualAttentionBlock) -> None:
        super().__init__()
        attention = block.attn
        width = attention.embed_dim
        self.heads = attention.num_heads
        scale = (width // self.heads) ** -0.5
        query, _, _ = attention.in_proj_weight.detach().chunk(3)
        query_bias, _, value_bias = attention.in_proj_bias.detach().chunk(3)
        out, out_bias = attention.out_proj.weight.detach(), attention.out_proj.bias.detach()
        behind = out_bias + (out.double() @ value_bias.double()).float()
        self.query = _linear(query * scale, query_bias * scale)
        self.out = _linear(out, behind)
        self.ln_1, self.ls_1 = block.ln_1, block.ls_1
        self.ln_2, self.mlp, self.ls_2 = block.ln_2, block.mlp, block.ls_2

    def onward(self, tokens: Tensor, attended: Tensor) -> Tensor:
        """All that comes behind the attention."""
        tokens = tokens + self.ls_1(self.out(attended))
        result: Tensor = tokens + self.ls_2(self.mlp(self.ln_2(tokens)))
        return result


class _ForAllTokens(_Block):
    def __init__(self, block: clip.ResidualAttentionBlock) -> None:
        super().__init__(block)
        _, key, value = block.attn.in_proj_weight.detach().chunk(3)
        self.key, self.value = _linear(key), _linear(value)

    def forward(self, tokens: Tensor) -> Tensor:
        seen = self.ln_1(tokens)
        query = self.query(seen)
        attended = torch.onnx.ops.symbolic(
            "com.microsoft::MultiHeadAttention",
            (query, self.key(seen), self.value(seen)),
            attrs={"num_heads": self.heads, "scale": 1.0},
            dtype=query.dtype,
            shape=query.shape,
            version=1,
        )
        return self.onward(tokens, attended)


class _ForClassToken(_Block):
    """A block for the class token alone, which attends to all.

    The projections to keys and values are absorbed into the query and the output: head h computes
    (q W_h) x instead of q (W_h x), for the class token's one query instead of for all tokens.
    """

    def __init__(self, block: clip.ResidualAttentionBlock) -> None:
        super().__init__(block)
        width = block.attn.embed_dim
        _, key, value = (
            one.reshape(self.heads, -1, width)
            for one in block.attn.in_proj_weight.detach().chunk(3)
        )
        self.keys = nn.Parameter(key.clone())  # (heads, width of a head, width)
        self.values = nn.Parameter(value.mT.contiguous())  # (heads, width, width of a head)

    def forward(self, tokens: Tensor) -> Tensor:
        first, seen = tokens[:, :1], self.ln_1(tokens)
        # A norm of its own, not the first of ``seen``: one that feeds nothing but a product by
        # constants can be smoothed for 8 bits.
        query = self.query(self.ln_1(first)).reshape(-1, *self.keys.shape[:2])
        query_by_keys = (query.transpose(0, 1) @ self.keys).transpose(0, 1)  # (batch, heads, width)
        attention = (query_by_keys @ seen.mT).softmax(dim=-1)
        mean_tokens = (attention @ seen).transpose(0, 1)  # (heads, batch, width)
        attended = (mean_tokens @ self.values).transpose(0, 1).flatten(1)[:, None]
        return self.onward(first, attended)


def _mean_and_std(preprocess: Preprocess) -> Tensor:
    """Double (2, 3, 1, 1): of each channel, on a scale of 0 to 1."""
    return torch.tensor((preprocess.mean, preprocess.std), dtype=torch.float64)[..., None, None]


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    linear.weight = nn.Parameter(weight.clone())
    if bias is not None:
        linear.bias = nn.Parameter(bias)
    return linear


def _is_plain(visual: clip.VisionTransformer, preprocess: Preprocess) -> bool:
    """Whether it is built of nothing but what ``LeanViT`` knows."""
    down, across = visual.patch_size
    return (
        type(visual.transformer) is clip.Transformer
        and visual.attn_pool is None
        and visual.pool_type == "tok"
        and preprocess.height % down == 0
        and preprocess.width % across == 0
        and {type(block) for block in visual.transformer.resblocks} == {clip.ResidualAttentionBlock}
    )
