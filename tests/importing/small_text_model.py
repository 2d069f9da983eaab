"""A text tower of XLM-R's kind, small and made up, as a folder that stands for one of the hub's."""

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from tests.importing.texts import ENGLISH, JAPANESE

MARKS = ("<s>", "<pad>", "</s>", "<unk>")
NAMES = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
NAMES |= {"unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"}


def tokeniser_folder(folder: Path, kind: str) -> Path:
    """A unigram model over the characters, and some words, of a few titles."""
    folder.mkdir(exist_ok=True)
    words = ["▁" + word for word in (*ENGLISH, *JAPANESE)] + ["75", "ing", "ニンテンドー", "無料"]
    characters = sorted(set("".join(words)).union("abcdefghijklmnopqrstuvwxyz0123456789"))
    scores = {word: -6.0 - n / 100 for n, word in enumerate(words) if len(word) > 1}
    scores |= {character: -9.0 - n / 100 for n, character in enumerate(characters)}
    pieces = [(mark, 0.0) for mark in MARKS] + list(scores.items()) + [("<mask>", 0.0)]
    made = Tokenizer(models.Unigram(pieces, unk_id=MARKS.index("<unk>")))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    marks = [("<s>", 0), ("</s>", 2)]
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=marks
    )
    made.add_special_tokens([*MARKS, "<mask>"])
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind} | NAMES))
    return folder


def model_config(folder: Path) -> Path:
    """The path of a model's config, of a tiny image tower and a text tower in the same folder."""
    tokeniser_folder(folder, "XLMRobertaTokenizer")
    tower = {"model_type": "xlm-roberta", "vocab_size": 512, "max_position_embeddings": 96}
    tower |= {"hidden_size": 32, "intermediate_size": 64, "pad_token_id": 1}
    tower |= {"num_attention_heads": 2, "num_hidden_layers": 2, "type_vocab_size": 1}
    (folder / "config.json").write_text(json.dumps(tower))
    config = json.loads((Path(__file__).parent.parent / "models" / "tiny.json").read_text())
    names = {"hf_model_name": str(folder), "hf_tokenizer_name": str(folder)}
    config["text_cfg"] = {**names, "hf_pooler_type": "mean_pooler"}
    path = folder / "tiny_xlmr.json"
    path.write_text(json.dumps(config))
    return path
