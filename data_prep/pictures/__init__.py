"""Picture files: the one decoder of the project, and the encoder of what it restores.

One rule: exact, or refused by name. `read_picture` gives the very numbers of a file with what
belongs to them; what it cannot give so is an InputError that says what was found.
"""

from data_prep.pictures.decode import read_picture, shown_size
from data_prep.pictures.encode import check_output, write_picture
from data_prep.pictures.picture import ENDINGS, Picture, is_picture, resized, see_through, turn
from data_prep.pictures.png import is_plain_png

__all__ = [
    "ENDINGS",
    "Picture",
    "check_output",
    "is_picture",
    "is_plain_png",
    "read_picture",
    "resized",
    "see_through",
    "shown_size",
    "turn",
    "write_picture",
]
