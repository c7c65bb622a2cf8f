"""Pictures with what belongs to them, as `semanir restore` reads and writes them.

The decoder is that of the data sets, `data_prep.pictures`.
"""

from data_prep.pictures import (
    Picture,
    check_output,
    is_picture,
    read_picture,
    resized,
    turn,
    write_picture,
)

__all__ = [
    "Picture",
    "check_output",
    "is_picture",
    "read_picture",
    "resized",
    "turn",
    "write_picture",
]
