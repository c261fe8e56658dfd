"""``abyssal bundle``: look at bundles, check them, compare them, and move them through a registry, describe them."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from abyssal.cli.add_taxa import add_verb
from abyssal.errors import BundleError, UsageError

if TYPE_CHECKING:
    from abyssal.bundle.read import Bundle
    from abyssal.bundle.registry import Labels, Registry

_REGISTRY_VARIABLE = "ABYSSAL_REGISTRY"
_PASSWORD_VARIABLE = "ABYSSAL_KEY_PASSWORD"
_BUNDLE_HELP = "directory, or REGISTRY/NAME@VERSION-OR-LABEL"
_PRUNE_KEEPS = 5
_LICENSE = "https://creativecommons.org/licenses/by/4.0/"
_Parsers = argparse._SubParsersAction


def register(subparsers: _Parsers[argparse.ArgumentParser]) -> None:
    """Add ``bundle`` with its verbs."""
    parser = subparsers.add_parser("bundle", help="inspect, verify, compare, publish and fetch bundles")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _add_local_verbs(verbs)
    _add_crate_verb(verbs)
    add_verb(verbs)
    _add_registry_verbs(verbs)


def _add_local_verbs(verbs: _Parsers[argparse.ArgumentParser]) -> None:
    inspect = verbs.add_parser("inspect", help="check all files and say what a bundle is")
    inspect.add_argument("bundle", metavar="BUNDLE", help=_BUNDLE_HELP)
    inspect.add_argument("--json", action="store_true", help="print the manifest instead of a summary")
    inspect.set_defaults(run=run_inspect)
    verify = verbs.add_parser("verify", help="check all files and score the golden sequences again")
    verify.add_argument("bundle", metavar="BUNDLE", help=_BUNDLE_HELP)
    verify.add_argument(
        "--trusted", type=Path, metavar="PEM", help="check the signature with this public key or authority, too"
    )
    verify.add_argument("--files-only", action="store_true", help="check sizes and hashes, do not load the model")
    verify.set_defaults(run=run_verify)
    sign = verbs.add_parser("sign", help="sign a bundle with a private key; the signature lies beside it")
    sign.add_argument("bundle", type=Path, metavar="DIR")
    sign.add_argument("--key", type=Path, required=True, metavar="PEM", help="private key (elliptic curve)")
    sign.add_argument("--certificate", type=Path, metavar="PEM", help="certificate of the key, kept in the signature")
    sign.add_argument(
        "--chain",
        type=Path,
        action="append",
        default=[],
        metavar="PEM",
        help="certificate between it and the authority",
    )
    sign.set_defaults(run=run_sign)
    diff = verbs.add_parser("diff", help="say what changed in data, config, code and metrics")
    diff.add_argument("before", metavar="BEFORE", help=_BUNDLE_HELP)
    diff.add_argument("after", metavar="AFTER", help=_BUNDLE_HELP)
    diff.add_argument("--files", action="store_true", help="list the files that differ, too")
    diff.set_defaults(run=run_diff)


def _add_crate_verb(verbs: _Parsers[argparse.ArgumentParser]) -> None:
    crate = verbs.add_parser("crate", help="describe a study and its bundle as an RO-Crate")
    crate.add_argument("study", type=Path, metavar="DIR", help="results/<study>/<marker>/")
    crate.add_argument(
        "--license", default=_LICENSE, metavar="URL", help=f"licence of the results (default: {_LICENSE})"
    )
    crate.add_argument(
        "--date", type=date.fromisoformat, default=None, metavar="YYYY-MM-DD", help="day to state (default: today)"
    )
    crate.set_defaults(run=run_crate)


def _add_registry_verbs(verbs: _Parsers[argparse.ArgumentParser]) -> None:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--registry", default=os.environ.get(_REGISTRY_VARIABLE), metavar="PLACE",
        help=f"directory or s3://BUCKET/PREFIX (default: ${_REGISTRY_VARIABLE})",
    )  # fmt: skip
    publish = verbs.add_parser("publish", help="publish a bundle under its name and version", parents=[common])
    publish.add_argument("bundle", type=Path, metavar="DIR")
    publish.add_argument("--activate", action="store_true", help="label it current as well")
    publish.set_defaults(run=run_publish)
    fetch = verbs.add_parser("fetch", help="copy a version here, resuming and verifying", parents=[common])
    fetch.add_argument("selector", metavar="NAME[@VERSION-OR-LABEL]", help="default: the version labelled current")
    fetch.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    fetch.set_defaults(run=run_fetch)
    listing = verbs.add_parser("list", help="list names, versions and labels", parents=[common])
    listing.add_argument("name", nargs="?", metavar="NAME")
    listing.set_defaults(run=run_list)
    activate = verbs.add_parser("activate", help="label a version current", parents=[common])
    activate.add_argument("name", metavar="NAME")
    activate.add_argument("version", metavar="VERSION")
    activate.set_defaults(run=run_activate)
    rollback = verbs.add_parser("rollback", help="exchange current and previous", parents=[common])
    rollback.add_argument("name", metavar="NAME")
    rollback.set_defaults(run=run_rollback)
    prune = verbs.add_parser("prune", help="delete old versions, never a labelled one", parents=[common])
    prune.add_argument("name", metavar="NAME")
    prune.add_argument(
        "--keep", type=_not_negative, default=_PRUNE_KEEPS, metavar="N",
        help=f"newest versions to keep (default: {_PRUNE_KEEPS})",
    )  # fmt: skip
    prune.set_defaults(run=run_prune)


def _not_negative(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("expected 0 or more")  # noqa: EM101
    return value


def run_inspect(arguments: argparse.Namespace) -> None:
    """Print what a bundle is."""
    bundle = _open(arguments.bundle)
    manifest = bundle.manifest
    if arguments.json:
        sys.stdout.write((bundle.directory / "manifest.json").read_text(encoding="utf-8"))
        return
    marker = manifest.marker
    _print_table(
        ("name", manifest.name), ("version", manifest.version), ("digest", bundle.digest),
        ("format", f"{manifest.format} {manifest.format_version}"), ("marker", marker.name),
        ("primers", f"{marker.forward_primer or '-'} / {marker.reverse_primer or '-'}"),
        ("ranks", ", ".join(manifest.ranks) or "none (putative taxa only)"),
        ("encoder", manifest.encoder_digest), ("config", manifest.config_digest), ("code", manifest.code_version),
        *((f"fact: {key}", value) for key, value in sorted(manifest.facts.items())),
        *((f"data: {key}", value) for key, value in sorted(manifest.data_digests.items())),
        *((f"tool: {key}", value) for key, value in sorted(manifest.tool_versions.items())),
        *((f"file: {path}", f"{entry.size} bytes") for path, entry in sorted(manifest.files.items())),
    )  # fmt: skip


def run_verify(arguments: argparse.Namespace) -> None:
    """Check files and golden sequences."""
    bundle = _open(arguments.bundle)
    _say(f"{bundle.name} {bundle.version} ({bundle.digest}): {len(bundle.manifest.files)} files as in the manifest")
    if arguments.trusted is not None:
        from abyssal.bundle.signing import verify_signature

        verify_signature(bundle, arguments.trusted)
        _say(f"signed, as vouched for by {arguments.trusted}")
    if arguments.files_only:
        return
    from abyssal.bundle.golden import self_test
    from abyssal.taxonomy.classifier import Classifier

    result = self_test(Classifier.load(bundle.directory), bundle)
    _say(
        f"{result.sequences} golden sequences answered as when the bundle was written "
        f"(largest difference of a confidence: {result.largest_difference:.1e})"
    )


def run_sign(arguments: argparse.Namespace) -> None:
    """Sign a bundle; the key's password, if it has one, comes from the environment."""
    from abyssal.bundle.read import open_bundle
    from abyssal.bundle.signing import sign_bundle

    signature = sign_bundle(
        open_bundle(arguments.bundle), arguments.key, password=os.environ.get(_PASSWORD_VARIABLE) or None,
        certificate=arguments.certificate, chain=arguments.chain,
    )  # fmt: skip
    _say(f"signed: {signature}")


def run_diff(arguments: argparse.Namespace) -> None:
    """Print what changed, section by section."""
    from abyssal.bundle.diff import diff_bundles

    before, after = _open(arguments.before), _open(arguments.after)
    if before.digest == after.digest:
        _say(f"equal: {before.digest}")
        return
    for section, changes in itertools.groupby(diff_bundles(before, after), key=lambda change: change.section):
        found = list(changes)
        if section == "files" and not arguments.files:
            _say(f"files: {len(found)} differ (--files lists them)")
            continue
        _say(f"{section}:")
        for change in found:
            _say(f"  {change}")


def run_crate(arguments: argparse.Namespace) -> None:
    """Write ro-crate-metadata.json into a study's directory."""
    from abyssal.bundle.crate import write_crate

    day = arguments.date or datetime.now(UTC).date()
    _say(str(write_crate(arguments.study, published=day, license_url=arguments.license)))


def run_publish(arguments: argparse.Namespace) -> None:
    """Publish a bundle; publishing the same bytes again is no error."""
    registry = _registry(arguments)
    done = registry.publish(arguments.bundle)
    _say(f"{done.name} {done.version} ({done.digest}) {'published' if done.created else 'was published already'}")
    if arguments.activate:
        _print_labels(done.name, registry.activate(done.name, done.version))


def run_fetch(arguments: argparse.Namespace) -> None:
    """Copy a version to a directory."""
    name, _, selector = arguments.selector.partition("@")
    bundle = _registry(arguments).fetch(name, selector or "current", arguments.output)
    _say(f"{bundle.name} {bundle.version} ({bundle.digest}) is at {arguments.output}")


def run_list(arguments: argparse.Namespace) -> int:
    """Print one line a version: name, version, labels, marker, digest; 1 when one of them is broken."""
    registry = _registry(arguments)
    broken = listed = 0
    for name in [arguments.name] if arguments.name else registry.names():
        labels = registry.labels(name)
        for version in registry.versions(name):
            listed += 1
            of_version = [label for label in ("current", "previous") if getattr(labels, label) == version]
            try:
                manifest, digest = registry.manifest(name, version)
            except BundleError as error:
                # One broken version must not hide the others.
                broken += 1
                sys.stderr.write(f"ERROR: {error}\n")
                continue
            _say("\t".join((name, version, ",".join(of_version) or "-", manifest.marker.name, digest)))
    if not listed:
        sys.stderr.write(f"{registry.location}: nothing is published there{_under(arguments.name)}\n")
    return 1 if broken else 0


def _under(name: str | None) -> str:
    return f" under the name {name}" if name else ""


def run_activate(arguments: argparse.Namespace) -> None:
    """Label a version current."""
    _print_labels(arguments.name, _registry(arguments).activate(arguments.name, arguments.version))


def run_rollback(arguments: argparse.Namespace) -> None:
    """Exchange current and previous."""
    _print_labels(arguments.name, _registry(arguments).rollback(arguments.name))


def run_prune(arguments: argparse.Namespace) -> None:
    """Delete old versions."""
    deleted = _registry(arguments).prune(arguments.name, keep=arguments.keep)
    _say(f"deleted: {', '.join(deleted) or 'nothing'}")


def _open(location: str) -> Bundle:
    from abyssal.bundle.registry import open_location

    return open_location(location)


def _registry(arguments: argparse.Namespace) -> Registry:
    from abyssal.bundle.registry import open_registry

    if not arguments.registry:
        message = f"no registry; give --registry PLACE or set {_REGISTRY_VARIABLE}"
        raise UsageError(message)
    return open_registry(arguments.registry)


def _print_labels(name: str, labels: Labels) -> None:
    _say(f"{name}: current {labels.current or '-'}, previous {labels.previous or '-'}")


def _print_table(*rows: tuple[str, str]) -> None:
    width = max(len(key) for key, _ in rows)
    for key, value in rows:
        _say(f"{key:<{width}}  {value}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
