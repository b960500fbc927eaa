#!/usr/bin/env bash
# Screenshots of a run's report in Chromium, light and dark, and TensorBoard's own reader on its event files.
#   bench/report-screenshot.sh RUN OUT     (needs chromium, as Debian has it, and a Python with tensorboard: PYTHON=…)
set -euo pipefail
run=$(realpath "$1") out=$2
mkdir -p "$out"
for scheme in 1 0; do
  [ "$scheme" = 1 ] && name=light || name=dark
  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --blink-settings=preferredColorScheme=$scheme \
    --window-size=1400,2000 --screenshot="$out/$name.png" "file://$run/report.html" 2>/dev/null
  echo "$out/$name.png"
done
[ -d "$run/tensorboard" ] || exit 0
"${PYTHON:-python3}" - "$run/tensorboard" <<'PY'
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
found = EventAccumulator(sys.argv[1])
found.Reload()
for tag in sorted(found.Tags()["scalars"]):
    points = found.Scalars(tag)
    print(f"{tag}: {len(points)} points, last {points[-1].value:.4g} after step {points[-1].step}")
for tag in found.Tags()["tensors"]:
    print(f"{tag}: {found.SummaryMetadata(tag).plugin_data.plugin_name}")
PY
