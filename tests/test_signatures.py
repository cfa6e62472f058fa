"""Every call that the course makes into a library uses names which the installed version knows.

Read from the sources, so that a new call is checked without being listed. Run in the newest versions here and in Colab's by
tests/colab/run.py. Each removed keyword once stopped somebody's class: max_seq_length, tokenizer, warmup_ratio,
evaluation_strategy, load_in_4bit.
"""

import ast
import importlib
import inspect
import re

import pytest

from course_utils import runtime

LIBRARIES = ("transformers", "peft", "trl", "bitsandbytes", "datasets", "huggingface_hub", "safetensors", "sklearn", "pandas",
             "matplotlib", "ipywidgets", "IPython", "jupytext", "nbformat", "nbclient", "psutil", "torch", "packaging",
             "tokenizers")
FILES = sorted(p for folder in ("course_utils", "notebooks", "benchmarks") for p in (runtime.ROOT / folder).rglob("*.py"))


def imported(tree) -> dict[str, str]:
    """Name -> dotted path of everything that a file imports from LIBRARIES, inside functions too."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = alias.name if alias.asname else alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    hidden = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}  # an argument may have an import's name
    return {name: path for name, path in names.items() if path.partition(".")[0] in LIBRARIES and name not in hidden}


def dotted(node) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := dotted(node.value)):
        return f"{before}.{node.attr}"
    return None


def calls(path):
    """(line, dotted path of what is called, its keyword names) for each call of a library's function or class."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (called := dotted(node.func)):
            head, _, tail = called.partition(".")
            if head in names:
                yield node.lineno, f"{names[head]}.{tail}".rstrip("."), [k.arg for k in node.keywords if k.arg]


def find(path: str):
    """The object at a dotted path. Raises AttributeError or ImportError when the installed version has none."""
    parts = path.split(".")
    for size in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for part in parts[size:]:
            found = getattr(found, part)
        return found
    raise ImportError(path)


def unknown(obj, keywords) -> list[str]:
    """Keywords that `obj` does not take; empty where it takes any (a model's configuration keeps whatever it is given), or
    where its signature cannot be read."""
    from transformers import PreTrainedConfig

    if isinstance(obj, type) and issubclass(obj, PreTrainedConfig):
        return []
    try:
        parameters = inspect.signature(obj).parameters
    except (TypeError, ValueError):
        return []
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return []
    return [k for k in keywords if k not in parameters]


def test_every_direct_call_is_known_to_the_installed_version():
    checked, wrong = 0, []
    for path in FILES:
        for line, called, keywords in calls(path):
            try:
                bad = unknown(find(called), keywords)
            except (AttributeError, ImportError) as error:
                bad = [str(error)]
            checked += 1
            wrong += [f"{path.name}:{line} {called}: {word}" for word in bad]
    assert not wrong, "\n".join(wrong)
    assert checked > 150


# ---------------------------------------------------------------- calls on objects, and functions that take any keyword
METHODS = {  # method -> where its keywords can be looked up
    "from_pretrained": ["transformers.PreTrainedModel.from_pretrained", "transformers.PreTrainedTokenizerBase.from_pretrained",
                        "transformers.PreTrainedTokenizerBase._from_pretrained", "peft.PeftModel.from_pretrained"],
    "apply_chat_template": ["transformers.PreTrainedTokenizerBase.apply_chat_template"],
    "add_weighted_adapter": ["peft.tuners.lora.model.LoraModel.add_weighted_adapter"],
    "set_adapter": ["peft.PeftModel.set_adapter"],
    "load_adapter": ["peft.PeftModel.load_adapter", "course_utils.models.load_adapter"],
    "merge_and_unload": ["peft.tuners.tuners_utils.BaseTuner.merge_and_unload"],
    "auth_check": ["huggingface_hub.HfApi.auth_check"],
    "gradient_checkpointing_enable": ["transformers.PreTrainedModel.gradient_checkpointing_enable"],
    "interact": ["ipywidgets.interact"],
}
SPREAD = {"gguf_file", "attn_implementation", "dtype", "device_map", "token", "quantization_config"}  # passed as **kwargs


def method_keywords(name):
    found = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
                found |= {k.arg for k in node.keywords if k.arg}
    return found | (SPREAD if name == "from_pretrained" else set())


@pytest.mark.parametrize("name", [n for n in METHODS if n != "interact"])
def test_methods_take_our_keywords(name):
    """Where a function takes any keyword, its source must read ours; else it is swallowed without a word."""
    objects = [find(path) for path in METHODS[name]]
    known = {word for obj in objects for word in inspect.signature(obj).parameters}
    source = "".join(inspect.getsource(inspect.unwrap(getattr(obj, "__func__", obj))) for obj in objects)
    read = set(re.findall(r'kwargs(?:\.pop|\.get|\[)\(?"(\w+)"', source))
    assert method_keywords(name) <= known | read, method_keywords(name) - known - read


def test_generate_takes_our_settings():
    from transformers import GenerationConfig, GenerationMixin

    source = inspect.getsource(GenerationMixin.generate)
    settings = set(vars(GenerationConfig())) | set(inspect.signature(GenerationMixin.generate).parameters)
    settings |= set(re.findall(r'kwargs\.pop\("(\w+)"', source)) | {"input_ids", "attention_mask", "tokenizer"}
    assert method_keywords("generate") <= settings, method_keywords("generate") - settings


def test_removed_names_are_really_refused_here_or_unused():
    """The traps of the field: these names fail or are ignored in the supported versions, so nothing of ours may use them."""
    old = ("max_seq_length", "warmup_ratio", "evaluation_strategy", "group_by_length", "save_safetensors",
           "overwrite_output_dir", "logging_dir", "torch_dtype", "activation_checkpointing")
    used = {k for path in FILES for _, _, ks in calls(path) for k in ks}
    assert not used & set(old)
    assert not [p.name for p in FILES if re.search(r"DataCollatorForCompletionOnlyLM|tokenizer=tokenizer, args|load_in_8bit",
                                                   p.read_text(encoding="utf-8"))]
    assert not [p.name for p in FILES if "load_in_4bit" in p.read_text(encoding="utf-8")
                and "BitsAndBytesConfig" not in p.read_text(encoding="utf-8")]


def test_a_wrong_keyword_would_be_found():
    from trl import SFTConfig

    assert unknown(SFTConfig, ["max_length", "max_seq_length"]) == ["max_seq_length"]
    with pytest.raises(AttributeError):
        find("trl.DataCollatorForCompletionOnlyLM")


def test_configurations_can_be_built():
    """Settings checked by value too: what the course asks for is accepted, on a machine without a GPU."""
    from peft import LoraConfig
    from transformers import BitsAndBytesConfig
    from trl import DPOConfig, SFTConfig

    common = dict(output_dir="x", bf16=False, fp16=False, use_cpu=True, report_to="none", max_steps=1, warmup_steps=0.06)
    config = SFTConfig(**common, max_length=64, train_sampling_strategy="sequential", completion_only_loss=True,
                       gradient_checkpointing=False)
    assert config.get_warmup_steps(100) == 6  # below 1 it is a share
    assert DPOConfig(**common, max_length=64, beta=0.1).beta == 0.1
    assert LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM").lora_alpha
    assert BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4").load_in_4bit
