#!/usr/bin/env bash
# One piece of the tables at the paper's scale, on a machine with a GPU. The same command goes on where it was.
#
#   sgseg-train pack --data ../shared/data/QaTa --out packed       # first, where the data are: 49 MB
#   bash training/paper/on_gpu.sh packed runs/paper-tables 9       # then, where the GPU is
#
# Both tables, or one of them where the variable TABLES says which ("2", for example).
# Arguments: folder of data, folder of runs, minutes of this piece, and any options of `sgseg-train ablate` besides.
# Where the variable OUT names a folder, all finished rows and curves are copied there as one small archive.
set -euo pipefail
data=$1 runs=$2 minutes=$3
shift 3
mkdir -p "$runs"
for table in ${TABLES:-2 1}; do
    left=$(python -c "print(max(0.0, $minutes - $SECONDS / 60))")
    python -m training.cli ablate --recipe tables-paper --table "$table" --seeds 1 \
        --data "$data" --out "$runs" --minutes "$left" "$@"
done
if [ -n "${OUT:-}" ]; then
    (cd "$runs" && find . -name result.json -o -name metrics.csv -o -name run.json -o -name 'table-*.md') |
        tar -C "$runs" -czf "$OUT/tables.tar.gz" -T -
fi
