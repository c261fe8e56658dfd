"""A workflow of a few short steps that leaves what a real run leaves, for storms."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from support.exported_study import MARKER, write_study

SNAKEFILE = """
ROOT = "results/{{}}/{marker}".format(config["study"])
TEMPLATE = "{template}"
VERSION = config["package"]["version"]

rule all:
    input: ROOT + "/bundle/manifest.json", ROOT + "/report.html"

rule tables:
    output: ROOT + "/taxonomy.tsv", ROOT + "/preprocess/asv_table.tsv", ROOT + "/load/libraries.tsv",
            ROOT + "/cluster/members.tsv", ROOT + "/preprocess/asvs.fasta"
    shell: "sleep 0.4; cp -r {{TEMPLATE}}/study/. " + ROOT

rule report:
    input: ROOT + "/taxonomy.tsv"
    output: ROOT + "/report.html"
    shell: "sleep 0.4; echo '<!doctype html>' > {{output}}"

rule package:
    input: ROOT + "/report.html"
    output: ROOT + "/bundle/manifest.json"
    shell: "sleep 0.4; rm -rf " + ROOT + "/bundle; cp -r {{TEMPLATE}}/bundle " + ROOT + "/bundle; "
           "{python} {{TEMPLATE}}/set_version.py {{output}} {{VERSION}}"
"""
SET_VERSION = """
import json, sys
from pathlib import Path
from abyssal.bundle.manifest import render_manifest
path = Path(sys.argv[1])
fields = json.loads(path.read_text())
kept = {key: value for key, value in fields.items() if key not in ("format", "format_version", "checksum")}
path.write_bytes(render_manifest({**kept, "version": sys.argv[2]}))
"""


def write_stand_in(folder: Path, bundle: Path) -> Path:
    """Write the workflow below a folder and return it; ``bundle`` is a real one."""
    template = folder / "template"
    shutil.copytree(write_study(folder / "made"), template / "study")
    shutil.copytree(bundle, template / "bundle")
    (template / "set_version.py").write_text(SET_VERSION)
    snakefile = SNAKEFILE.format(marker=MARKER, template=template, python=sys.executable)
    (folder / "Snakefile").write_text(snakefile)
    return folder
