"""TRM as one would write it from the official code, in one file: the plain version that tinyrec is
measured against.

Nothing here is slow on purpose. Weights are cast at every use, the token mixer transposes back and
forth, the moving average is a loop over the parameters: what the official repository does. It
shares no code with tinyrec; a model of tinyrec with the same settings has parameters of the same
names, so either can load the other's weights.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


class CastedLinear(nn.Module):
    def __init__(self, inputs, outputs, bias=False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / math.sqrt(inputs))
        self.bias = nn.Parameter(torch.full((outputs,), -5.0)) if bias else None

    def forward(self, h):
        bias = None if self.bias is None else self.bias.to(h.dtype)
        return F.linear(h, self.weight.to(h.dtype), bias)


class SwiGLU(nn.Module):
    def __init__(self, size, expansion=4, multiple=256):
        super().__init__()
        inner = math.ceil(round(expansion * size * 2 / 3) / multiple) * multiple
        self.gate_up = CastedLinear(size, 2 * inner)
        self.down = CastedLinear(inner, size)

    def forward(self, h):
        gate, up = self.gate_up(h).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


def rms_norm(h, eps=1e-5):
    wide = h.to(torch.float32)
    variance = wide.square().mean(-1, keepdim=True)
    return (wide * torch.rsqrt(variance + eps)).to(h.dtype)


class Attention(nn.Module):
    def __init__(self, width, heads, positions):
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.qkv = CastedLinear(width, 3 * width)
        self.out = CastedLinear(width, width)
        frequencies = 1 / 10000 ** (torch.arange(0, self.head_width, 2) / self.head_width)
        angles = torch.outer(torch.arange(positions).float(), frequencies)
        angles = torch.cat((angles, angles), dim=-1)
        self.register_buffer("cos", angles.cos()[None, :, None], persistent=False)
        self.register_buffer("sin", angles.sin()[None, :, None], persistent=False)

    def rotate(self, h):
        first, second = h.chunk(2, dim=-1)
        return (h * self.cos + torch.cat((-second, first), dim=-1) * self.sin).to(h.dtype)

    def forward(self, h):
        batch, positions, width = h.shape
        qkv = self.qkv(h).view(batch, positions, 3 * self.heads, self.head_width)
        query, key, value = qkv.split(self.heads, dim=2)
        query, key, value = (
            part.transpose(1, 2) for part in (self.rotate(query), self.rotate(key), value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2)
        return self.out(mixed.reshape(batch, positions, width))


class Block(nn.Module):
    def __init__(self, mixing, width, heads, positions):
        super().__init__()
        if mixing == "mlp":
            self.token_mixer = SwiGLU(positions)
        else:
            self.attention = Attention(width, heads, positions)
        self.channel_mixer = SwiGLU(width)

    def forward(self, h):
        if hasattr(self, "token_mixer"):
            h = h.transpose(1, 2)
            h = rms_norm(h + self.token_mixer(h))
            h = h.transpose(1, 2)
        else:
            h = rms_norm(h + self.attention(h))
        return rms_norm(h + self.channel_mixer(h))


class Embedding(nn.Module):
    def __init__(self, vocab, width):
        super().__init__()
        self.tokens = nn.Parameter(torch.randn(vocab, width) / math.sqrt(width))


class Heads(nn.Module):
    def __init__(self, vocab, width):
        super().__init__()
        self.cells = CastedLinear(width, vocab)
        self.halt = CastedLinear(width, 2, bias=True)


class TextbookTRM(nn.Module):
    """The TRM of tinyrec's TRMConfig with one network, two states and the full gradient."""

    def __init__(self, config):
        super().__init__()
        self.config = c = config
        self.embed = Embedding(c.vocab, c.width)
        positions = c.prefix + c.length
        self.network = nn.ModuleList(
            Block(c.mixing, c.width, c.heads, positions) for _ in range(c.layers)
        )
        self.heads = Heads(c.vocab, c.width)
        self.register_buffer("start", torch.randn(2, c.width))

    def call(self, state, injected):
        h = state + injected
        for block in self.network:
            h = block(h)
        return h

    def forward(self, tokens, y, z):
        c = self.config
        embedded = F.embedding(tokens, self.embed.tokens.to(y.dtype))
        front = torch.zeros(len(tokens), c.prefix, c.width, dtype=y.dtype, device=y.device)
        x = math.sqrt(c.width) * torch.cat((front, embedded), dim=1)
        with torch.no_grad():
            for _ in range(c.recursions - 1):
                for _ in range(c.latent_steps):
                    z = self.call(z, y + x)
                y = self.call(y, z)
        for _ in range(c.latent_steps):
            z = self.call(z, y + x)
        y = self.call(y, z)
        logits = self.heads.cells(y)[:, c.prefix :]
        q = self.heads.halt(y[:, 0]).to(torch.float32)
        return y.detach(), z.detach(), logits, q


class Textbook:
    """The official training loop: a carry of slots, a segment, the loss, AdamW, a moving average of
    the weights.
    """

    def __init__(
        self, model, optimizer, dtype, ema, exploration=0.1, compiled=False, generator=None
    ):
        self.model, self.optimizer, self.ema, self.exploration = model, optimizer, ema, exploration
        self.dtype, self.generator, self.carry = dtype, generator, None
        self.forward = torch.compile(model, dynamic=False) if compiled else model
        self.shadow = {name: p.data.clone() for name, p in model.named_parameters()}

    def step(self, x, y):
        """One segment for every slot; returns the loss per slot."""
        c, batch, device = self.model.config, len(x), x.device
        if self.carry is None:
            state = torch.empty(
                2, batch, c.prefix + c.length, c.width, dtype=self.dtype, device=device
            )
            steps = torch.zeros(batch, dtype=torch.int32, device=device)
            halted = torch.ones(batch, dtype=torch.bool, device=device)
            self.carry = (*state, x, y, steps, halted)
        answer, latent, tokens, labels, steps, halted = self.carry
        start = self.model.start.to(self.dtype)
        answer = torch.where(halted.view(-1, 1, 1), start[0], answer)
        latent = torch.where(halted.view(-1, 1, 1), start[1], latent)
        tokens = torch.where(halted.view(-1, 1), x, tokens)
        labels = torch.where(halted.view(-1, 1), y, labels)
        steps = torch.where(halted, 0, steps)

        answer, latent, logits, q = self.forward(tokens, answer, latent)

        with torch.no_grad():
            steps = steps + 1
            last = steps >= c.segments
            halted = last | (q[:, 0] > 0)
            explore = torch.rand(batch, device=device, generator=self.generator) < self.exploration
            draw = torch.randint(
                2, c.segments + 1, (batch,), device=device, generator=self.generator
            )
            halted = halted & (steps >= explore * draw)
            self.carry = (answer, latent, tokens, labels, steps, halted)
            right = (logits.argmax(-1) == labels).all(-1)
        loss = stablemax_cross_entropy(logits, labels).mean(-1).sum()
        loss = loss + 0.5 * F.binary_cross_entropy_with_logits(
            q[:, 0], right.to(q.dtype), reduction="sum"
        )
        (loss / batch).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        for name, p in self.model.named_parameters():
            self.shadow[name] = self.ema * self.shadow[name] + (1 - self.ema) * p.data
        return loss.detach() / batch


def stablemax_cross_entropy(logits, labels):
    logits = logits.to(torch.float64)
    s = torch.where(logits < 0, 1 / (1 - logits + 1e-30), logits + 1)
    log_p = torch.log(s / s.sum(-1, keepdim=True))
    return -log_p.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
