"""What all sections of the configuration share: their base, and the types of names, primers and shares."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
"""What a study, marker, sample or library may be called; also the wildcard constraint of the rules."""

Name = Annotated[str, StringConstraints(pattern=f"^{NAME_PATTERN}$", max_length=64)]
Primer = Annotated[str, StringConstraints(pattern=r"^[ACGTURYSWKMBDHVNIacgturyswkmbdhvni]+$", min_length=8)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)
