"""Networks of the library spandrel, imported without torchvision.

spandrel imports torchvision as a whole for two architectures that are not used here, and PyPI's
torchvision does not import beside a CPU build of torch. Where torchvision cannot be imported an
empty stand-in takes its place while spandrel is imported; it is taken away again afterwards.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from semanir.errors import InputError

INSTALL = "pip install --no-deps -r baselines/requirements.txt"


def library_class(name: str) -> Any:
    """The class that "spandrel.X" or "spandrel_extra_arches.X" names.

    Raises InputError where the library is not installed.
    """
    library, _, network = name.partition(".")
    return getattr(_import_library(f"{library}.architectures.{network}"), network)


def _import_library(module: str) -> ModuleType:
    stand_ins = {} if _imports("torchvision") else _torchvision()
    sys.modules.update(stand_ins)
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(f"{module} cannot be imported ({error}); {INSTALL}") from None
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _imports(module: str) -> bool:
    try:
        import_module(module)
    except Exception:  # a torchvision for another torch raises RuntimeError
        for name in [name for name in sys.modules if name.split(".")[0] == module]:
            del sys.modules[name]
        return False
    return True


def _torchvision() -> dict[str, ModuleType]:
    """Empty modules with the names that spandrel asks of torchvision."""
    names = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
    whole, transforms, functional = map(ModuleType, names)
    whole.transforms, transforms.functional = transforms, functional  # type: ignore[attr-defined]
    for name in ("InterpolationMode", "rotate", "normalize"):
        setattr(functional, name, None)
    return dict(zip(names, (whole, transforms, functional), strict=True))
