"""DINOv2 ViT-S/14 (Oquab et al. 2023, 2304.07193) with the names of its own files."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganworks.pretrained.architectures.backbone import Backbone

WIDTH, DEPTH, HEADS, PATCH, SIDE, EPS = 384, 12, 6, 14, 37, 1e-6


class _Attention(nn.Module):
    """Every position looks at every other."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        batch, count, _ = x.shape
        q, k, v = self.qkv(x).reshape(batch, count, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, count, WIDTH))


class _Dense(nn.Module):
    """Four times the width and back."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class _Scale(nn.Module):
    """A factor for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class _Block(nn.Module):
    """Attention, then a dense layer, each normed before, scaled and added."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attn, self.ls1 = nn.LayerNorm(WIDTH, EPS), _Attention(), _Scale()
        self.norm2, self.mlp, self.ls2 = nn.LayerNorm(WIDTH, EPS), _Dense(), _Scale()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class _Patches(nn.Module):
    """The picture in squares of 14 px."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, WIDTH, PATCH, PATCH)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x)


class DINOv2Small(Backbone):
    """Stages: 384 channels at 1/14 of the side, after blocks 3, 6, 9 and 12; pooled: the normed class position."""

    architecture, dim, heads = "dinov2_vits14", WIDTH, ("mask_token", "head.")
    names, channels, multiple = ("blocks.2", "blocks.5", "blocks.8", "blocks.11"), (WIDTH,) * 4, PATCH
    probe = (("patch_embed.proj.weight", (WIDTH, 3, PATCH, PATCH)), ("pos_embed", (1, 1 + SIDE * SIDE, WIDTH)))

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + SIDE * SIDE, WIDTH))
        self.patch_embed = _Patches()
        self.blocks = nn.ModuleList(_Block() for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH, EPS)

    def stages(self, x: Tensor) -> list[Tensor]:
        return [self._map(tokens, x) for tokens in self._tokens(x)]

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self._tokens(x)[-1])[:, 0]

    def _tokens(self, x: Tensor) -> list[Tensor]:
        """Class position and patches [B, 1 + n, C] after every third block."""
        patches = self.patch_embed(x)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), patches.flatten(2).transpose(1, 2)], 1)
        x, found = x + self._places(*patches.shape[2:]), []
        for number, block in enumerate(self.blocks, 1):
            x = block(x)
            if number % 3 == 0:
                found.append(x)
        return found

    def _places(self, height: int, width: int) -> Tensor:
        """The learned places of 37x37 patches, scaled (bicubic) to the patches of this picture.

        The factor has 0.1 patches added, as in the authors' code, which was trained so.
        """
        if (height, width) == (SIDE, SIDE):
            return self.pos_embed
        grid = self.pos_embed[:, 1:].reshape(1, SIDE, SIDE, WIDTH).permute(0, 3, 1, 2)
        factors = (height + 0.1) / SIDE, (width + 0.1) / SIDE
        grid = F.interpolate(grid, scale_factor=factors, mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], grid.flatten(2).transpose(1, 2)], 1)

    @staticmethod
    def _map(tokens: Tensor, x: Tensor) -> Tensor:
        return tokens[:, 1:].transpose(1, 2).reshape(len(x), WIDTH, x.shape[2] // PATCH, x.shape[3] // PATCH)
