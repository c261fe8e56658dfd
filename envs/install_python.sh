#!/usr/bin/env bash
# Install the locked Python dependencies and this checkout into the environment of the given interpreter.
# PyTorch comes first, by exact version and from the CPU index, so that nothing fetches gigabytes of CUDA libraries;
# set ABYSSAL_TORCH_INDEX to another PyTorch index (or to "default" for the package index's own build) to change that.
set -euo pipefail
python=$1
torch=$("$python" - <<'PY'
import re, pathlib
print(re.search(r'"(torch==[^"]+)"', pathlib.Path("pyproject.toml").read_text()).group(1))
PY
)
options=(--quiet --disable-pip-version-check --no-input)
if ! "$python" -c "import torch, sys; sys.exit(torch.__version__.split('+')[0] != '${torch#torch==}')" 2>/dev/null; then
    echo "    $torch"
    index=${ABYSSAL_TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
    if [ -n "${PIP_FIND_LINKS:-}" ] || [ "$index" = default ]; then
        "$python" -m pip install "${options[@]}" --no-deps "$torch"
    else
        "$python" -m pip install "${options[@]}" --no-deps --index-url "$index" "$torch" ||
            "$python" -m pip install "${options[@]}" --no-deps "$torch"
    fi
fi
echo "    $(grep -c == requirements.lock) locked packages"
"$python" -m pip install "${options[@]}" --no-deps -r requirements.lock
"$python" -m pip install "${options[@]}" --no-deps -e .
