"""Markers by name, and what the configuration overrides."""

from __future__ import annotations

import re

import pytest

from abyssal.config.models import NAME_PATTERN, MarkerConfig
from abyssal.errors import ConfigError
from abyssal.references.markers import read_markers, resolve_marker
from abyssal.sequences.alphabet import first_invalid_letter


def test_shipped_markers_are_usable_as_they_are() -> None:
    markers = read_markers()
    assert {"18S-V4-Zingone", "18S-V9-1389F-1510R", "COI-Leray", "12S-MiFish-U", "16S-V4"} <= set(markers)
    for name, marker in markers.items():
        assert re.fullmatch(NAME_PATTERN, name)
        assert first_invalid_letter(marker.forward_primer + marker.reverse_primer) is None
        assert 20 <= marker.min_length < marker.max_length <= 5000
        assert marker.source.startswith(("10.", "https://"))
        resolved = resolve_marker(name, MarkerConfig())
        assert (resolved.forward_primer, resolved.max_length) == (marker.forward_primer, marker.max_length)


def test_the_configuration_wins_and_inosine_becomes_n() -> None:
    resolved = resolve_marker("coi-leray", MarkerConfig(min_length=300))
    assert (resolved.min_length, resolved.max_length) == (300, 340)
    assert resolved.reverse_primer == "TANACYTCNGGRTGNCCRAARAAYCA"
    own = resolve_marker("mine", MarkerConfig(forward_primer="acgtacgtac", reverse_primer="TTTTGGGGCC"))
    assert own.forward_primer == "ACGTACGTAC"


def test_an_unknown_marker_gets_the_nearest_names() -> None:
    with pytest.raises(ConfigError, match=r"markers\.18S-V4-Zingonne.*18S-V4-Zingone"):
        resolve_marker("18S-V4-Zingonne", MarkerConfig())


def test_a_window_upside_down() -> None:
    with pytest.raises(ConfigError, match="min_length 400 is above max_length 340"):
        resolve_marker("COI-Leray", MarkerConfig(min_length=400))
