"""Key-semantic attention (paper Sec. 3): one dictionary per stage, interchangeable back ends.

A stage calls `build_dictionary(tokens, k)` once; each of its layers passes the result to
`attend(q, k, v, dictionary, bias_table, window)`.
"""

from semanir.attention.dense import AllKeys
from semanir.attention.dictionary import Dictionary, NonFiniteTokensError, build_dictionary
from semanir.attention.dispatch import BACKENDS, Keys, attend

__all__ = [
    "BACKENDS",
    "AllKeys",
    "Dictionary",
    "Keys",
    "NonFiniteTokensError",
    "attend",
    "build_dictionary",
]
