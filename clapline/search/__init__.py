"""Search over embeddings: all pairs above a threshold, or the k nearest.

Passes in low precision only propose pairs, with a proven margin (`bound`). Each pair that may count is computed again
on its own, summed in float64 and rounded to float32, and that number decides. So neither block sizes nor threads,
device or kind of pass change a pair, a similarity or an order. Memory holds some blocks and the result. Cost: n·m·dim
multiplications and one look at each product; dim multiplications more for each pair proposed.
"""

from clapline.search.engine import EXACT, Engine
from clapline.search.pairs import highest_similarity, recall, similarities, threshold_blocks, threshold_pairs, top_k
from clapline.search.rows import Rows, as_rows

__all__ = [
    "EXACT",
    "Engine",
    "Rows",
    "as_rows",
    "highest_similarity",
    "recall",
    "similarities",
    "threshold_blocks",
    "threshold_pairs",
    "top_k",
]
