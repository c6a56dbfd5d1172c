#!/bin/sh
# A folder of files through a pipeline of three commands, by as many workers as you like:
#
#   sh examples/pipeline/run.sh [VOLUME]
set -eu
cd "$(dirname "$0")"
volume=${1:-volume}
flockwork=${FLOCKWORK:-npm run -s flockwork --}

mkdir -p "$volume" states
for file in in/*.txt; do
  name=$(basename "$file")
  printf '{"state": "report", "payload": {"file": "%s"}}\n' "$name" > "states/${name%.txt}.state"
done
# npm runs from the project's root: give it whole paths.
$flockwork up "$PWD/states" --dir "$(cd "$volume" && pwd)" --machines "$PWD/report.yaml" --workers 2
cat out/*.txt
