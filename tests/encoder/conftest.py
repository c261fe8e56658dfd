"""Small encoders and references that tests can afford."""

from __future__ import annotations

import json
import string
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from abyssal.config.models import MarkerConfig, PretrainConfig, ReferenceConfig
from abyssal.encoder.network import EncoderNetwork, EncoderSizes
from abyssal.files import sha256_file
from abyssal.references.model import AmpliconReference, write_reference

TINY = EncoderSizes(
    kmer_size=3, dimension=16, residual_width=8, stem_width=8, patch_kernel=4, width=16, layers=1, heads=2
)


def random_dna(rng: np.random.Generator, length: int) -> str:
    """Return random A, C, G, T."""
    return "".join(rng.choice(list("ACGT"), length))


def mutate(sequence: str, rng: np.random.Generator, *, share: float) -> str:
    """Return the sequence with about this share of its letters drawn anew."""
    letters = np.array(list(sequence))
    chosen = rng.random(letters.size) < share
    letters[chosen] = rng.choice(list("ACGT"), int(chosen.sum()))
    return "".join(letters)


def make_reference(
    seed: int, *, families: int = 4, genera: int = 5, species: int = 4, length: int = 150
) -> AmpliconReference:
    """Return amplicons that descend from one another as their names say: two records a species."""
    rng = np.random.default_rng(seed)
    sequences: dict[str, tuple[str, str, str]] = {}
    root = random_dna(rng, length)
    for family in range(families):
        of_family = mutate(root, rng, share=0.3)
        for genus in range(genera):
            of_genus = mutate(of_family, rng, share=0.1)
            for one in range(species):
                of_species = mutate(of_genus, rng, share=0.05)
                names = (f"Family{seed}{string.ascii_lowercase[family]}", f"Genus{seed}f{family}g{genus}")
                for _ in range(2):
                    sequence = mutate(of_species, rng, share=0.01)
                    sequences[sequence] = (*names, f"{names[1]} species{one}")
    ordered = sorted(sequences)
    return AmpliconReference(
        ("family", "genus", "species"),
        tuple(f"a{index}" for index in range(len(ordered))),
        tuple(ordered),
        tuple(((f"acc{index}", sequences[sequence]),) for index, sequence in enumerate(ordered)),
    )


def training_on(reference: AmpliconReference, folder: Path, **changes: object) -> PretrainConfig:
    """Return settings that train on this reference, which is written into ``folder``."""
    write_reference(reference, folder / "reference.fasta", folder / "members.tsv")
    rows = [row.split("\t") for row in (folder / "members.tsv").read_text().splitlines()[1:]]
    table = ["id\tfamily\tgenus\tspecies", *("\t".join((row[0], *row[2:])) for row in rows)]
    (folder / "lineages.tsv").write_text("\n".join(table) + "\n")
    source = ReferenceConfig(
        fasta=str(folder / "reference.fasta"), lineages=str(folder / "lineages.tsv"), trim=False
    )  # fmt: skip
    marker = MarkerConfig(
        forward_primer="ACGTACGTACGT", reverse_primer="TTGCATTGCATT", min_length=50, max_length=400, reference=source
    )
    return PretrainConfig(references={"mine": marker}, batch_size=8, **changes)


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a small Abyssal encoder whose gate is open."""
    from abyssal.encoder.configuration import AbyssalEncoderConfig
    from abyssal.encoder.modeling import AbyssalEncoderModel
    from abyssal.encoder.store import save_encoder

    torch.manual_seed(3)
    model = AbyssalEncoderModel(AbyssalEncoderConfig(**asdict(TINY)))
    with torch.no_grad():
        model.network.gate.fill_(0.5)
        model.network.wide.contract.weight.normal_(std=0.1)
    directory = tmp_path_factory.mktemp("encoders") / "tiny"
    save_encoder(model, directory)
    return directory


@pytest.fixture
def tiny_network() -> EncoderNetwork:
    """The starting values of a small network."""
    torch.manual_seed(4)
    return EncoderNetwork(TINY)


@pytest.fixture(scope="session")
def bert_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT over subwords of DNA, as DNABERT-2 is, on disk like a Hub snapshot."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    rng = np.random.default_rng(5)
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=128, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator([random_dna(rng, 500) for _ in range(20)], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    directory = tmp_path_factory.mktemp("hub") / "bert"
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]"
    ).save_pretrained(directory)
    torch.manual_seed(6)
    config = BertConfig(
        vocab_size=128, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    BertModel(config).save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def esm_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random ESM with rotary positions over single letters, the architecture of the Nucleotide Transformer."""
    from transformers import EsmConfig, EsmModel, EsmTokenizer

    directory = tmp_path_factory.mktemp("hub") / "esm"
    directory.mkdir()
    vocabulary = directory / "source.txt"
    vocabulary.write_text("\n".join(["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", *"ACGTN"]) + "\n")
    EsmTokenizer(str(vocabulary)).save_pretrained(directory)
    vocabulary.unlink()
    torch.manual_seed(7)
    config = EsmConfig(
        vocab_size=10, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        pad_token_id=1, mask_token_id=2, position_embedding_type="rotary", token_dropout=False,
    )  # fmt: skip
    EsmModel(config, add_pooling_layer=False).save_pretrained(directory)
    return directory


CONVERTED_ON = make_reference(8, families=3, genera=4, species=4).sequences
"""Amplicons that engines are calibrated on and compared with."""


def convert(directory: Path, folder: Path) -> Path:
    """Convert an encoder into ``folder``; skips the test where the packages are missing."""
    pytest.importorskip("onnxruntime", reason="the extra 'engines' is not installed")
    from abyssal.encoder.engines.choose import prepare
    from abyssal.encoder.load import load_encoder

    prepare(load_encoder(directory, batch_size=8), CONVERTED_ON, folder)
    return folder


@pytest.fixture(scope="session")
def prepared(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of engines in which the tiny encoder has been converted and its engine chosen."""
    return convert(tiny_encoder, tmp_path_factory.mktemp("engines"))


@pytest.fixture(scope="session")
def prepared_esm(esm_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of the random ESM."""
    return convert(esm_directory, tmp_path_factory.mktemp("engines"))


@pytest.fixture(scope="session")
def prepared_bert(bert_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of the random BERT."""
    return convert(bert_directory, tmp_path_factory.mktemp("engines"))


def with_choice(folder: Path, copy: Path, engine: str, sha256: str | None = None) -> Path:
    """Copy a folder of engines and note another choice in it."""
    (noted,) = folder.glob("*/choice.json")
    place = copy / noted.parent.name
    place.mkdir(parents=True)
    for file in noted.parent.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    model = place / ("int8.onnx" if engine.endswith("int8") else "fp32.onnx")
    (place / "choice.json").write_text(json.dumps({"engine": engine, "sha256": sha256 or sha256_file(model)}))
    return place
