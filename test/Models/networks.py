# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The PyTorch networks of the model zoo, with seeded random weights.

Fresh networks hide mistakes: a norm that scales by 1 and shifts by 0 may be left
out unseen, a head or a layer scale that starts at 0 silences all before it, and
running statistics of 0 and 1 soon send activations to 0 or infinity. So after
construction the running statistics are taken from random data, and every
parameter that is constant is made random.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn

# torchvision's file of this name registers kernels of its C++ part, which does
# not load beside a CPU-only PyTorch. No network needs it.
sys.modules.setdefault(
    "torchvision._meta_registrations", types.ModuleType("_meta_registrations")
)


@dataclass
class Network:
    """A module in eval mode, and how to call it.

    `make_inputs(sizes)` gives the inputs for some dim sizes; `dims` names for
    each input the dims that may vary, by axis; `sizes` are the ones exported
    with (at least 2 each, as the exporter fixes a dim that is 1).
    """

    module: nn.Module
    input_names: list[str]
    output_names: list[str]
    make_inputs: Callable[[dict[str, int]], tuple[torch.Tensor, ...]]
    sizes: dict[str, int]
    dims: list[dict[int, str]] = field(default_factory=list)


class First(nn.Module):
    """Calls a Hugging Face model by keyword, and returns one field of the result."""

    def __init__(self, model: nn.Module, names: list[str], output: str, **options):
        super().__init__()
        self.model = model
        self.names = names
        self.output = output
        self.options = options

    def forward(self, *inputs):
        named = dict(zip(self.names, inputs, strict=True))
        return getattr(self.model(**named, **self.options), self.output)


class ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, inputs),
            nn.SiLU(),
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.GroupNorm(8, outputs),
            nn.SiLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        self.skip = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x):
        return self.skip(x) + self.body(x)


class UNet(nn.Module):
    """Three levels; down by strided convolution, up by ConvTranspose."""

    def __init__(self, channels: tuple[int, ...] = (32, 64, 128)):
        super().__init__()
        first, middle, last = channels
        self.stem = nn.Conv2d(3, first, 3, padding=1)
        self.enter = nn.ModuleList(
            [ResidualBlock(first, first), ResidualBlock(middle, middle)]
        )
        self.down = nn.ModuleList(
            [
                nn.Conv2d(first, middle, 3, stride=2, padding=1),
                nn.Conv2d(middle, last, 3, stride=2, padding=1),
            ]
        )
        self.bottom = ResidualBlock(last, last)
        self.up = nn.ModuleList(
            [
                nn.ConvTranspose2d(last, middle, 2, stride=2),
                nn.ConvTranspose2d(middle, first, 4, stride=2, padding=1),
            ]
        )
        self.leave = nn.ModuleList(
            [ResidualBlock(2 * middle, middle), ResidualBlock(2 * first, first)]
        )
        self.head = nn.Conv2d(first, 4, 1)

    def forward(self, x):
        x = self.enter[0](self.stem(x))
        skips = [x]
        x = self.enter[1](self.down[0](x))
        skips.append(x)
        x = self.bottom(self.down[1](x))
        for up, leave in zip(self.up, self.leave, strict=True):
            x = leave(torch.cat([up(x), skips.pop()], dim=1))
        return self.head(x)


class Tagger(nn.Module):
    """A bidirectional 2-layer LSTM over embedded tokens, one label a token."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5000, 128)
        self.lstm = nn.LSTM(128, 192, 2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * 192, 17)

    def forward(self, tokens):
        return self.head(self.lstm(self.embedding(tokens))[0])


def _image_inputs(size: int) -> Callable:
    return lambda sizes: (torch.randn(sizes["batch"], 3, size, size),)


def _image(module: nn.Module, size: int = 224) -> Network:
    return Network(
        module, ["x"], ["y"], _image_inputs(size), {"batch": 2}, [{0: "batch"}]
    )


def _token_inputs(vocabulary: int, with_mask: bool) -> Callable:
    def make(sizes: dict[str, int]) -> tuple[torch.Tensor, ...]:
        batch, length = sizes["batch"], sizes["sequence"]
        tokens = torch.randint(0, vocabulary, (batch, length))
        if not with_mask:
            return (tokens,)
        # Each row is padded at its end, by a different number of tokens.
        mask = torch.ones(batch, length, dtype=torch.int64)
        for row in range(batch):
            mask[row, max(1, length - (11 + 7 * row) % length) :] = 0
        return tokens, mask

    return make


def _tokens(module, names, output, vocabulary, sizes) -> Network:
    return Network(
        module,
        names,
        [output],
        _token_inputs(vocabulary, with_mask=len(names) > 1),
        sizes,
        [{0: "batch", 1: "sequence"}] * len(names),
    )


def resnet50() -> Network:
    from torchvision.models import resnet50

    return _image(resnet50())


def mobilenet_v3_large() -> Network:
    from torchvision.models import mobilenet_v3_large

    return _image(mobilenet_v3_large())


def efficientnet_b0() -> Network:
    from torchvision.models import efficientnet_b0

    return _image(efficientnet_b0())


def convnext_tiny() -> Network:
    from torchvision.models import convnext_tiny

    return _image(convnext_tiny())


def vit_b_16() -> Network:
    from torchvision.models import vit_b_16

    return _image(vit_b_16())


def swin_t() -> Network:
    from torchvision.models import swin_t

    return _image(swin_t())


def bert_base() -> Network:
    from transformers import BertConfig, BertModel

    names = ["input_ids", "attention_mask"]
    config = BertConfig(attn_implementation="sdpa")
    module = First(BertModel(config, add_pooling_layer=False), names, _HIDDEN)
    return _tokens(
        module, names, _HIDDEN, config.vocab_size, {"batch": 2, "sequence": 128}
    )


def gpt2(layers: int = 12) -> Network:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(n_layer=layers, attn_implementation="sdpa")
    names = ["input_ids"]
    module = First(GPT2LMHeadModel(config), names, "logits", use_cache=False)
    return _tokens(
        module, names, "logits", config.vocab_size, {"batch": 2, "sequence": 64}
    )


def llama(layers: int = 12) -> Network:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=8192,
        hidden_size=768,
        intermediate_size=2048,
        num_hidden_layers=layers,
        num_attention_heads=12,
        num_key_value_heads=4,
        max_position_embeddings=512,
        attn_implementation="sdpa",
    )
    names = ["input_ids"]
    module = First(LlamaForCausalLM(config), names, "logits", use_cache=False)
    return _tokens(
        module, names, "logits", config.vocab_size, {"batch": 2, "sequence": 64}
    )


def whisper_tiny_encoder() -> Network:
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    config = WhisperConfig(
        d_model=384,
        encoder_layers=4,
        encoder_attention_heads=6,
        encoder_ffn_dim=1536,
        decoder_layers=4,
        attn_implementation="sdpa",
    )
    names = ["input_features"]
    return Network(
        First(WhisperEncoder(config), names, _HIDDEN),
        names,
        [_HIDDEN],
        lambda sizes: (torch.randn(sizes["batch"], 80, 3000),),
        {"batch": 1},
    )


def unet() -> Network:
    return _image(UNet(), 128)


def lstm_tagger() -> Network:
    return _tokens(Tagger(), ["tokens"], "labels", 5000, {"batch": 2, "sequence": 20})


_HIDDEN = "last_hidden_state"
NETWORKS: dict[str, Callable[[], Network]] = {
    make.__name__: make
    for make in (
        resnet50,
        mobilenet_v3_large,
        efficientnet_b0,
        convnext_tiny,
        vit_b_16,
        swin_t,
        bert_base,
        gpt2,
        llama,
        whisper_tiny_encoder,
        unet,
        lstm_tagger,
    )
}


def _settle_statistics(network: Network) -> None:
    """Sets the running statistics to those of random data."""
    norms = [m for m in network.module.modules() if isinstance(m, _BATCH_NORMS)]
    if not norms:
        return
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        network.module(*network.make_inputs({"batch": 4}))
    for norm in norms:
        deviation = norm.running_var.sqrt()
        norm.running_mean += 0.3 * deviation * torch.randn_like(deviation)
        norm.running_var *= torch.empty_like(deviation).uniform_(0.5, 1.5)


_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def _randomize_constants(module: nn.Module) -> None:
    """Makes every constant parameter random: scales around 1, shifts around 0."""
    with torch.no_grad():
        for parameter in module.parameters():
            first = parameter.flatten()[0].item()
            if not bool((parameter == first).all()):
                continue
            if first == 0.0:
                parameter.normal_(0.0, 0.1 if parameter.ndim == 1 else 0.02)
            elif first == 1.0:
                parameter.uniform_(0.5, 1.5)
            else:
                # A layer scale, which starts so small that its block is dead.
                parameter.uniform_(0.1, 0.5)


def build(name: str, seed: int, **options) -> Network:
    """A network of the zoo with its random weights, in eval mode. `options` are
    of the function of that name."""
    torch.manual_seed(seed)
    network = NETWORKS[name](**options)
    network.module.train()
    _randomize_constants(network.module)
    _settle_statistics(network)
    network.module.eval()
    return network
