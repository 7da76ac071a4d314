#!/usr/bin/env bash
# Everything that needs a CUDA device, in one go.  Not run yet: no machine with a card has seen it.
#
#     benchmarks/gpu.sh            results into benchmarks/results
#     OUT=folder benchmarks/gpu.sh
#
# Builds the library, runs the tests marked gpu, the four tools of compute-sanitizer on every operator, and the benchmarks
# of the loss and of a training step: eager, compiled, from graphs.  All of it runs even if a part fails; the exit status then says so.  PYTHON names the interpreter.
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
OUT=${OUT:-benchmarks/results}
PYTHON=${PYTHON:-python}
mkdir -p "$OUT" || exit 1
OUT=$(cd "$OUT" && pwd)
export GANREG_KERNEL=native PYTHONPATH=.${PYTHONPATH:+:$PYTHONPATH}

failed=()

# part NAME COMMAND...: its output into NAME.log, its fate into `failed`.
part() {
  local name=$1
  shift
  echo "== $name: $*"
  if "$@" >"$OUT/$name.log" 2>&1; then
    echo "   passed"
  else
    echo "   FAILED: $OUT/$name.log"
    tail -n 20 "$OUT/$name.log"
    failed+=("$name")
  fi
}

sanitize() {
  local tool=$1
  shift
  part "sanitize_$tool" compute-sanitizer --tool "$tool" --error-exitcode 1 "$@" "$PYTHON" benchmarks/gpu_sanitize.py
}

if ! "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
  echo "not run: no CUDA device" >&2
  exit 1
fi

part cuda_build "$PYTHON" -c '
import json, torch
from ganreg.ops import library
status = library.kernel_status("cuda")
print(json.dumps({"kind": status.kind, "path": str(status.path), "reason": status.reason, "compiler": status.compiler,
                  "card": torch.cuda.get_device_name(), "torch": torch.__version__, "cuda": torch.version.cuda}))
print(status.last_lines)
raise SystemExit(status.kind == "reference")'
head -n 1 "$OUT/cuda_build.log" >"$OUT/cuda_build.json"

part gpu_tests "$PYTHON" -m pytest -n 0 -m gpu --junitxml "$OUT/gpu_tests.xml" tests

if command -v compute-sanitizer >/dev/null; then
  # torch's caching allocator hides an overrun that stays within its block
  export PYTORCH_NO_CUDA_MEMORY_CACHING=1
  sanitize memcheck --leak-check no
  sanitize racecheck
  sanitize initcheck
  sanitize synccheck
  unset PYTORCH_NO_CUDA_MEMORY_CACHING
else
  echo "== sanitize: FAILED: compute-sanitizer is not on PATH"
  failed+=(sanitize)
fi

part loss_cuda "$PYTHON" -m ganreg bench loss --device cuda --json "$OUT/loss_cuda.json"
step=("$PYTHON" -m ganreg bench step --device cuda)
part step_cuda "${step[@]}" --json "$OUT/step_cuda.json"
part step_cuda_compiled "${step[@]}" --compile on --json "$OUT/step_cuda_compiled.json"
part step_cuda_graphs "${step[@]}" --cuda-graphs on --json "$OUT/step_cuda_graphs.json"

printf '{"failed": [%s]}\n' "$(printf '"%s",' "${failed[@]}" | sed 's/^"",$//; s/,$//')" >"$OUT/gpu.json"
if ((${#failed[@]})); then
  echo "failed: ${failed[*]}"
  exit 1
fi
echo "all passed"
