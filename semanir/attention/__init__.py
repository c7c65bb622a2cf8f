"""Key-semantic attention (paper Sec. 3): one dictionary per stage, interchangeable back ends.

A stage calls `build_dictionary(tokens, k)` once; each of its layers passes the result to
`attend(q, k, v, dictionary, bias_table, window)`. torch is imported with the first of these names,
so that the list of back ends (backends.py) can be read without it.
"""

from typing import TYPE_CHECKING, Any

from semanir.attention.backends import BACKENDS

if TYPE_CHECKING:
    from semanir.attention.dense import AllKeys
    from semanir.attention.dictionary import Dictionary, NonFiniteTokensError, build_dictionary
    from semanir.attention.dispatch import Keys, attend

__all__ = [
    "BACKENDS",
    "AllKeys",
    "Dictionary",
    "Keys",
    "NonFiniteTokensError",
    "attend",
    "build_dictionary",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from semanir.attention.dense import AllKeys
    from semanir.attention.dictionary import Dictionary, NonFiniteTokensError, build_dictionary
    from semanir.attention.dispatch import Keys, attend

    imported = (AllKeys, Dictionary, NonFiniteTokensError, build_dictionary, attend)
    globals().update({value.__name__: value for value in imported}, Keys=Keys)
    return globals()[name]
