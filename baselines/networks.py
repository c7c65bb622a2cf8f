"""Networks of models.yaml, built by name: our own, and those of spandrel.

spandrel imports torchvision as a whole for two architectures that are not used here, and PyPI's
torchvision does not import beside a CPU build of torch. Where torchvision cannot be imported an
empty stand-in takes its place while spandrel is imported; it is taken away again afterwards.
"""

import sys
import warnings
from importlib import import_module
from types import ModuleType
from typing import Any

from torch import nn

from semanir.errors import InputError
from semanir.names import known_name
from semanir.plan import models

LIBRARIES = ("spandrel", "spandrel_extra_arches")
INSTALL = "pip install --no-deps -r baselines/requirements.txt"


def build(model: str, variant: str = "") -> nn.Module:
    """A system of models.yaml with random weights; `variant` as there, the first where empty.

    Raises InputError for a name that has no network, an unknown variant, a library that is not
    installed or a licence that was not accepted.
    """
    entry = models.get_model(model)
    if "network" not in entry:
        raise InputError(f"{model} has no network: {entry.get('quoted', 'a classical method')}")
    models.check_licence(model)
    variant = known_name(variant or next(iter(entry["variants"])), entry["variants"], "variant")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.meshgrid's, of code that is not ours
        return network_class(entry["network"])(**entry["variants"][variant])


def network_class(dotted: str) -> Any:
    """The class that `network` of models.yaml names."""
    module, _, name = dotted.rpartition(".")
    if module in LIBRARIES:
        return getattr(_import_library(f"{module}.architectures.{name}"), name)
    return getattr(import_module(module), name)


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
