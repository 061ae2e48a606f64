#!/usr/bin/env bash
# torch 2.13.0, CPU without AVX-512 (or oneDNN limited to AVX2): nn.LSTM raises under bf16 autocast.
#
# One would guess: autocast on a CPU casts what it can and leaves the rest in float32, so that a network that runs in float32
# runs under autocast as well; and if bf16 were not supported for an LSTM, a module with bf16 weights would fail, too.
#
# Seen: nn.LSTM(8, 16) in float32 under torch.autocast("cpu", torch.bfloat16) raises RuntimeError "could not create a primitive
# descriptor for the LSTM forward propagation primitive", with and without gradients. The same LSTM with its weights cast to bf16
# runs, and so do nn.GRU, nn.LSTMCell, nn.Linear, and the LSTM under autocast with oneDNN switched off.
# A calibration that times both precisions has to expect an error as well as a slow result.
#
# Fails when that changes. Needs Python 3.11+ and the network; installs into a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cat > "$folder/seen.py" <<'PY'
import warnings

import torch
from torch import nn

warnings.simplefilter("ignore")
x = torch.randn(4, 7, 8)


def under_autocast(net, given, onednn=True):
    """Whether a float32 module runs under bf16 autocast: "runs", or the first words of its error."""
    try:
        with torch.backends.mkldnn.flags(enabled=onednn), torch.autocast("cpu", torch.bfloat16):
            net(given)
    except RuntimeError as error:
        return str(error).split(".")[0]
    return "runs"


refused = "could not create a primitive descriptor for the LSTM forward propagation primitive"
seen = {
    "LSTM": under_autocast(nn.LSTM(8, 16), x),
    "LSTM, no gradients": under_autocast(nn.LSTM(8, 16).requires_grad_(False), x),
    "LSTM, oneDNN off": under_autocast(nn.LSTM(8, 16), x, onednn=False),
    "GRU": under_autocast(nn.GRU(8, 16), x),
    "LSTMCell": under_autocast(nn.LSTMCell(8, 16), x[0]),
    "Linear": under_autocast(nn.Linear(8, 16), x),
}
nn.LSTM(8, 16).bfloat16()(x.bfloat16())
seen["LSTM with bf16 weights, no autocast"] = "runs"
for name, what in seen.items():
    print(f"{name:36} {what}")
assert seen.pop("LSTM") == refused and seen.pop("LSTM, no gradients") == refused
assert set(seen.values()) == {"runs"}
PY
ONEDNN_MAX_CPU_ISA=AVX2 "$folder/venv/bin/python" "$folder/seen.py"
echo "As described, torch 2.13.0."
