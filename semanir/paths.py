"""Where the project lies, and what the files are called that it makes.

A template names in braces what varies. Snakemake takes these for its wildcards; Python fills them
by `format`. <task> is a task of data_prep/tasks.yaml; below results/ it carries the level that a
network is trained for, as denoise_gray-sigma50, below data/ it is the family alone.
"""

from pathlib import Path

from semanir.files import visible

ROOT = Path(__file__).resolve().parent.parent

# photographs and weights, of every scale; the path of a set's index stands for the whole set
RAW = "data/raw/{dataset}/files.json"
CLEAN = "data/sets/{dataset}/index.json"
DEGRADED = "data/degraded/{family}/{dataset}/{level}/index.json"
RELEASED = "data/weights/{system}/{file}"
SHIPPED = "semanir/weights/{task}.safetensors"  # trained at the release scale, with the project
VGG = "data/vgg/vgg16.safetensors"  # of the loss for bad weather

# what is measured at a scale
WEIGHTS = "results/{scale}/train/{task}/{model}/seed{seed}/weights.safetensors"
TRAINING = "results/{scale}/train/{task}/{model}/seed{seed}/train.json"
SCORES = "results/{scale}/eval/{task}/{model}/seed{seed}.json"
ACTIVATION = "results/{scale}/activation/{task}/{model}/seed{seed}.json"
VISUAL = "results/{scale}/visual/{task}/{model}/seed{seed}.json"
COUNT = "results/{scale}/cost/{model}/count.json"
RUNTIME = "results/{scale}/cost/runtime.json"
ATTENTION = "results/{scale}/cost/attention/{evidence}.json"
PRICE = "results/{scale}/price.txt"
RESULTS = "results/{scale}/results.csv"
SYSTEMS = "results/{scale}/systems.csv"  # of what needs no training: inputs, released weights
# what a training writes into its folder, besides its session
STATE_FILE, LOG_FILE = "state.pt", "log.jsonl"
RECORD_FILE, WEIGHTS_FILE = "train.json", "weights.safetensors"


def shipped_tasks() -> list[str]:
    """The tasks that weights come with the project for, sorted."""
    return sorted(path.stem for path in visible((ROOT / SHIPPED).parent.glob("*.safetensors")))


def clean_set(dataset: str) -> Path:
    """The folder of a prepared set."""
    return Path(CLEAN.format(dataset=dataset)).parent


def degraded_set(family: str, dataset: str, level: str) -> Path:
    """The folder of a prepared set, degraded at a level of a family of tasks."""
    return Path(DEGRADED.format(family=family, dataset=dataset, level=level)).parent
