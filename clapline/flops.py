"""Counted arithmetic: floating-point operations of products, convolutions and attention."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count


def flop_counter() -> FlopCounterMode:
    """Return torch's counter of operations, which by itself would pass over fused attention on a CPU."""
    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    fused_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
    counts = {
        fused: lambda query, key, value, *_, **__: sdpa_flop_count(query, key, value),
        fused_backward: lambda grad, query, key, value, *_, **__: sdpa_backward_flop_count(grad, query, key, value),
    }
    return FlopCounterMode(display=False, custom_mapping=counts)
