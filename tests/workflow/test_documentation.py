"""What the documents tell a reader to do, done: every file written, every command run.

A block of a document that opens with a file's name in a comment is written to that file; a block of
shell commands is run as it stands, in the order of the page, in a copy of the checkout whose default
selection is small. A command that a page repeats is run once. What needs the papers' datasets or a
cluster is planned instead, and what another test or the CI runs as a whole is only looked up.
"""

import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from checkouts import ROOT, Checkout, imported_stages
from snakemake.cli import get_argument_parser

DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/*.md", "config/*.md", "results/*.md")
    for path in ROOT.glob(pattern)
)
LANGUAGES = {"sh", "python", "yaml", "text", "mermaid"}
# Planned, because they need the papers' datasets, a cluster, data of the reader's or conda.
PLANNED = (
    r"config/(paper|linear)\.yaml|profiles/(slurm|generic|kubernetes)|flowers\.yaml|--sdm conda"
)
# Imports Snakemake, and has nothing that only a shell would understand.
PLAIN = re.compile(r"(snakemake|python -m spml\.plan)( [^<>|&;$`#]*)?")
# Targets of make that CI, other tests or benchmarks run, or that need a network.
LOOKED_UP = (
    "setup",
    "check",
    "test",
    "bench",
    "docs",
    "lock",
    "dist",
    "audit-list",
    "demo-all",
    "search",
    "clean",
)


class Block(NamedTuple):
    """A fenced block: its language and what stands in it, without indentation."""

    language: str
    text: str


def blocks(document: str) -> list[Block]:
    text = (ROOT / document).read_text(encoding="utf-8")
    found = re.findall(r"^( *)```(\w*)\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return [Block(language, textwrap.dedent(body)) for _, language, body in found]


def commands(text: str) -> Iterator[str]:
    """The lines of a shell block without comments, continued lines as one."""
    for line in text.replace("\\\n", " ").splitlines():
        if command := re.sub(r"\s+#.*$", "", line).strip():
            yield command


def as_run(command: str) -> str:
    """The command as the test gives it: itself, a plan, or only looked up."""
    if command.startswith("make ") and command.split()[1] in LOOKED_UP:
        return command.replace("make ", "make --dry-run ", 1)
    if command.startswith("snakemake ") and re.search(PLANNED, command):
        # As it is printed, but for what needs conda.
        return command.replace("--sdm conda --conda-create-envs-only", "") + " -n"
    return command


def in_full(checkout: Checkout, command: str) -> str:
    """What a command of make that imports Snakemake runs; others are left as they are."""
    if command.startswith("make plan"):
        return run(checkout, *shlex.split(command.replace("make", "make --dry-run", 1))).strip()
    return command


def place(checkout: Checkout, text: str) -> bool:
    """Write a block that names its file; False where it names none."""
    if named := re.match(r"# at the end of (\S+)\n", text):
        with (checkout.path / named[1]).open("a") as file:
            file.write(text[named.end() :])
    elif named := re.match(r"# at the end of (\w+) in (\S+)\n", text):
        before, opening, after = (
            (checkout.path / named[2]).read_text().partition(f"{named[1]} = {{\n")
        )
        inside, end, rest = after.partition("\n}\n")
        parts = (before, opening, inside, "\n", text[named.end() :].rstrip(), end, rest)
        (checkout.path / named[2]).write_text("".join(parts))
    elif named := re.match(r"# (\S+\.(?:py|smk|yaml))\b.*\n", text):
        path = checkout.path / named[1]
        assert path.parent.is_dir(), f"{named[1]} is in no folder that there is"
        path.write_text(text.replace("/datasets/flowers", "flowers"))
    return bool(named)


class Reader(Checkout):
    """A checkout in which a reader gives commands."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "PYTHONPATH": str(self.path / "workflow")}


@pytest.fixture
def reader(checkout) -> Reader:
    """A finished checkout as a reader has it, with the environment that `make setup` makes."""
    checkout.edit(
        "Snakefile",
        'configfile: "config/config.yaml"\n',
        'configfile: "config/config.yaml"\nconfigfile: "tests/workflow/small.yaml"\n',
    )
    # The papers' grid is planned whole elsewhere.
    for name in ("paper", "linear"):
        path = checkout.path / f"config/{name}.yaml"
        grid = yaml.safe_load(path.read_text())
        grid["select"] |= {"datasets": ["voc"], "methods": ["an", "gr"], "seeds": [0]}
        grid["select"]["exhibits"] = ["gr_main_table", "gr_class_counts", "ll_openimages"]
        path.write_text(yaml.safe_dump(grid))
    # The reader's own dataset, which the guide has elsewhere.
    (checkout.path / "flowers").mkdir()
    for split in ("train", "test"):
        (checkout.path / f"flowers/{split}.csv").write_text(f"image,rose,bee\n{split}.jpg,1,\n")
        (checkout.path / f"flowers/{split}.jpg").touch()
    environment = checkout.path / ".venv"
    environment.mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name != ".locked":
            (environment / path.name).symlink_to(path)
    (environment / ".locked").touch()
    return Reader(checkout.path)


def run(checkout: Checkout, *command: str) -> str:
    # Nothing of a make that runs the tests: another one would print that it is below it.
    inherited = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    plain = {key: value for key, value in checkout.environment().items() if key not in inherited}
    done = subprocess.run(
        command,
        cwd=checkout.path,
        env=plain,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}"
    return done.stdout


def run_shell(checkout: Checkout, script: Iterable[str]) -> None:
    """Run commands as they stand, those that import Snakemake without these imports if they can be."""
    for is_plain, lines in groupby(script, lambda line: bool(PLAIN.fullmatch(line))):
        if not is_plain:
            search_path = 'PATH="$PWD/.venv/bin:$PATH"'
            run(checkout, "bash", "-euo", "pipefail", "-c", "\n".join([search_path, *lines]))
            continue
        for line in lines:
            module, *words = shlex.split(line.removeprefix("python -m "))
            runs_jobs = module == "snakemake" and "-n" not in words
            how = {"purpose": "run", "python": imported_stages()} if runs_jobs else {}
            checkout.imported(module, *words, **how)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_says_what_it_is(document):
    assert {block.language for block in blocks(document)} <= LANGUAGES
    assert "@@" not in (ROOT / document).read_text(encoding="utf-8"), (
        "a number is still to be filled in"
    )
    for block in blocks(document):
        if block.language == "text":
            assert not re.match(r"(snakemake|make|python|git) ", block.text)


@pytest.mark.parametrize(
    "document", [name for name in DOCUMENTS if any(b.language == "sh" for b in blocks(name))]
)
def test_what_a_document_says_can_be_done(reader, document):
    done: set[str] = set()
    for block in blocks(document):
        if block.language in ("python", "yaml") and place(reader, block.text):
            continue
        if block.language == "python":
            run(reader, sys.executable, "-c", block.text)
        if block.language == "sh":
            script = dict.fromkeys(as_run(command) for command in commands(block.text))
            new = [command for command in script if command not in done]
            run_shell(reader, (in_full(reader, command) for command in new))
            done.update(new)


def spoken() -> list[tuple[str, str]]:
    """Commands within sentences and tables, with their documents."""
    found = []
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        text = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
        found += [
            (document, command)
            for command in re.findall(r"`((?:\w+=\S+ )?(?:make|snakemake|python) [^`]+)`", text)
        ]
    return found


@pytest.mark.parametrize(("document", "command"), spoken())
def test_command_in_a_sentence_exists(document, command):
    """Its target, module, file and options; what they do other tests see."""
    words = re.sub(r"^\w+=\S+ ", "", command).split()
    if words[0] == "make":
        done = subprocess.run(["make", "--dry-run", words[1]], cwd=ROOT, capture_output=True)
        assert done.returncode == 0, done.stderr
    elif words[0] == "snakemake":
        known = {
            option for action in get_argument_parser()._actions for option in action.option_strings
        }
        assert {word.split("=")[0] for word in words if word.startswith("-")} <= known
    elif words[1] == "-m" and words[2].startswith("spml"):
        source = ROOT / "workflow" / Path(*words[2].split("."))
        text = (
            source.with_suffix(".py") if not source.is_dir() else source / "__main__.py"
        ).read_text()
        for option in (word for word in words[3:] if word.startswith("--") and word != "--help"):
            assert f'"{option}"' in text, option
    elif words[1] != "-m":
        assert (ROOT / words[1]).is_file()


def test_links_lead_somewhere():
    """Files, and headings as GitHub names them."""
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
            name, _, heading = target.partition("#")
            path = (ROOT / document).parent / name if name else ROOT / document
            assert path.exists(), f"{document}: {target}"
            if heading:
                titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
                anchors = [re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles]
                assert heading in anchors, f"{document}: {target}"
