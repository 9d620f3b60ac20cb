"""The tiny model: Llama's architecture as llama.cpp computes it.

RoPE turns the interleaved pairs (0,1), (2,3)... that llama.cpp's "llama"
architecture turns, so no rows are permuted on export. The embedding is tied to
the output. K has a bias, as in Qwen2.
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Config:
    vocabulary: int = 512
    width: int = 192
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    ffn: int = 512
    context: int = 4096
    rope_base: float = 10000.0
    epsilon: float = 1e-5
    planted_channels: int = 3   # per KV head
    planted_bias: float = 8.0


def attention(q, k, v):
    """Causal attention; torch before 2.0 has no fused one."""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    hidden = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).triu(1)
    logits = (q @ k.transpose(2, 3)) * q.shape[3] ** -0.5
    return logits.masked_fill(hidden, float("-inf")).softmax(3) @ v


def rope_angles(config, tokens, device):
    frequency = config.rope_base ** (-torch.arange(0, config.head_dim, 2, device=device).double() / config.head_dim)
    angle = torch.arange(tokens, device=device).double()[:, None] * frequency
    return angle.cos().float(), angle.sin().float()


def rotate(x, cos, sin):
    even, odd = x[..., 0::2].float(), x[..., 1::2].float()
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2).to(x.dtype)


class RmsNorm(nn.Module):
    def __init__(self, width, epsilon):
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon

    def forward(self, x):
        x32 = x.float()
        return x32 * (x32.square().mean(-1, keepdim=True) + self.epsilon).rsqrt() * self.weight


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        inner, kv_inner = config.heads * config.head_dim, config.kv_heads * config.head_dim
        self.attention_norm = RmsNorm(config.width, config.epsilon)
        self.q = nn.Linear(config.width, inner, bias=False)
        self.k = nn.Linear(config.width, kv_inner, bias=True)
        self.v = nn.Linear(config.width, kv_inner, bias=False)
        self.o = nn.Linear(inner, config.width, bias=False)
        self.ffn_norm = RmsNorm(config.width, config.epsilon)
        self.gate = nn.Linear(config.width, config.ffn, bias=False)
        self.up = nn.Linear(config.width, config.ffn, bias=False)
        self.down = nn.Linear(config.ffn, config.width, bias=False)

    def forward(self, x, cos, sin, change):
        c, (batch, tokens, _) = self.config, x.shape
        y = self.attention_norm(x)
        q, k, v = (projection(y).view(batch, tokens, -1, c.head_dim).transpose(1, 2)
                   for projection in (self.q, self.k, self.v))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if change:
            k, v = change(k, v)
        k, v = (t.repeat_interleave(c.heads // c.kv_heads, 1) for t in (k, v))
        x = x + self.o(attention(q, k, v).transpose(1, 2).flatten(2))
        y = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class TinyModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = RmsNorm(config.width, config.epsilon)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                shrink = (2 * config.layers) ** -0.5 if name.endswith(("o.weight", "down.weight")) else 1
                nn.init.normal_(parameter, std=0.04 * shrink)
        self.plant_outliers()

    @torch.no_grad()
    def plant_outliers(self):
        """Gives K the outlier channels that real models have and a short training does not grow.

        The lowest RoPE frequencies turn by about a radian over the whole
        context, so a bias there stays in its channel, and shifts the logits of
        all keys almost alike.
        """
        c = self.config
        for number, layer in enumerate(self.layers):
            layer.k.bias.zero_()
            for head in range(c.kv_heads):
                for i in range(c.planted_channels):
                    channel = (head + 1) * c.head_dim - 1 - (2 * i + (number + head + i) % 2)
                    layer.k.bias[channel] = c.planted_bias * (-1) ** (number + head + i)

    def forward(self, ids, change=None):
        """Logits; `change(k, v)`, where given, alters each layer's cache (after RoPE)."""
        cos, sin = rope_angles(self.config, ids.shape[1], ids.device)
        x = self.embedding(ids)
        for layer in self.layers:
            x = layer(x, cos, sin, change)
        return F.linear(self.norm(x), self.embedding.weight)


def load(path, device="cpu"):
    saved = torch.load(path, map_location=device)
    model = TinyModel(Config(**saved["config"])).to(device)
    model.load_state_dict(saved["state"])
    return model.eval(), saved
