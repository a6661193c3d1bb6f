#!/usr/bin/env bash
# Is the project right on this machine's GPU, is it fast, and where does the rest of the time go?
#
#     OUT=folder bash tests/gpu/check.sh
#
# needs Linux, an NVIDIA GPU, and Python 3.11 or newer with torch, torchvision, numpy and pytest: not
# the lock, no Snakemake, no network. What decides most is asked first, and every answer is in OUT as
# soon as it is there, so that a check which is cut short has answered something:
#
#     summary.txt   a line a part with its exit status, and its figures as JSON
#     logs.txt      all that the parts printed
#     losses.json   time and memory of every loss
#
# Variables, with what they are where they are not set:
#
#     LIMIT=480     seconds after which no part begins; the last one is ended then
#     FROM=1        first group: 1 is it right, 2 is it fast, 3 the rest of the time, 4 the rest of the
#                   table; a second call with FROM=3 goes on in the same folder
#     DEVICE=cuda   cpu tries whether all parts run, with as little work as can be: no figure counts
#     SIZE=448      height and width of the images in pixels; 32 on a cpu
#     NETWORK=resnet50   a convolutional classifier of torchvision; a small one on a cpu
#     PYTHON=python3
#
# Ends with status 0 where every part that began succeeded, else with 1.
set -u
OUT=${OUT:?names the folder for the answers: OUT=folder bash tests/gpu/check.sh}
LIMIT=${LIMIT:-480} FROM=${FROM:-1} DEVICE=${DEVICE:-cuda} PYTHON=${PYTHON:-python3}
if [ "$DEVICE" = cpu ]; then
    SIZE=${SIZE:-32} NETWORK=${NETWORK:-shufflenet_v2_x0_5}
    export TORCHDYNAMO_DISABLE=1 # what would be compiled is run as it is: compiling takes minutes
else
    SIZE=${SIZE:-448} NETWORK=${NETWORK:-resnet50}
fi
LEAST=15 # seconds in which no part could answer anything
SECONDS=0

mkdir -p "$OUT" && OUT=$(cd "$OUT" && pwd) && cd "$(dirname "$0")/../.." || exit 1
WORK=$(mktemp -d) || exit 1
trap 'rm -rf "$WORK"' EXIT
# Images of a part that is killed would fill the disk: each part finds this folder empty.
export TMPDIR=$WORK/temporary
mkdir "$TMPDIR"
# One thread as in a job of the workflow; what was printed before a part is killed is kept.
export OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
export PYTHONPATH=$PWD/workflow:$PWD/tests${PYTHONPATH:+:$PYTHONPATH}

began=0 failed=() waiting=() running=''
# Asked to end, it ends the part that runs and begins no other; what was answered is kept.
trap 'LIMIT=0; kill "$running" 2>/dev/null' INT TERM

note() { printf '%s\n' "$*" | tee -a "$OUT/summary.txt"; }

refuse() {
    note "$*"
    exit 1
}

# --------------------------------------------------------------------------------------------------
# Parts
# --------------------------------------------------------------------------------------------------

# What of a part's log is in the summary: answers, the verdict of pytest, and what torch warns of
# where a graph was captured that computes nothing, or not what it seems to.
ANSWERS='^\{|^(FAILED|ERROR) |^=+ .*(passed|failed|skipped|deselected|error).* =+$'
WARNINGS='AccumulateGrad|[Gg]raph is empty'

# part NAME SECONDS COMMAND...: run it for as long at most, whatever becomes of it; false where it was
# not begun.
part() {
    local name=$1 limit=$2 left=$((LIMIT - SECONDS)) start=$SECONDS status ended=''
    shift 2
    if [ "$left" -lt "$LEAST" ]; then
        waiting+=("$name")
        return 1
    fi
    [ "$limit" -lt "$left" ] || limit=$left
    began=$((began + 1))
    timeout -k 5 "$limit" "$@" >"$WORK/log" 2>&1 &
    running=$!
    wait "$running"
    status=$?
    if [ "$LIMIT" = 0 ]; then # that was the signal, not yet the part
        wait "$running"
        status=$?
    fi
    running=''
    case $status in
    124 | 137) ended=', its limit' ;; # as timeout says it
    esac
    note "$name: exit $status after $((SECONDS - start)) s$ended"
    grep -E "$ANSWERS|$WARNINGS" "$WORK/log" | head -n 40 | cut -c 1-2000 | indent
    if [ "$status" != 0 ]; then
        failed+=("$name")
        tail -n 3 "$WORK/log" | cut -c 1-300 | indent '! '
    fi
    {
        echo "=== $name: exit $status"
        tail -c 400000 "$WORK/log"
    } >>"$OUT/logs.txt"
    rm -rf "$TMPDIR" && mkdir "$TMPDIR"
}

indent() { sed "s/^/  ${1:-}/" | tee -a "$OUT/summary.txt"; }

# probe QUESTION SECONDS
probe() {
    part "probe_$1" "$2" "$PYTHON" tests/gpu/probe.py "$1" --device "$DEVICE" --size "$SIZE" \
        --network "$NETWORK"
}

# tests NAME SECONDS EXPRESSION: those of the GPU tests that the expression chooses.
tests() {
    part "tests_$1" "$2" "$PYTHON" -m pytest -vv -p no:cacheprovider --durations=12 \
        tests/gpu/test_gpu.py -k "$3"
}

# engine MEASURE BATCH PRECISION WAY [SECONDS]: one row of the benchmark of the training engine.
# loop: a resident batch, which is the limit, and the engine on packed images. papers: a plain loop.
engine() {
    local measure=$1 batch=$2 precision=$3 way=$4 limit=${5:-60} turns=3 least=256 images
    [ "$measure" = loop ] || turns=$((batch < 64 ? 2 : 1)) # JPEGs take long to make and to read
    images=$((16 * batch > least ? 16 * batch : least))
    [ "$DEVICE" = cuda ] || { images=$((2 * batch)) && turns=1; }
    part "${measure}_${batch}_${precision}_${way}" "$limit" "$PYTHON" tests/benchmarks/engine.py \
        --case "{\"measure\": \"$measure\", \"batch\": $batch, \"precision\": \"$precision\",
            \"way\": \"$way\", \"turns\": $turns, \"images\": $images, \"size\": $SIZE,
            \"channels\": 3, \"classes\": 20, \"architecture\": \"$NETWORK\",
            \"device\": \"$DEVICE\", \"machine\": {\"resident_megabytes\": 0}}"
}

# losses: each of them alone and as a part of a step; the largest parts are in the summary.
losses() {
    local options=(--seconds 1)
    [ "$DEVICE" = cuda ] || options=(--seconds 0 --losses an)
    part losses 90 "$PYTHON" tests/benchmarks/losses.py --device "$DEVICE" --resnet50 "$SIZE" \
        --json "$OUT/losses.json" "${options[@]}" || return
    grep 'a step$' "$WORK/log" | indent
    sed -n '/^ResNet-50/,$p' "$WORK/log" | grep '%$' | LC_ALL=C sort -rnk2 | head -n 5 | indent
}

# --------------------------------------------------------------------------------------------------
# The machine
# --------------------------------------------------------------------------------------------------

case $DEVICE in
cuda | cpu) ;;
*) refuse "DEVICE=$DEVICE is neither cuda nor cpu" ;;
esac
case $FROM in
[1-4]) ;;
*) refuse "FROM=$FROM is no group: there are 1, 2, 3 and 4" ;;
esac
note "=== $(date -u '+%F %H:%M') UTC, commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)," \
    "FROM=$FROM LIMIT=$LIMIT DEVICE=$DEVICE SIZE=$SIZE NETWORK=$NETWORK"
# The compiler of torch calls a C compiler.
note "$(getconf _NPROCESSORS_ONLN) cores," \
    "$(awk '/^MemAvailable/ {print int($2 / 1048576)}' /proc/meminfo) GB of memory and" \
    "$(df -Pk "$TMPDIR" | awk 'NR == 2 {print int($4 / 1048576)}') GB of disk are free," \
    "C compiler: $(command -v cc || command -v gcc || echo none)"

gpu_says() {
    ! command -v nvidia-smi >/dev/null || nvidia-smi --query-gpu="$1" --format=csv,noheader 2>&1 | indent
}
gpu_says name,driver_version,compute_mode,memory.total,memory.used
if [ "$DEVICE" = cuda ] &&
    ! timeout 120 "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    refuse "torch sees no GPU, or cannot be imported: nothing was tried"
fi

# --------------------------------------------------------------------------------------------------
# The questions
# --------------------------------------------------------------------------------------------------

# The rows that are measured first; those of batch 16 in bfloat16 from graphs should be the best, and
# those in float32 are what a result is compared with.
FIRST=("16 bf16 graphs" "8 bf16 graphs" "64 bf16 plain" "16 fp32 plain" "8 bf16 plain" "16 tf32 plain")
measured() { printf '%s\n' "${FIRST[@]}" | grep -qx "$1 $2 $3"; }

if [ "$FROM" -le 1 ]; then # Is it right? A failure here decides what the rest is worth.
    probe context 40
    tests fast 120 "not (compiled or network_of_both)"
    probe errors 40
    probe losses 90
    tests network 60 network_of_both
fi
if [ "$FROM" -le 2 ]; then # Is it fast?
    papers=(16 8 64)
    for number in "${!FIRST[@]}"; do
        read -r batch precision way <<<"${FIRST[number]}"
        engine loop "$batch" "$precision" "$way"
        [ "$number" -ge 3 ] || engine papers "${papers[number]}" fp32 plain
    done
fi
if [ "$FROM" -le 3 ]; then # Where does the rest of a run's time go?
    probe shapes 60
    probe start 90
    probe save 40
    probe host 120
    probe read 40
    engine loop 16 bf16 compiled 90
    engine loop 16 bf16 compiled_graphs 90
    tests compiled 90 compiled
    losses
fi
for batch in 8 16 64; do # The rest of the table.
    for precision in fp32 tf32 bf16; do
        for way in plain graphs; do
            measured "$batch" "$precision" "$way" || engine loop "$batch" "$precision" "$way"
        done
    done
done

gpu_says memory.used,temperature.gpu,clocks.sm
note "$began parts began and $((began - ${#failed[@]})) of them succeeded, in $SECONDS s"
[ "${#failed[@]}" = 0 ] || note "failed: ${failed[*]}"
[ "${#waiting[@]}" = 0 ] || note "not begun: ${waiting[*]}"
[ "${#failed[@]}" = 0 ]
